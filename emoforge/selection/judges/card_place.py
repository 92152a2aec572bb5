"""Where a judge's report card lies: beside the weights that it is about."""

from pathlib import Path

from emoforge.selection.judges.judge import Judge

SHIPPED = Path(__file__).parent / "weights"
"""The weights that come with emoforge, and their card."""


def card_path(judge: Judge) -> Path | None:
    """The file (JSON) of a judge's report card, there or not; needs no `setup`.

    `judge.card` if it is set; or else beside the head, if it has one, or else beside the
    encoder's weights (see `card_of`). None where neither is a file of the user.
    """
    if judge.card:
        return Path(judge.card)
    if judge.head:
        return card_of(Path(judge.head))
    return card_of(judge.place) if judge.place else None


def card_of(weights: Path) -> Path:
    """The card of weights: `X.card.json` of `X.safetensors`, `emoforge.card.json` in a folder."""
    if weights.parent == SHIPPED:
        return SHIPPED / "card.json"
    if weights.is_dir():
        return weights / "emoforge.card.json"
    return weights.with_suffix(".card.json")
