"""Numbers of a card with their 95 % intervals, as plain JSON values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000


def score(value: float, interval: tuple[float, float] | None) -> dict[str, Any]:
    """`{"value", "interval"}`, rounded; None where there is no such number."""
    return {
        "value": _rounded(value),
        "interval": None
        if interval is None or not np.isfinite(interval).all()
        else [_rounded(end) for end in interval],
    }


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def clustered_mean(values: npt.NDArray[np.float64], groups: npt.NDArray[np.str_]) -> dict[str, Any]:
    """Mean of values [n]; its interval is from a bootstrap that draws whole groups."""
    names, place = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    if len(names) < 2:
        return score(values.mean(), None)
    drawn = np.random.default_rng(0).multinomial(
        len(names), [1 / len(names)] * len(names), RESAMPLES
    )
    low, high = np.percentile((drawn @ sums) / (drawn @ counts), [2.5, 97.5])
    return score(values.mean(), (low, high))


def bootstrapped(
    measure: Callable[[npt.NDArray[np.int64]], float], count: int, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """A measure of items by their places [k]; its interval is from a bootstrap over items."""
    rng = np.random.default_rng(0)
    found = np.array([measure(rng.integers(count, size=count)) for _ in range(resamples)])
    found = found[np.isfinite(found)]
    # A resample without two different values has no correlation; a few of them do no harm.
    known = len(found) > resamples / 2
    low, high = np.percentile(found, [2.5, 97.5]) if known else (np.nan, np.nan)
    return score(measure(np.arange(count)), (low, high))
