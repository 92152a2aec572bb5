"""Agreement with people who listened: what a judge hears beside what raters heard."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.label import MERGES, Scheme
from emoforge.selection.judges.metrics import confusion
from emoforge.selection.judges.report_card.intervals import bootstrapped
from emoforge.selection.judges.report_card.sample import Sample
from emoforge.workspace import Vote

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def agreement(sample: Sample, votes: Iterable[Vote], scheme: Scheme) -> dict[str, Any]:
    """Generator ("recordings" for people) → how judge and raters agree on its clips.

    accuracy, kappa (Cohen's): the judge's class against the one that most raters chose; clips on
    which raters tie are left out, and an emotion outside the scheme is a class that the judge
    cannot hear. spearman: between the judge's probability of the carried emotion and the share
    of raters who heard it. raters_alpha: Krippendorff's, among the raters themselves, as a
    reference. Intervals are from a bootstrap over clips.
    """
    known, labels = sample.labelled(scheme)
    place = {clip.id: row for row, clip in enumerate(known.clips)}
    counts = np.zeros((len(known), len(scheme.classes) + 1), np.int64)
    raters: dict[str, set[str]] = {}
    for vote in votes:
        if vote.clip in place:
            counts[place[vote.clip], _class(vote.emotion, scheme)] += 1
            generator = str(known.generators[place[vote.clip]])
            raters.setdefault(generator, set()).add(vote.rater)
    heard = known.distributions[scheme.name]
    return {
        generator or "recordings": {
            "raters": len(raters[generator]),
            **_agreement(counts[mine], labels[mine], heard[mine]),
        }
        for generator in sorted(raters)
        for mine in [np.flatnonzero((known.generators == generator) & (counts.sum(1) > 0))]
    }


def _class(emotion: str, scheme: Scheme) -> int:
    name = MERGES.get(scheme.name, {}).get(emotion, emotion)
    return scheme.classes.index(name) if name in scheme.classes else len(scheme.classes)


def _agreement(counts: Ints, labels: Ints, heard: Floats) -> dict[str, Any]:
    """counts: votes [n, classes + 1]; labels: carried [n]; heard: probabilities [n, classes]."""
    most = counts.max(1)
    clear = (counts == most[:, None]).sum(1) == 1
    chosen, said = counts[clear].argmax(1), heard[clear].argmax(1)
    rows = np.arange(len(labels))
    shares = counts[rows, labels] / counts.sum(1)
    supports = heard[rows, labels]
    classes = counts.shape[1]
    result: dict[str, Any] = {
        "clips": len(labels),
        "votes": int(counts.sum()),
        "tied": int((~clear).sum()),
        "heard_as_carried": round(float(shares.mean()), 4),
        "raters_alpha": krippendorff_alpha(counts),
        "spearman": bootstrapped(lambda at: _spearman(supports[at], shares[at]), len(labels)),
    }
    if len(chosen):
        result |= {
            "accuracy": bootstrapped(
                lambda at: float((chosen[at] == said[at]).mean()), len(chosen)
            ),
            "kappa": bootstrapped(
                lambda at: cohen_kappa(confusion(chosen[at], said[at], classes)), len(chosen)
            ),
        }
    return result


def cohen_kappa(counts: npt.NDArray[Any]) -> float:
    """Agreement beyond chance, in [-1, 1], from a confusion [classes, classes]; NaN: undefined.

    J. Cohen, "A coefficient of agreement for nominal scales", 1960.
    """
    shares = counts / counts.sum()
    chance = float(shares.sum(0) @ shares.sum(1))
    return float((np.trace(shares) - chance) / (1 - chance)) if chance < 1 else float("nan")


def krippendorff_alpha(counts: Ints) -> float | None:
    """Agreement of raters beyond chance, from votes [clips, classes]; None: undefined.

    Nominal, for any number of raters a clip. K. Krippendorff, "Computing Krippendorff's
    alpha-reliability", 2011.
    """
    several = counts[counts.sum(1) > 1].astype(np.float64)
    if not len(several):
        return None
    raters = several.sum(1)
    pairs = (several * (several - 1)).sum(1) / (raters - 1)
    totals, whole = several.sum(0), raters.sum()
    same_by_chance = float((totals * (totals - 1)).sum() / (whole - 1))
    if same_by_chance == whole:
        return None
    return round(float((pairs.sum() - same_by_chance) / (whole - same_by_chance)), 4)


def _spearman(a: Floats, b: Floats) -> float:
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / length if length else float("nan")
