"""A card as one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoforge.page import environment
from emoforge.selection.judges.report_card import figures

SECTIONS = {
    "evaluation": "New speakers",
    "human": "Human speech",
    "calibration": "Calibration",
    "source_probe": "Source probe",
    "triplets": "Triplets",
    "votes": "Human votes",
    "machine": "Batches and speed",
}

CONDITIONS = {
    "take": "another take of the same words",
    "text": "another text",
    "speaker": "another speaker",
    "both": "another speaker and text",
}


def card_html(card: Mapping[str, Any]) -> str:
    """The page of a card: see `emoforge.selection.judges.card` for what a card holds."""
    pages = environment(Path(__file__).parent)
    pages.filters.update(score=_score)
    pages.globals.update(
        whisker=figures.whisker,
        reliability_diagram=figures.reliability_diagram,
        Confusion=Confusion,
    )
    return pages.get_template("card.html.jinja").render(
        card={**_EMPTY, **card}, sections=SECTIONS, conditions=CONDITIONS
    )


_EMPTY: Mapping[str, Any] = {
    "key": "",
    "trained": {},
    "evaluation": {},
    "measured": None,
    "human": {},
    "calibration": {},
    "source_probe": None,
    "triplets": {},
    "votes": None,
    "batch_invariance": None,
    "throughput": None,
}


@dataclass(frozen=True, slots=True)
class Confusion:
    """Clips by the carried emotion (rows, a part of the classes) and the heard one."""

    classes: Sequence[str]
    carried: Sequence[str]
    counts: Sequence[Sequence[int]]

    def rows(self) -> list[tuple[str, int, list[tuple[int, float]]]]:
        """(emotion, its clips, (count, share of its clips) for each class heard)."""
        return [
            (name, sum(row), [(count, count / max(1, sum(row))) for count in row])
            for name, row in zip(self.carried, self.counts, strict=True)
        ]


def _score(score: Mapping[str, Any] | None) -> str:
    """`0.71 [0.66, 0.75]`, or a dash."""
    if not score or score["value"] is None:
        return "–"
    ends = ", ".join(f"{end:.2f}" for end in score["interval"] or [])
    shown = f"{score['value']:.2f}" + (f" [{ends}]" if ends else "")
    return shown.replace("-", "\N{MINUS SIGN}")
