"""Fairness: gaps between groups of speakers, declared or inferred from how they sound."""

from emoforge.selection.fairness.gaps import (
    Change,
    Comparison,
    Gap,
    Resampling,
    compare,
    keep_gap,
)
from emoforge.selection.fairness.learned import before_and_after, group_folds
from emoforge.selection.fairness.speakers import cluster, embed_speakers

__all__ = [
    "Change",
    "Comparison",
    "Gap",
    "Resampling",
    "before_and_after",
    "cluster",
    "compare",
    "embed_speakers",
    "group_folds",
    "keep_gap",
]
