"""What a judge's card says of it: how well it hears people whom it has not met."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast

from emoforge.component import create
from emoforge.errors import EmoforgeError
from emoforge.selection import Judge


@dataclass(frozen=True, slots=True)
class Measured:
    """UAR in [0, 1] on one corpus with its 95 % interval; test: who was held out."""

    test: str
    corpus: str
    speakers: int
    clips: int
    classes: int
    uar: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Qualification:
    """The part of a card that a reader of the judge's numbers needs.

    trained: clips of each corpus in its training set; familiar: the corpora of the workspace
    among them.
    """

    trained: Mapping[str, int]
    speakers: int
    licences: Sequence[str]
    familiar: Sequence[str]
    measured: Sequence[Measured]


_TESTS = {
    "held_out_speakers": "speakers not in its training",
    "left_out_corpus": "corpus not in its training",
}


def qualification(
    key: str, options: Mapping[str, Any], scheme: str, corpora: Sequence[str]
) -> Qualification | None:
    """Qualification of the judge whose scores stand under `key`, under one scheme.

    options: the judge's, as the run's configuration gives them. None where the judge has no
    card, or the card is of other weights.
    """
    own = dict(options)
    try:
        judge = cast(Judge, create("judge", str(own.pop("name", "")), own))
        if judge.key != key:
            return None
        card = _card(str(own.get("path", "")))
    except (EmoforgeError, OSError):
        return None
    if card["digest"] != judge.weights or scheme not in card["evaluation"]:
        return None
    trained = card["trained"]
    return Qualification(
        trained=trained["corpora"],
        speakers=trained["speakers"],
        licences=trained["licences"],
        familiar=sorted(set(corpora) & set(trained["corpora"])),
        measured=[
            Measured(
                title,
                corpus,
                row["speakers"],
                row["clips"],
                len(row["classes"]),
                row["uar"]["value"],
                tuple(row["uar"]["interval"]),
            )
            for test, title in _TESTS.items()
            for corpus, row in (card["evaluation"][scheme].get(test) or {}).items()
        ],
    )


def _card(weights: str) -> Any:
    """The card beside the weights; "" stands for those that emoforge ships."""
    if weights:
        return json.loads(Path(weights).with_name("card.json").read_text(encoding="utf-8"))
    shipped = resources.files("emoforge.selection.judges") / "weights" / "card.json"
    return json.loads(shipped.read_text(encoding="utf-8"))
