"""The report as one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import yaml

from emoforge.codecs.report import figures
from emoforge.codecs.report.observed import ORIGINAL, Observed, View
from emoforge.codecs.report.summary import (
    ALL,
    ALPHA,
    HEARD,
    GroupSummary,
    Row,
    Summary,
    percent,
    points,
    told,
)
from emoforge.page import date, environment
from emoforge.selection.measures import Group, Result

_SECTIONS = {
    "found": "Found",
    "curves": "Rate and loss",
    "map": "Codec × emotion",
    "ranking": "Ranking",
    "measures": "Measures",
    "listen": "Listen",
    "failed": "What failed",
    "how": "How it was made",
}


@dataclass(frozen=True, slots=True)
class Sound:
    """One clip under one condition. uri: a data URI; heard: the class, None: no answer."""

    condition: str
    uri: str
    heard: str | None


@dataclass(frozen=True, slots=True)
class Listened:
    """A clip to listen to, the original first among its sounds."""

    clip: str
    corpus: str
    speaker: str
    emotion: str
    text: str | None
    language: str | None
    sounds: Sequence[Sound]


def write_page(
    summary: Summary, observed: Observed, listening: Sequence[Listened], out: Path
) -> None:
    """Write one HTML file that needs nothing else: style, pictures and sound are inside.

    Of observed.about it shows `cautions`, a list of sentences, at the top, and all the rest as
    YAML at the end. Raises OSError where the file cannot be written.
    """
    html = render(summary, observed, listening, datetime.now(UTC))
    unfinished = out.with_name(f".{out.name}.part")
    try:
        # Half a surrogate pair, in a corpus's text, cannot be written as UTF-8.
        unfinished.write_bytes(html.encode("utf-8", errors="replace"))
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def render(
    summary: Summary, observed: Observed, listening: Sequence[Listened], now: datetime
) -> str:
    """The page as HTML."""
    codecs = list(dict.fromkeys(c.codec for c in summary.conditions if c.kind == "codec"))
    about = {key: value for key, value in observed.about.items() if key != "cautions"}
    pages = environment(Path(__file__).parent)
    pages.filters.update(points=points, share=percent, told=told)
    pages.globals.update(
        row=summary.row, whisker=figures.whisker, ranking_scale=_ranking_scale, tint=_tint,
        panels=lambda group, view: _panels(summary, group, view, codecs), column=_column,
        overview=lambda group, view: _overview(summary, group, view),
    )  # fmt: skip
    return pages.get_template("report.html.jinja").render(
        summary=summary,
        alpha=ALPHA,
        classes=len(observed.scheme.classes),
        heard=HEARD,
        sections=_SECTIONS,
        codecs=figures.style(codecs),
        points_of=[c for c in summary.conditions if c.kind == "codec"],
        results=_by_group(observed),
        listening=listening,
        original=ORIGINAL,
        failed=observed.failed,
        cautions=observed.about.get("cautions", []),
        about=yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=90),
        clips=len(observed.ids),
        speakers=len(set(observed.speakers)),
        corpora=sorted(set(observed.corpora)),
        now=date(now),
    )


def _by_group(observed: Observed) -> Mapping[str, Sequence[Result]]:
    known = [one for one in observed.results if one.name in observed.measured]
    return {
        group: own
        for group in get_args(Group)
        if (own := [one for one in known if one.group == group])
    }


def _overview(summary: Summary, group: GroupSummary, view: View) -> dict[str, Any]:
    """What the tiles at the top say."""
    rows = [
        row
        for one in summary.conditions
        if one.kind == "codec" and (row := summary.row(group, one.name, "uar", view))
    ]
    return {
        "original": summary.row(group, summary.conditions[0].name, "uar", view),
        "lost": sum(row.shown < 0 for row in rows),
        "codecs": len(rows),
        "most": next((one for one in group.losses[view] if one.difference <= -5e-4), None),
    }


def _panels(
    summary: Summary, group: GroupSummary, view: View, codecs: Sequence[str]
) -> list[figures.Panel]:
    def rows(kind: str, number: str, emotion: str) -> list[Row]:
        found = (
            summary.row(group, one.name, number, view, emotion)
            for one in summary.conditions
            if one.kind == kind
        )
        return [row for row in found if row is not None]

    wanted = {"UAR": ("uar", ALL), **{emotion: ("recall", emotion) for emotion in group.emotions}}
    panels = {
        title: (rows("codec", *which), rows("anchor", *which)) for title, which in wanted.items()
    }
    return figures.curves(
        {title: both for title, both in panels.items() if both[0]}, figures.style(codecs)
    )


def _ranking_scale(rows: Sequence[Row]) -> figures.Scale:
    return figures.scale(
        [row for row in rows if row.kind == "codec"], [row for row in rows if row.kind == "anchor"]
    )


def _tint(summary: Summary, group: GroupSummary, view: View) -> float:
    """The difference that has the fullest colour: the largest of any codec and emotion."""
    found = [
        abs(row.difference)
        for one in summary.conditions
        for emotion in group.emotions
        if one.kind == "codec"
        and (row := summary.row(group, one.name, "recall", view, emotion))
        and row.difference is not None
    ]
    return max([0.01, *found])


def _column(summary: Summary, group: GroupSummary, result: Result) -> list[tuple[Row | None, str]]:
    """A measure's means of all conditions, with as many decimals as the largest needs."""
    rows = [summary.row(group, one.name, result.name) for one in summary.conditions]
    largest = max([abs(row.value) for row in rows if row and row.value is not None], default=0.0)
    decimals = 0 if largest >= 100 else 1 if largest >= 10 else 2 if largest >= 1 else 3
    return [
        (row, "–" if row is None or row.value is None else _decimal(row.value, decimals))
        for row in rows
    ]


def _decimal(value: float, decimals: int) -> str:
    # Adding 0.0 makes a rounded negative zero positive.
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
