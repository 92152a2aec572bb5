"""What every page that emoforge writes shares: its look (`page.css`), its macros, its numbers.

A page is one HTML file that needs nothing else: style and pictures are inside.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup


def environment(folder: Path) -> jinja2.Environment:
    """Templates of `folder`, and those that all pages share; every text is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "percent": percent, "number": number, "minutes": minutes, "when": when,
    }  # fmt: skip
    made.filters.update(filters)
    return made


def percent(share: float | None) -> str:
    """`63 %`, or a dash."""
    return "–" if share is None else f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def number(count: int) -> str:
    """With thin spaces between groups of three digits."""
    return f"{count:,}".replace(",", "\u202f")


def minutes(seconds: float) -> str:
    """A duration in the unit that suits it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def when(timestamp: str) -> str:
    """An ISO timestamp for people."""
    return date(datetime.fromisoformat(timestamp))


def date(moment: datetime) -> str:
    """A moment for people."""
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def svg(width: float, height: float, shapes: Sequence[str]) -> Markup:
    """Inline SVG without text, so that it stretches and prints; words stand in HTML."""
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none" aria-hidden="true">'
    ) + Markup("".join(shapes) + "</svg>")
