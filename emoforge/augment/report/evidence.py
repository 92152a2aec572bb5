"""What the judge said, added up: confusions and score distributions, of real and made clips.

Everything is counted while the judgements stream by, so that memory does not grow with them.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from emoforge.component import rng_for
from emoforge.label import Scheme
from emoforge.workspace import Workspace

BINS = 20
"""Equally wide bins of a probability, from 0 to 1."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Clips by the emotion they carry (rows) and the one that the judge hears (columns).

    counts: int64 [classes, classes].
    """

    classes: tuple[str, ...]
    counts: Counts

    @property
    def total(self) -> int:
        """Number of clips."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float | None:
        """Share heard as carried, in [0, 1]; None without clips."""
        return float(np.trace(self.counts)) / self.total if self.total else None

    @property
    def uar(self) -> float | None:
        """Unweighted average recall over the classes that occur, in [0, 1]; None without clips."""
        return _uar(self.counts[None])[0] if self.total else None

    def rows(self) -> list[tuple[str, int, list[tuple[int, float]]]]:
        """(emotion, its clips, (count, share of its clips) for each class heard)."""
        sums = self.counts.sum(axis=1)
        return [
            (name, int(n), [(int(c), float(c) / max(1, int(n))) for c in row])
            for name, n, row in zip(self.classes, sums, self.counts, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Distribution of the probability that the judge gives to the carried label.

    kept, rejected, open: clips per bin, int64 [BINS]; `open`: nobody decided on them.
    """

    kept: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))
    rejected: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))
    open: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @property
    def total(self) -> int:
        """Number of clips."""
        return int(self.kept.sum() + self.rejected.sum() + self.open.sum())

    def rows(self) -> list[tuple[str, int, int, int]]:
        """(range of the bin, kept, rejected, open) for every bin that has clips."""
        return [
            (f"{i / BINS:.2f}–{(i + 1) / BINS:.2f}", int(kept), int(rejected), int(undecided))
            for i, (kept, rejected, undecided) in enumerate(
                zip(self.kept, self.rejected, self.open, strict=True)
            )
            if kept or rejected or undecided
        ]


@dataclass(frozen=True, slots=True)
class Recall:
    """How well the judge does on real recordings; uar and interval in [0, 1].

    interval: 95 %, from a bootstrap over speakers; None with fewer than two of them.
    """

    corpus: str
    clips: int
    speakers: int
    uar: float
    accuracy: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Confusions and scores per generator (in name order) and on the real recordings.

    made_confusion: of all generators together.

    outside: clips whose label or judgement has no place in the scheme; they count nowhere else.
    """

    scheme: Scheme
    confusions: dict[str, Confusion]
    scores: dict[str, Scores]
    made_confusion: Confusion
    real_confusion: Confusion
    real_scores: Scores
    real_recalls: tuple[Recall, ...]
    outside: int


def gather(workspace: Workspace, judge: str, selection: str, scheme: Scheme) -> Evidence:
    """Add up all judgements of one judge, under one scheme."""
    size = len(scheme.classes)
    confusions: dict[str, Counts] = defaultdict(lambda: np.zeros((size, size), np.int64))
    by_speaker: dict[tuple[str, str], Counts] = defaultdict(lambda: np.zeros((size, size), int))
    scores: dict[str, Scores] = defaultdict(Scores)
    outside = 0
    for row in workspace.judgements(judge, selection):
        label = row.label.project(scheme)
        heard = row.distributions.get(scheme.name)
        if label is None or heard is None:
            outside += 1
            continue
        carried = scheme.index(label.hard)
        where = carried, heard.index(max(heard))
        confusions[row.generator][where] += 1
        if not row.generator:
            by_speaker[row.corpus, row.speaker][where] += 1
        bins = scores[row.generator]
        counts = bins.open if row.keep is None else bins.kept if row.keep else bins.rejected
        counts[min(BINS - 1, int(heard[carried] * BINS))] += 1
    nothing = np.zeros((size, size), np.int64)
    real = Confusion(scheme.classes, confusions.pop("", nothing))
    return Evidence(
        scheme=scheme,
        made_confusion=Confusion(scheme.classes, sum(confusions.values(), nothing)),
        confusions={
            name: Confusion(scheme.classes, confusions[name]) for name in sorted(confusions)
        },
        real_scores=scores.pop("", Scores()),
        scores=dict(sorted(scores.items())),
        real_confusion=real,
        real_recalls=_recalls(by_speaker),
        outside=outside,
    )


def _recalls(by_speaker: dict[tuple[str, str], Counts]) -> tuple[Recall, ...]:
    corpora: dict[str, list[Counts]] = defaultdict(list)
    for (corpus, _), counts in sorted(by_speaker.items()):
        corpora[corpus].append(counts)
    return tuple(_recall(corpus, np.stack(counts)) for corpus, counts in corpora.items())


def _recall(corpus: str, speakers: Counts) -> Recall:
    total = speakers.sum(axis=0)
    return Recall(
        corpus=corpus,
        clips=int(total.sum()),
        speakers=len(speakers),
        uar=_uar(total[None])[0],
        accuracy=float(np.trace(total)) / int(total.sum()),
        interval=_interval(corpus, speakers) if len(speakers) > 1 else None,
    )


def _interval(corpus: str, speakers: Counts, resamples: int = 1000) -> tuple[float, float]:
    """95 % percentile interval of the UAR; whole speakers are drawn, their clips go together."""
    drawn = rng_for("recall", corpus).multinomial(
        len(speakers), np.full(len(speakers), 1 / len(speakers)), size=resamples
    )
    values = _uar(np.tensordot(drawn, speakers, axes=1))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _uar(counts: Counts) -> list[float]:
    """UAR of each of several confusions, int64 [n, classes, classes]."""
    sums = counts.sum(axis=2)
    right = np.diagonal(counts, axis1=1, axis2=2)
    recalls = right / np.maximum(sums, 1)
    values = recalls.sum(axis=1) / np.count_nonzero(sums, axis=1)
    return [float(value) for value in values]
