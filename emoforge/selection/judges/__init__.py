"""Judges: SER models that hear a clip, and the training and card of the embedded one."""

from typing import TYPE_CHECKING, Any

from emoforge.selection.judges.card_place import SHIPPED, card_of, card_path
from emoforge.selection.judges.embedded import EmbeddedJudge
from emoforge.selection.judges.encoded import encode_batches
from emoforge.selection.judges.files import chosen_scheme, score_items
from emoforge.selection.judges.judge import MEMBER, Encoding, Judge, Scores
from emoforge.selection.judges.metrics import Metric, confusion, macro_f1, uar
from emoforge.selection.judges.recipe import HeadRecipe, Recipe
from emoforge.selection.judges.taught import taught

if TYPE_CHECKING:
    from emoforge.selection.judges.card import measured_card, read_card, save_card, write_card
    from emoforge.selection.judges.evaluate import evaluate_judge
    from emoforge.selection.judges.head_training import train_heads
    from emoforge.selection.judges.heads import Head, Heads, fit_head
    from emoforge.selection.judges.tested import speaker_folds
    from emoforge.selection.judges.train import train_judge

__all__ = [
    "MEMBER",
    "SHIPPED",
    "EmbeddedJudge",
    "Encoding",
    "Head",
    "HeadRecipe",
    "Heads",
    "Judge",
    "Metric",
    "Recipe",
    "Scores",
    "card_of",
    "card_path",
    "chosen_scheme",
    "confusion",
    "encode_batches",
    "evaluate_judge",
    "fit_head",
    "macro_f1",
    "measured_card",
    "read_card",
    "save_card",
    "score_items",
    "speaker_folds",
    "taught",
    "train_heads",
    "train_judge",
    "uar",
    "write_card",
]

# These need torch, which takes seconds to import.
_LAZY = {
    "Head": "heads",
    "Heads": "heads",
    "evaluate_judge": "evaluate",
    "fit_head": "heads",
    "measured_card": "card",
    "read_card": "card",
    "save_card": "card",
    "speaker_folds": "tested",
    "train_heads": "head_training",
    "train_judge": "train",
    "write_card": "card",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
