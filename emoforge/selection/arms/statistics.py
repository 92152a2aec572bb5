"""Scores of arms and their differences, over the speakers and draws that they stand for."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoforge.selection.arms.cell import Counts
from emoforge.selection.judges import Metric

RESAMPLES = 2000
_EXACT = 14
"""Speakers up to which every division of signs is gone through: 2¹⁴ of them."""
_DIVISIONS = 20_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over draws with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """One arm's score less another's. p: two-sided, of the sign-flip test over speakers."""

    p: float


def estimate(counts: Counts, metric: Metric) -> Estimate:
    """A metric of one arm: counts int64 [sizes, draws, speakers, true, heard].

    The mean over sizes (n) and draws. The interval is of a bootstrap that draws whole speakers
    and, independently, whole draws of training clips, with replacement (A. B. Owen, "The
    pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007): other people and another
    draw would have given another number.
    """
    return Estimate(
        float(metric(counts.sum(2)).mean()), *_interval(_resampled(counts, metric).mean(1))
    )


def compare(counts: Counts, against: Counts, metric: Metric) -> Difference:
    """The paired difference between two arms on the same draws and speakers; see `estimate`.

    p is the share of all divisions of signs over the speakers, each with its mean difference,
    that give a mean as far from 0 as theirs: exact if one arm is as good as the other for
    everyone (R. A. Fisher, "The design of experiments", 1935). Above 14 speakers the divisions
    are drawn. It cannot be below `least_p`.
    """
    pairs = _resampled(counts, metric) - _resampled(against, metric)
    by_speaker = (metric(counts) - metric(against)).mean((0, 1))
    return Difference(
        float((metric(counts.sum(2)) - metric(against.sum(2))).mean()),
        *_interval(pairs.mean(1)),
        sign_flip(by_speaker),
    )


def sign_flip(differences: npt.NDArray[np.float64]) -> float:
    """Two-sided p of paired differences, float64 [speakers]: see `compare`."""
    count = len(differences)
    if count <= _EXACT:
        bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, (_DIVISIONS, count))
        bits[0] = 0  # the division that is there
    means = np.abs((1 - 2 * bits) @ differences)
    # Equal means differ in the last digit, as sums in another order.
    return float((means >= means[0] - 1e-12).mean())


def least_p(speakers: int) -> float:
    """The lowest p that so many speakers can give."""
    return max(2.0 ** (1 - speakers), 1 / _DIVISIONS)


def _resampled(counts: Counts, metric: Metric) -> npt.NDArray[np.float64]:
    """The metric of each resample, [resamples, sizes], the same resamples for every arm."""
    _, draws, speakers = counts.shape[:3]
    rng = np.random.default_rng(0)
    people = rng.multinomial(speakers, [1 / speakers] * speakers, RESAMPLES)
    drawn = rng.multinomial(draws, [1 / draws] * draws, RESAMPLES) / draws
    # [resamples, sizes, draws]
    values = metric(np.einsum("bs,nrsij->bnrij", people, counts))
    return np.asarray(np.einsum("bnr,br->bn", values, drawn))


def _interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
