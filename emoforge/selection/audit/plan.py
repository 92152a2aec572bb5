"""How many clips people must hear before anything can be proven, and to prove it probably."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoforge.selection.audit.guarantee import (
    fewest_that_break,
    least_for_thresholds,
    votes_needed,
)

EXPECTED = (0.25, 0.5)
"""Shares of wrong candidates for which a plan is made, as parts of α."""

_BLOCK = 256


@dataclass(frozen=True, slots=True)
class StratumPlan:
    """Votes for one stratum.

    flawless: clips to hear if none of them is wrong; fewer prove nothing. probable: by `EXPECTED`,
    clips to hear to prove the whole stratum with 80 % probability if that part of α is wrong;
    None where no sample does.
    """

    population: int
    flawless: int
    probable: Sequence[int | None]


def plan_stratum(population: int, alpha: float, delta: float) -> StratumPlan:
    """What it takes to prove a stratum of so many candidates; delta: its part of δ."""
    # Who hears all of them knows.
    flawless = votes_needed(population, alpha, delta) or population
    return StratumPlan(
        population,
        flawless,
        [_size(population, alpha, delta, part * alpha, flawless) for part in EXPECTED],
    )


def power(
    sizes: npt.NDArray[np.int64], population: int, alpha: float, delta: float, share: float
) -> npt.NDArray[np.float64]:
    """Probability that samples of these sizes prove the whole population.

    share: of wrong ones in the population.
    """
    from scipy.stats import hypergeom

    least = least_for_thresholds(population, alpha, delta)
    level = np.where(sizes <= (population if least is None else least), delta, delta / 2)
    fewest = fewest_that_break(population, alpha)
    # The most errors that are borne: those below the quantile, or it itself where it is exact.
    errors = hypergeom.ppf(level, population, fewest, sizes)
    errors -= hypergeom.cdf(errors, population, fewest, sizes) > level
    proven = hypergeom.cdf(errors, population, round(share * population), sizes)
    return np.asarray(proven, dtype=np.float64)


def votes_at(population: int, alpha: float, delta: float, share: float) -> int | None:
    """The smallest sample that proves the whole if this share of it is wrong; None: none does."""
    from scipy.stats import hypergeom

    fewest = fewest_that_break(population, alpha)
    for start in range(1, population + 1, _BLOCK):
        sizes = np.arange(start, min(start + _BLOCK, population + 1))
        tails = hypergeom.cdf(np.ceil(share * sizes - 1e-9), population, fewest, sizes)
        if (enough := np.flatnonzero(tails <= delta / 2)).size:
            return int(sizes[enough[0]])
    return None


def _size(
    population: int, alpha: float, delta: float, share: float, first: int, wanted: float = 0.8
) -> int | None:
    for start in range(first, population + 1, _BLOCK):
        sizes = np.arange(start, min(start + _BLOCK, population + 1))
        enough = np.flatnonzero(power(sizes, population, alpha, delta, share) >= wanted)
        if len(enough):
            return int(sizes[enough[0]])
    return None
