"""How well a recipe hears people whom it has not met: the numbers of a judge's card."""

from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from emoforge.clip import Clip
from emoforge.label import Scheme, scheme
from emoforge.pool import process_pool
from emoforge.progress import Progress
from emoforge.selection.judges.features import RATE, heard_frames
from emoforge.selection.judges.metrics import (
    clustered_interval,
    confusion,
    ece,
    fit_temperature,
    macro_f1,
    uar,
)
from emoforge.selection.judges.model import Model
from emoforge.selection.judges.recipe import Recipe
from emoforge.selection.judges.train import train_judge

Logits = npt.NDArray[np.float32]


def evaluate_judge(
    clips: Sequence[Clip],
    recipe: Recipe,
    out: Path,
    *,
    folds: int = 5,
    unseen: Sequence[int] = (),
    seed: int = 0,
    jobs: int = 1,
    progress: Progress,
) -> dict[str, Any]:
    """Measure a recipe with every speaker held out once, and with every corpus left out once.

    out: folder for the weights of the runs; a run whose weights are there is not made again.
    unseen: folds on whose speakers no choice of the recipe was based; they are reported apart.
    Returns plain JSON values, by scheme: UAR and macro-F1 per corpus over its classes with
    95 % intervals from a bootstrap over speakers, the temperature, and calibration.
    """
    schemes = [scheme(name) for name in recipe.schemes]
    clips = [clip for clip in clips if any(clip.label.project(s) for s in schemes)]
    fold_of = speaker_folds(clips, folds)
    held_out = [[clip for clip in clips if fold_of[clip.speaker] == k] for k in range(folds)]
    corpora = list(dict.fromkeys(clip.corpus for clip in clips))
    left_out = {name: [clip for clip in clips if clip.corpus == name] for name in corpora}
    runs = {f"fold-{k}": test for k, test in enumerate(held_out)}
    if len(corpora) > 1:
        runs |= {f"without-{name}": test for name, test in left_out.items()}
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: out / f"{name}.safetensors" for name in runs}
    pending = [name for name in runs if not weights[name].exists()]
    with (
        progress.stage("evaluate", len(pending)) as advance,
        process_pool(jobs) as pool,
    ):
        started = []
        for name in pending:
            tested = {clip.id for clip in runs[name]}
            train = [clip for clip in clips if clip.id not in tested]
            started.append(pool.submit(_train, train, recipe, weights[name], seed))
        for finished in as_completed(started):
            finished.result()
            advance(1)
    heard = {name: _hear(weights[name], test) for name, test in runs.items()}
    report: dict[str, Any] = {"folds": folds, "seed": seed, "fold_of_speaker": fold_of}
    for s in schemes:
        parts = [_Tested.of(held_out[k], heard[f"fold-{k}"], s) for k in range(folds)]
        report[s.name] = {
            "held_out_speakers": _tables(_Tested.joined(parts), s),
            "unseen_speakers": _tables(_Tested.joined([parts[k] for k in unseen]), s)
            if unseen
            else {},
            "left_out_corpus": {
                name: _tables(_Tested.of(test, heard[f"without-{name}"], s), s)[name]
                for name, test in left_out.items()
                if f"without-{name}" in heard
            },
            "calibration": _calibration(parts),
        }
    return report


def speaker_folds(clips: Sequence[Clip], folds: int) -> dict[str, int]:
    """Fold of each speaker; those of one corpus and gender go round the folds in random order."""
    groups: dict[tuple[str, str], set[str]] = {}
    for clip in clips:
        groups.setdefault((clip.corpus, clip.gender or ""), set()).add(clip.speaker)
    corpora = list(dict.fromkeys(clip.corpus for clip in clips))
    rng = np.random.default_rng(0)
    order: list[str] = []
    for group in sorted(groups, key=lambda group: (corpora.index(group[0]), group[1])):
        order += rng.permutation(sorted(groups[group])).tolist()
    return {speaker: i % folds for i, speaker in enumerate(order)}


def _train(clips: Sequence[Clip], recipe: Recipe, out: Path, seed: int) -> None:
    train_judge(clips, recipe, out, seed=seed, progress=Progress(quiet=True))


def _hear(weights: Path, clips: Sequence[Clip]) -> dict[str, Logits]:
    """Logits by scheme name, [n, classes]."""
    model = Model.load(weights)
    samples = (torch.from_numpy(clip.read(RATE).samples) for clip in clips)
    heard = model.hear([heard_frames(x, model.features) for x in samples])
    return {s.name: torch.stack([h.logits[s.name] for h in heard]).numpy() for s in model.schemes}


@dataclass(frozen=True, slots=True)
class _Tested:
    """Clips that a scheme can label: classes [n], logits [n, classes], where they come from."""

    labels: npt.NDArray[np.int64]
    logits: Logits
    corpora: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.str_]

    @classmethod
    def of(cls, clips: Sequence[Clip], logits: Mapping[str, Logits], s: Scheme) -> Self:
        labels = [clip.label.project(s) for clip in clips]
        known = [i for i, label in enumerate(labels) if label]
        return cls(
            np.array([s.index(label.hard) for label in labels if label], dtype=np.int64),
            logits[s.name][known],
            np.array([clips[i].corpus for i in known]),
            np.array([clips[i].speaker for i in known]),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        return cls(
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.corpora for part in parts]),
            np.concatenate([part.speakers for part in parts]),
        )


def _tables(tested: _Tested, s: Scheme) -> dict[str, Any]:
    """Per corpus: scores over its classes, which are those that at least half its speakers have."""
    return {
        str(corpus): _table(
            tested.labels[mine], tested.logits[mine], tested.speakers[mine], s.classes
        )
        for corpus in dict.fromkeys(tested.corpora.tolist())
        for mine in [tested.corpora == corpus]
    }


def _table(
    labels: npt.NDArray[np.int64],
    logits: Logits,
    speakers: npt.NDArray[np.str_],
    names: Sequence[str],
) -> dict[str, Any]:
    half = len(set(speakers.tolist())) / 2
    classes = [c for c in np.unique(labels) if len(set(speakers[labels == c].tolist())) >= half]
    kept = np.isin(labels, classes)
    labels, logits, speakers = labels[kept], logits[kept], speakers[kept]
    predicted = np.asarray(classes)[logits[:, classes].argmax(1)]
    counts = confusion(labels, predicted, len(names))
    return {
        "clips": len(labels),
        "speakers": len(set(speakers.tolist())),
        "classes": [names[c] for c in classes],
        **{
            name: {
                "value": round(float(metric(counts)), 4),
                "interval": [
                    round(end, 4) for end in clustered_interval(metric, labels, predicted, speakers)
                ],
            }
            for name, metric in (("uar", uar), ("macro_f1", macro_f1))
        },
        "recall": {names[c]: round(float(counts[c, c] / counts[c].sum()), 4) for c in classes},
        # Without the restriction to the corpus's classes: as the judge is used.
        "uar_of_all_classes": round(float(uar(confusion(labels, logits.argmax(1), len(names)))), 4),
    }


def _calibration(parts: Sequence[_Tested]) -> dict[str, Any]:
    """Temperature of all folds; ECE before it, and after one that was fitted on other folds."""
    from scipy.special import softmax

    whole = _Tested.joined(parts)
    scaled = []
    for k, part in enumerate(parts):
        others = _Tested.joined([other for j, other in enumerate(parts) if j != k])
        scaled.append(softmax(part.logits / fit_temperature(others.logits, others.labels), axis=1))
    return {
        "temperature": round(fit_temperature(whole.logits, whole.labels), 4),
        "ece_before": round(ece(whole.labels, softmax(whole.logits, axis=1)), 4),
        "ece_after": round(ece(whole.labels, np.concatenate(scaled)), 4),
    }
