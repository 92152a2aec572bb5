"""Equal error rates, and what they would be on other speakers and in another training."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoforge.selection.arms import Estimate

Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_DRAWS = 1000
_AT_ONCE = 2_000_000
"""Values that are worked on at a time: 16 MB."""


def eer(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> float:
    """The rate in [0, 1] at which as many bona fide clips are refused as spoofs are let in.

    bonafide, spoof: scores, one or more each; higher says bona fide. The ROC is joined by straight
    lines, so that ties count half and the two rates are exactly equal. Scores that are worse than
    chance give more than 0.5, which the convex hull of the ROC would hide.
    """
    real, fake = np.asarray(bonafide, np.float64), np.asarray(spoof, np.float64)
    scores = np.concatenate([real, fake])
    is_spoof = np.arange(len(scores)) >= len(real)
    return float(weighted_eers(scores, is_spoof, np.zeros(len(scores), int), np.ones((1, 1)))[0])


def weighted_eers(
    scores: Scores, spoof: Mask, groups: npt.NDArray[np.int64], weights: Scores
) -> Scores:
    """The EER of scores [n] under each row of weights of their groups, [draws, groups]: [draws].

    groups: [n], places in the weights. NaN where a class weighs nothing.
    """
    distinct, place = np.unique(scores, return_inverse=True)
    # Thresholds rise: nothing is refused below the first. [classes, groups, thresholds]
    refused = np.zeros((2, weights.shape[1], len(distinct) + 1))
    np.add.at(refused, (spoof.astype(int), groups, place + 1), 1)
    refused = refused.cumsum(2)
    found = np.empty(len(weights))
    step = max(1, _AT_ONCE // len(refused[0, 0]))
    for at in range(0, len(weights), step):
        real, fake = weights[at : at + step] @ refused
        found[at : at + step] = _crossing(real, fake)
    return found


def _crossing(real: Scores, fake: Scores) -> Scores:
    """Where both errors are equal, [draws]; real, fake: refused below each threshold, rising."""
    with np.errstate(invalid="ignore"):
        missed, accepted = real / real[:, -1:], 1 - fake / fake[:, -1:]
    ahead = missed - accepted  # from -1 to 1
    # Shares that are equal may differ in their last digit.
    after = np.argmax(ahead >= -1e-12, axis=1)
    before, row = np.maximum(after - 1, 0), np.arange(len(real))
    span = ahead[row, after] - ahead[row, before]
    share = np.divide(-ahead[row, before], span, out=np.zeros(len(row)), where=span > 0)
    found = missed[row, before] + share * (missed[row, after] - missed[row, before])
    return np.where(np.isfinite(ahead[:, -1]), found, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRates:
    """EERs of a system: of each training [trainings], and [draws, trainings] of the same draws
    of speakers for every system."""

    point: Scores
    drawn: Scores

    def less(self, other: "ErrorRates") -> "ErrorRates":
        """How far they are above another system's, speaker by speaker, training by training."""
        return ErrorRates(self.point - other.point, self.drawn - other.drawn)

    def estimate(self, seed: int = 0) -> Estimate:
        """The mean over trainings with its 95 % interval.

        The interval is of a bootstrap that draws whole speakers and, independently, whole
        trainings (A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2),
        2007).
        """
        draws, count = self.drawn.shape
        rng = np.random.default_rng([seed, 1])
        trainings = rng.multinomial(count, [1 / count] * count, draws) / count
        values = (trainings * self.drawn).sum(1)
        # A draw of speakers may miss a class altogether: it says nothing.
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (np.nan, np.nan)
        return Estimate(float(self.point.mean()), float(low), float(high))


class ErrorTest:
    """Clips that systems are compared on, and common bootstrap draws of whole speakers.

    Speakers with bona fide clips are drawn among themselves, along with the spoofs that were made
    from these; voices that only synthesisers have are drawn among themselves.
    """

    def __init__(self, spoof: Mask, speakers: npt.NDArray[np.str_], seed: int = 0) -> None:
        """spoof: bool [n]. speakers: [n], whose recording a clip is or was made from."""
        names, self._speaker = np.unique(speakers, return_inverse=True)
        self._spoof = spoof
        self._weights = np.ones((_DRAWS + 1, len(names)))  # first as it is
        recorded = np.isin(names, speakers[~spoof])
        rng = np.random.default_rng([seed, 0])
        for stratum in (np.flatnonzero(recorded), np.flatnonzero(~recorded)):
            if count := len(stratum):
                drawn = rng.multinomial(count, [1 / count] * count, _DRAWS)
                self._weights[1:, stratum] = drawn

    def rates(self, scores: Scores, rows: Mask) -> ErrorRates:
        """The EERs of scores [trainings, n] on the clips of a mask [n]."""
        found = np.stack(
            [
                weighted_eers(one, self._spoof[rows], self._speaker[rows], self._weights)
                for one in scores[:, rows]
            ],
            axis=1,
        )
        return ErrorRates(found[0], found[1:])
