"""Selectors: judged candidates in, decisions out."""

from emoforge.selection.selectors.bootstrap import Bootstrap
from emoforge.selection.selectors.duplicates import distinct
from emoforge.selection.selectors.farthest import farthest_first
from emoforge.selection.selectors.policies import (
    Calibrated,
    Conformal,
    Consensus,
    Threshold,
    TopK,
)
from emoforge.selection.selectors.policy import Policy
from emoforge.selection.selectors.selector import Choice, Round, Selector

__all__ = [
    "Bootstrap",
    "Calibrated",
    "Choice",
    "Conformal",
    "Consensus",
    "Policy",
    "Round",
    "Selector",
    "Threshold",
    "TopK",
    "distinct",
    "farthest_first",
]
