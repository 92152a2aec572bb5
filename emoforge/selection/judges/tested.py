"""What a judge said of people whom it has not met, and the tables of its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from emoforge.clip import Clip
from emoforge.errors import CorpusError
from emoforge.label import Scheme
from emoforge.selection.judges.metrics import (
    Metric,
    clustered_interval,
    confusion,
    ece,
    fit_temperature,
    macro_f1,
    multilabel_macro_f1,
    uar,
)

Logits = npt.NDArray[np.float32]
"""[n, classes]; -inf for a class that the training had no example of."""

_MANY = 10
"""Speakers who have a class: so many are enough, however many have it not."""


def speaker_folds(clips: Sequence[Clip], folds: int) -> dict[str, int]:
    """Fold of each speaker; those of one corpus and gender go round the folds in random order.

    Raises CorpusError for a single speaker.
    """
    if len(speakers := {clip.speaker for clip in clips}) == 1:
        raise CorpusError(
            f"all {len(clips)} clips are of one speaker ({speakers.pop()}), so nobody is left to "
            "test on; add speakers, or set evaluate=false for a judge that is not calibrated"
        )
    groups: dict[tuple[str, str], set[str]] = {}
    for clip in clips:
        groups.setdefault((clip.corpus, clip.gender or ""), set()).add(clip.speaker)
    corpora = list(dict.fromkeys(clip.corpus for clip in clips))
    rng = np.random.default_rng(0)
    order: list[str] = []
    for group in sorted(groups, key=lambda group: (corpora.index(group[0]), group[1])):
        order += rng.permutation(sorted(groups[group])).tolist()
    return {speaker: i % folds for i, speaker in enumerate(order)}


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """Clips that a scheme can label, and what was heard in them.

    targets: the labels as distributions, [n, classes]; labels: their hard classes, [n].
    """

    targets: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    logits: Logits
    corpora: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.str_]

    @classmethod
    def of(cls, clips: Sequence[Clip], logits: Logits, scheme: Scheme) -> Self:
        labels = [clip.label.project(scheme) for clip in clips]
        known = [i for i, label in enumerate(labels) if label]
        return cls(
            np.array([label.distribution for label in labels if label], np.float32).reshape(
                len(known), len(scheme.classes)
            ),
            np.array([scheme.index(label.hard) for label in labels if label], np.int64),
            logits[known],
            np.array([clips[i].corpus for i in known], np.str_),
            np.array([clips[i].speaker for i in known], np.str_),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        return cls(
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.corpora for part in parts]),
            np.concatenate([part.speakers for part in parts]),
        )

    def take(self, rows: npt.NDArray[np.bool_]) -> Self:
        return type(self)(
            self.targets[rows],
            self.labels[rows],
            self.logits[rows],
            self.corpora[rows],
            self.speakers[rows],
        )

    @property
    def temperature(self) -> float:
        """The one that makes these answers the most likely (`metrics.fit_temperature`)."""
        return fit_temperature(self.logits, self.labels)

    def cooled(self, temperature: float) -> Self:
        """The same answers with logits divided by a temperature."""
        return replace(self, logits=(self.logits / temperature).astype(np.float32))


def summary(
    folds: Sequence[Tested],
    left_out: Mapping[str, Tested],
    scheme: Scheme,
    unseen: Sequence[int] = (),
) -> dict[str, Any]:
    """Plain JSON values of one scheme, as `evaluate_judge` describes them.

    folds: speakers held out, fold by fold; left_out: corpora held out, by name.
    Every answer is taken at the temperature of others: of other folds, of other corpora.
    """
    whole = Tested.joined(folds)
    cooled = [
        part.cooled(Tested.joined([other for other in folds if other is not part]).temperature)
        for part in folds
    ]
    after = Tested.joined(cooled)
    corpora = {
        name: part.cooled(whole.take(whole.corpora != name).temperature)
        for name, part in left_out.items()
    }
    return {
        "held_out_speakers": tables(after, scheme),
        "unseen_speakers": tables(Tested.joined([cooled[k] for k in unseen]), scheme)
        if unseen
        else {},
        "left_out_corpus": {
            name: table for name, part in corpora.items() for table in tables(part, scheme).values()
        },
        "calibration": {
            "temperature": round(whole.temperature, 4),
            "ece_before": round(ece(whole.labels, _softmax(whole.logits)), 4),
            "ece_after": round(ece(after.labels, _softmax(after.logits)), 4),
        },
    }


def _softmax(logits: Logits) -> npt.NDArray[np.float32]:
    from scipy.special import softmax

    return np.asarray(softmax(logits, axis=1), np.float32)


def tables(tested: Tested, scheme: Scheme) -> dict[str, Any]:
    """Per corpus: scores over its classes (see `_table`), where there are any."""
    return {
        str(corpus): table
        for corpus in dict.fromkeys(tested.corpora.tolist())
        if (table := _table(tested.take(tested.corpora == corpus), scheme.classes))
    }


def _table(tested: Tested, names: Sequence[str]) -> dict[str, Any]:
    """Scores over the corpus's classes: those that at least half its speakers, or `_MANY`, have.

    A class that the training had no example of is not among them.
    """
    everyone = _speakers(tested)
    enough = min(everyone / 2, _MANY)
    present = [c for c in np.unique(tested.labels) if np.isfinite(tested.logits[:, c]).any()]
    often = [c for c in present if _speakers(tested.take(tested.labels == c)) >= enough]
    classes = often or present
    own = tested.take(np.isin(tested.labels, classes))
    if not len(own.labels):
        return {}
    predicted = np.asarray(classes)[own.logits[:, classes].argmax(1)]
    counts = confusion(own.labels, predicted, len(names))
    several = _speakers(own) > 1

    def interval(metric: Metric) -> list[float] | None:
        if not several:
            return None
        return _rounded(clustered_interval(metric, own.labels, predicted, own.speakers))

    soft: dict[str, Any] = {}
    if (own.targets.max(1) < 1).any():
        value, ends = multilabel_macro_f1(own.targets, _softmax(own.logits), own.speakers)
        soft["multilabel_macro_f1"] = {
            "value": round(value, 4),
            "interval": _rounded(ends) if several else None,
        }
    everything = confusion(tested.labels, tested.logits.argmax(1), len(names))
    return {
        "clips": len(own.labels),
        "speakers": _speakers(own),
        "classes": [names[c] for c in classes],
        **{
            name: {"value": round(float(metric(counts)), 4), "interval": interval(metric)}
            for name, metric in (("uar", uar), ("macro_f1", macro_f1))
        },
        **soft,
        "recall": {names[c]: round(float(_recall(c, counts)), 4) for c in classes},
        "recall_interval": {names[c]: interval(partial(_recall, c)) for c in classes},
        # Without the restriction to the corpus's classes: as the judge is used.
        "uar_of_all_classes": round(float(uar(everything)), 4),
    }


def _speakers(tested: Tested) -> int:
    return len(np.unique(tested.speakers))


def _recall(c: int, counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(counts[..., c, c] / np.maximum(counts[..., c, :].sum(-1), 1), np.float64)


def _rounded(ends: tuple[float, float]) -> list[float]:
    return [round(end, 4) for end in ends]
