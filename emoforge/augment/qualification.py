"""Whether the judge of a workspace has a report card, and what of it a reader must know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from emoforge.component import create
from emoforge.errors import EmoforgeError
from emoforge.selection import Judge
from emoforge.selection.judges import card_path, read_card

JUDGE_PAGE = "judge-card.html"
"""Beside a report: the page of the judge's card, so that the link lasts when both move."""


@dataclass(frozen=True, slots=True)
class Qualified:
    """The judge of a workspace, and whether its report card is there.

    reason: why it is unqualified, "" where it is not. card: the card's file (JSON), where there
    is one of these weights; measured: when `emoforge judge card` measured it, None: training only.
    """

    key: str
    qualified: bool
    reason: str = ""
    card: str | None = None
    measured: str | None = None


def qualified(key: str, options: Mapping[str, Any]) -> Qualified:
    """Look for the report card of the judge whose scores stand under `key`.

    options: the judge's, as the run's configuration gives them.
    """
    if not key:
        return Qualified(key, False, "nothing has been judged yet")
    own = dict(options)
    try:
        judge = cast(Judge, create("judge", str(own.pop("name", "")), own))
        if judge.key != key:
            return Qualified(key, False, "its weights are not where the run had them")
    except (EmoforgeError, OSError) as error:
        return Qualified(key, False, str(error))
    return qualified_by_card(judge)


def qualified_by_card(judge: Judge) -> Qualified:
    """Look for the report card of a judge."""
    key = judge.key
    try:
        place = card_path(judge)
        card = read_card(place) if place else None
        digest = judge.weights
    except (EmoforgeError, OSError) as error:
        return Qualified(key, False, str(error))
    if card is None:
        return Qualified(key, False, "it has no report card, `emoforge judge card` measures one")
    if card["digest"] != digest:
        return Qualified(key, False, "the report card there is of other weights")
    return Qualified(key, True, "", str(place), (card.get("measured") or {}).get("at"))


@dataclass(frozen=True, slots=True)
class Measured:
    """UAR in [0, 1] on one corpus with its 95 % interval; test: who was held out."""

    test: str
    corpus: str
    speakers: int
    clips: int
    classes: int
    uar: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Told:
    """Balanced accuracy of telling one generator from people out of the judge's embedding."""

    generator: str
    value: float


@dataclass(frozen=True, slots=True)
class Qualification:
    """The part of a card that a reader of the judge's numbers needs.

    trained: clips of each corpus in its training set; familiar: the corpora of the workspace
    among them. listened: generators on which it was compared with what people hear.
    """

    trained: Mapping[str, int]
    speakers: int
    licences: Sequence[str]
    familiar: Sequence[str]
    measured: Sequence[Measured]
    told: Sequence[Told]
    listened: Sequence[str]


_TESTS = {
    "held_out_speakers": "speakers not in its training",
    "left_out_corpus": "corpus not in its training",
}


def qualification(card: Mapping[str, Any], scheme: str, corpora: Sequence[str]) -> Qualification:
    """What a card says to those who read numbers under one scheme."""
    trained = card.get("trained") or {}
    measured = card.get("measured") or {}
    learned = measured.get("learned") or trained.get("corpora") or {}
    evaluation = (card.get("evaluation") or {}).get(scheme) or {}
    heard = (card.get("evaluation") or {}).get("familiar", [])  # by the encoder
    votes = (card.get("votes") or {}).get(scheme) or {}
    return Qualification(
        trained=learned,
        speakers=trained.get("speakers", 0),
        licences=trained.get("licences", []),
        familiar=sorted(set(corpora) & set(learned)),
        measured=[
            Measured(
                "speakers new to its head alone" if corpus in heard else title,
                corpus,
                row["speakers"],
                row["clips"],
                len(row["classes"]),
                row["uar"]["value"],
                tuple(row["uar"]["interval"]) if row["uar"]["interval"] else None,
            )
            for test, title in _TESTS.items()
            for corpus, row in (evaluation.get(test) or {}).items()
            if row["clips"]
        ],
        told=[
            Told(generator, row["within"]["value"])
            for generator, row in (card.get("source_probe") or {}).items()
            if row.get("within") and row["within"]["value"] is not None
        ],
        listened=sorted(set(votes) - {"recordings"}),
    )
