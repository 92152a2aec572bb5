"""Whom a judge, a selection and what is learned from it serve worse: gaps between groups.

Two gaps an emotion, each the largest difference between any two groups of speakers: of its recall
(who of those who are happy is heard as happy; equal opportunity, M. Hardt et al., "Equality of
opportunity in supervised learning", NeurIPS 2016), and of how often it is heard at all
(demographic parity). Parity asks for equal rates whatever people really express: where groups
differ in their mix of labels, a perfect judge has a gap too, so the mix stands beside it.

Intervals come from a bootstrap that draws whole speakers within each group, the same draws for
all that is compared. With d_g the deviation of group g's rate in a resample, a gap lies within
gap ± q, q being the 95 % quantile of max d − min d: it holds for all pairs of groups at once, and
begins at 0 where no difference is shown. The deviations are widened by √(n/(n−1)) for n speakers,
without which few of them would look too sure. Where nobody makes a mistake there is nothing to
draw: an interval from 0 to 0 says that none was seen, not that none can be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoforge.selection.pool import Mask

Names = npt.NDArray[np.str_]
Labels = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float64]

_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """A difference of two gaps, with its 95 % percentile interval over the common draws."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference between two groups' rates, in [0, 1], with its 95 % interval.

    rates: group → rate, without groups that have no such clip. highest, lowest: the two groups.
    """

    value: float
    interval: tuple[float, float]
    highest: str
    lowest: str
    rates: Mapping[str, float]


class Resampling:
    """Common bootstrap draws of whole units (speakers) within each group."""

    def __init__(self, groups: Names, units: Names, draws: int = _DRAWS, seed: int = 0) -> None:
        """groups, units: [n], those of each clip. A unit in two groups counts in each apart."""
        keys = np.char.add(np.char.add(groups, "\0"), units)
        unique, first, self._unit = np.unique(keys, return_index=True, return_inverse=True)
        self.names: list[str] = np.unique(groups).tolist()
        rng = np.random.default_rng(seed)
        self._own = [np.flatnonzero(groups[first] == name) for name in self.names]
        self._weights = [
            rng.multinomial(len(own), [1 / len(own)] * len(own), draws) for own in self._own
        ]
        self._units = len(unique)

    def sums(self, values: Counts) -> Counts:
        """Sums over each unit's clips: [n, …] to [units, …]."""
        found = np.zeros((self._units, *values.shape[1:]))
        np.add.at(found, self._unit, values)
        return found

    def rates(self, part: Counts, whole: Counts) -> tuple[Counts, Counts]:
        """Rates of the groups and of their draws: [groups, k] and [draws, groups, k].

        part, whole: [n, k], of each clip. NaN where a group (or its draw) has nothing.
        """
        parts, wholes = self.sums(part), self.sums(whole)
        with np.errstate(invalid="ignore"):
            point = np.stack([parts[own].sum(0) / wholes[own].sum(0) for own in self._own])
            drawn = np.stack(
                [
                    (w @ parts[own]) / (w @ wholes[own])
                    for w, own in zip(self._weights, self._own, strict=True)
                ],
                1,
            )
        return point, drawn

    def gaps(self, point: Counts, drawn: Counts) -> list[Gap]:
        """One gap a column of `rates`; 0 where fewer than two groups have a rate."""
        wider = np.array([np.sqrt(len(own) / max(len(own) - 1, 1)) for own in self._own])
        away = (drawn - point) * wider[:, None]
        found = []
        for k in range(point.shape[1]):
            have = np.flatnonzero(np.isfinite(point[:, k]))
            rates = {self.names[g]: float(point[g, k]) for g in have}
            if len(have) < 2:
                found.append(Gap(0.0, (0.0, 1.0), "", "", rates))
                continue
            highest = max(rates, key=rates.__getitem__)
            lowest = min(rates, key=rates.__getitem__)
            gap = rates[highest] - rates[lowest]
            # A draw may miss an emotion altogether: it says nothing of that group.
            spread = away[:, have, k]
            spread = spread[np.isfinite(spread).all(1)]
            q = float(np.quantile(np.ptp(spread, axis=1), 0.95)) if len(spread) else 1.0
            interval = (max(0.0, gap - q), min(1.0, gap + q))
            found.append(Gap(gap, interval, highest, lowest, rates))
        return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Gaps of each arm by metric (`recall`, `parity`) and emotion, and after − before."""

    arms: Mapping[str, Mapping[str, Mapping[str, Gap]]]
    change: Mapping[str, Mapping[str, Change]]


def compare(
    draws: Resampling,
    labels: Labels,
    heard: Mapping[str, Labels],
    classes: Sequence[str],
    change: tuple[str, str] = ("before", "after"),
) -> Comparison:
    """Recall and parity gaps of what several arms hear in the same clips.

    labels: [n]; heard: arm → [n]. change: the arms whose gaps are subtracted, first from second.
    """
    is_class = (labels[:, None] == np.arange(len(classes))).astype(np.float64)
    arms: dict[str, dict[str, dict[str, Gap]]] = {}
    drawn_gaps: dict[tuple[str, str], Counts] = {}
    for arm, predicted in heard.items():
        said = (predicted[:, None] == np.arange(len(classes))).astype(np.float64)
        metrics = {"recall": (said * is_class, is_class), "parity": (said, np.ones_like(said))}
        arms[arm] = {}
        for metric, (part, whole) in metrics.items():
            point, drawn = draws.rates(part, whole)
            arms[arm][metric] = dict(zip(classes, draws.gaps(point, drawn), strict=True))
            drawn_gaps[arm, metric] = _range(drawn)
    first, second = change
    return Comparison(
        arms,
        {
            metric: {
                name: Change(
                    arms[second][metric][name].value - arms[first][metric][name].value,
                    _percentiles(
                        (drawn_gaps[second, metric] - drawn_gaps[first, metric])[:, place]
                    ),
                )
                for place, name in enumerate(classes)
            }
            for metric in ("recall", "parity")
        },
    )


def keep_gap(draws: Resampling, kept: Mask) -> Gap:
    """Gap of the share of candidates that is kept; kept: [n]."""
    values = kept.astype(np.float64)[:, None]
    return draws.gaps(*draws.rates(values, np.ones_like(values)))[0]


def _range(rates: Counts) -> Counts:
    """Largest difference between groups, 0 without two: [draws, groups, k] to [draws, k]."""
    known = np.isfinite(rates)
    high = np.where(known, rates, -1.0).max(1)
    low = np.where(known, rates, 1.0).min(1)
    found: Counts = np.maximum(high - low, 0.0)
    return found


def _percentiles(values: Counts) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
