"""Judges: SER models that hear a clip, and the training and card of the embedded one."""

from typing import TYPE_CHECKING, Any

from emoforge.selection.judges.embedded import EmbeddedJudge
from emoforge.selection.judges.files import score_files
from emoforge.selection.judges.judge import MEMBER, Encoding, Judge, Scores
from emoforge.selection.judges.recipe import Recipe

if TYPE_CHECKING:
    from emoforge.selection.judges.card import write_card
    from emoforge.selection.judges.evaluate import evaluate_judge
    from emoforge.selection.judges.heads import Head, HeadRecipe, Heads, fit_head
    from emoforge.selection.judges.train import train_judge

__all__ = [
    "MEMBER",
    "EmbeddedJudge",
    "Encoding",
    "Head",
    "HeadRecipe",
    "Heads",
    "Judge",
    "Recipe",
    "Scores",
    "evaluate_judge",
    "fit_head",
    "score_files",
    "train_judge",
    "write_card",
]

# These need torch, which takes seconds to import.
_LAZY = {
    "Head": "heads",
    "HeadRecipe": "heads",
    "Heads": "heads",
    "evaluate_judge": "evaluate",
    "fit_head": "heads",
    "train_judge": "train",
    "write_card": "card",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
