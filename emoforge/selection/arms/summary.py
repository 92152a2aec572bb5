"""What the cells say together: scores, differences, and a verdict in words."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emoforge.selection.arms.cell import Arm, Cell, Counts, Result
from emoforge.selection.arms.statistics import Difference, Estimate, compare, estimate, least_p
from emoforge.selection.judges import macro_f1, uar

_ALPHA = 0.05
AGAINST: tuple[tuple[Arm, Arm], ...] = (
    ("random", "real"),
    ("selected", "real"),
    ("selected", "random"),
    ("all", "real"),
)


@dataclass(frozen=True, slots=True)
class Score:
    """One arm. n: real clips of each class, None: all; budget: None for arms without one.

    real, added: real and generated clips that a head learnt from, the mean over draws.
    """

    n: int | None
    arm: Arm
    budget: float | None
    real: float
    added: float
    uar: Estimate
    macro_f1: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm less another. n: those that it is the mean of; None among them: all real clips."""

    n: Sequence[int | None]
    arm: Arm
    against: Arm
    budget: float | None
    uar: Difference
    macro_f1: Difference


@dataclass(frozen=True, slots=True)
class Summary:
    """budget: the selector's own; overall: at this budget, the mean over all n.

    judge_uar: what the judge hears of the test clips by itself (`judge_alone`).
    exhausted: (n, budget) at which the selector keeps no more than at a smaller budget; these
    have no scores.
    """

    budget: float
    draws: int
    speakers: int
    clips: int
    judge_uar: Estimate
    scores: Sequence[Score]
    comparisons: Sequence[Comparison]
    overall: Sequence[Comparison]
    exhausted: Sequence[tuple[int | None, float]]
    least_p: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return dataclasses.asdict(self)


def summarise(cells: Sequence[Cell], budget: float, alone: Counts) -> Summary:
    """Scores, differences and verdict of cells, every n with the same seeds.

    budget: the selector's own. alone: what the judge itself hears, of `judge_alone`.
    """
    sizes = list(dict.fromkeys(cell.n for cell in cells))
    by_size = {n: sorted((c for c in cells if c.n == n), key=lambda c: c.seed) for n in sizes}
    scores: list[Score] = []
    comparisons: list[Comparison] = []
    exhausted: list[tuple[int | None, float]] = []
    for n, own in by_size.items():
        budgets = list(dict.fromkeys(r.budget for r in own[0].results if r.budget is not None))
        most = -1.0
        kept: list[float] = []
        for b in budgets:
            reached = _added(own, "selected", b)
            if reached <= most and b != budget:
                exhausted.append((n, b))
            else:
                kept.append(b)
            most = max(most, reached)
        scores += [_score(n, own, arm, b) for arm, b in _arms(kept)]
        comparisons += [
            _comparison([own], arm, against, b)
            for b in kept
            for arm, against in AGAINST
            if arm != "all"
        ]
        comparisons.append(_comparison([own], "all", "real", None))
    overall = [
        _comparison(list(by_size.values()), arm, against, None if arm == "all" else budget)
        for arm, against in AGAINST
    ]
    people = _counts(cells[:1], "real", None)[0]
    return Summary(
        budget,
        len(by_size[sizes[0]]),
        len(people),
        int(people.sum()),
        estimate(alone[None, None], uar),
        scores,
        comparisons,
        overall,
        exhausted,
        least_p(len(people)),
        verdict(overall, [c for c in comparisons if c.budget == budget], len(people)),
    )


def verdict(overall: Sequence[Comparison], single: Sequence[Comparison], speakers: int) -> str:
    """What the differences allow to say, in a few sentences.

    overall: over all sizes, which decide; single: of every size, at the same budget.
    """
    found = {(one.arm, one.against): one.uar for one in overall}
    beside, alone = found["selected", "random"], found["selected", "real"]
    sentences = [
        {
            "better": f"Selection helped: selected candidates taught more than as many random "
            f"ones, UAR {_told(beside)}.",
            "worse": f"Selection did harm: selected candidates taught less than as many random "
            f"ones, UAR {_told(beside)}.",
            "open": f"Selection did not help: that selected candidates teach more than as many "
            f"random ones is not shown, UAR {_told(beside)}.",
            "lean": f"Whether selection helps stays open: on these {speakers} speakers selected "
            f"candidates taught {'more' if beside.value > 0 else 'less'} than as many random "
            f"ones, UAR {_told(beside)}, but the test over speakers does not bear it out.",
        }[_word(beside)],
        {
            "better": f"With them a head hears better than with real clips only, UAR "
            f"{_told(alone)}.",
            "worse": f"With them a head hears worse than with real clips only, UAR {_told(alone)}.",
            "open": f"Nor is it shown that they improve on real clips only, UAR {_told(alone)}."
            if _word(beside) != "better"
            else f"That they improve on real clips only is not shown, UAR {_told(alone)}.",
            "lean": f"Beside real clips only the difference is {_told(alone)}, which the test "
            "over speakers does not bear out.",
        }[_word(alone)],
    ]
    single = [one for one in single if (one.arm, one.against) == ("selected", "random")]
    if len(single) > 1:
        for word, did in (("better", "more"), ("worse", "less")):
            if sizes := [str(one.n[0] or "all") for one in single if _word(one.uar) == word]:
                sentences.append(
                    f"Size by size, {len(single)} p not corrected for one another, selected "
                    f"candidates taught {did} than random ones at n = {', '.join(sizes)}."
                )
    if least_p(speakers) > _ALPHA:
        sentences.append(
            f"{speakers} test speakers cannot give a p below {least_p(speakers):.2g}: nothing is "
            "shown of other people."
        )
    return " ".join(sentences)


def _word(difference: Difference) -> str:
    if difference.low <= 0 <= difference.high:
        return "open"
    if difference.p > _ALPHA:
        return "lean"
    return "better" if difference.value > 0 else "worse"


def _told(one: Difference) -> str:
    # Adding 0.0 makes a rounded negative zero positive.
    value, low, high = (round(number, 3) + 0.0 for number in (one.value, one.low, one.high))
    numbers = f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"{numbers.replace('-', '−')}, p = {one.p:.2g}"


def _arms(budgets: Sequence[float]) -> Iterator[tuple[Arm, float | None]]:
    yield "real", None
    for budget in budgets:
        yield "random", budget
        yield "selected", budget
    yield "all", None


def _score(n: int | None, cells: Sequence[Cell], arm: Arm, budget: float | None) -> Score:
    counts = _counts(cells, arm, budget)[None]
    return Score(
        n,
        arm,
        budget,
        float(np.mean([sum(cell.real) for cell in cells])),
        _added(cells, arm, budget),
        estimate(counts, uar),
        estimate(counts, macro_f1),
    )


def _comparison(
    by_size: Sequence[Sequence[Cell]], arm: Arm, against: Arm, budget: float | None
) -> Comparison:
    counts = np.stack([_counts(cells, arm, budget) for cells in by_size])
    other = np.stack(
        [_counts(cells, against, None if against == "real" else budget) for cells in by_size]
    )
    return Comparison(
        [cells[0].n for cells in by_size],
        arm,
        against,
        budget,
        compare(counts, other, uar),
        compare(counts, other, macro_f1),
    )


def _result(cell: Cell, arm: Arm, budget: float | None) -> Result:
    return next(r for r in cell.results if r.arm == arm and r.budget == budget)


def _counts(cells: Sequence[Cell], arm: Arm, budget: float | None) -> Counts:
    """[draws, speakers, true, heard]"""
    return np.stack([_result(cell, arm, budget).counts for cell in cells])


def _added(cells: Sequence[Cell], arm: Arm, budget: float | None) -> float:
    return float(np.mean([sum(_result(cell, arm, budget).added) for cell in cells]))
