"""Countermeasures against synthetic speech: clips in, scores and error rates out."""

from typing import TYPE_CHECKING, Any

from emoforge.selection.countermeasures.error_rates import ErrorTest, Mask, eer
from emoforge.selection.countermeasures.front_end import lfcc
from emoforge.selection.countermeasures.preparation import Preparation
from emoforge.selection.countermeasures.recipe import CountermeasureRecipe
from emoforge.selection.countermeasures.shortcuts import (
    FEATURES,
    ShortcutScores,
    measure,
    shortcut_scores,
)

if TYPE_CHECKING:
    from emoforge.selection.countermeasures.countermeasure import Countermeasure
    from emoforge.selection.countermeasures.gated import Trained, gate, train_gated
    from emoforge.selection.countermeasures.training import Examples, train_countermeasure

__all__ = [
    "FEATURES",
    "Countermeasure",
    "CountermeasureRecipe",
    "ErrorTest",
    "Examples",
    "Mask",
    "Preparation",
    "ShortcutScores",
    "Trained",
    "eer",
    "gate",
    "lfcc",
    "measure",
    "shortcut_scores",
    "train_countermeasure",
    "train_gated",
]

# These need torch, which takes seconds to import.
_LAZY = {
    "Countermeasure": "countermeasure",
    "Examples": "training",
    "Trained": "gated",
    "gate": "gated",
    "train_countermeasure": "training",
    "train_gated": "gated",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
