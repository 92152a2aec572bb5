"""Control arms: whether a selection helps is shown on real speech of people not met before."""

from emoforge.selection.arms.cell import (
    Arm,
    Cell,
    Design,
    Result,
    judge_alone,
    own_budget,
    run_cell,
)
from emoforge.selection.arms.statistics import Difference, Estimate, compare, estimate, sign_flip
from emoforge.selection.arms.summary import Comparison, Score, Summary, summarise
from emoforge.selection.arms.trial import Trial

__all__ = [
    "Arm",
    "Cell",
    "Comparison",
    "Design",
    "Difference",
    "Estimate",
    "Result",
    "Score",
    "Summary",
    "Trial",
    "compare",
    "estimate",
    "judge_alone",
    "own_budget",
    "run_cell",
    "sign_flip",
    "summarise",
]
