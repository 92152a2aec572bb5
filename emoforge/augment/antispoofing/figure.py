"""The pictures of the page: error rates and differences row by row, on one scale.

SVG without text; the words stand in HTML. The same numbers are in the page's tables.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from emoforge.page import svg

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
_HEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class Strips:
    """One picture a row; ticks: (place in %, value) of the common scale."""

    pictures: Sequence[Markup]
    ticks: Sequence[tuple[float, float]]


def strips(
    rows: Sequence[Mapping[str, Any]], series: Mapping[str, str], mark: float | None = None
) -> Strips:
    """Estimates of each row as dots with whiskers, one below the other.

    rows: of `Results.to_dict`. series: key of a row → class of the style sheet. mark: a value
    that is always on the scale, with a line.
    """
    shown = [row[key] for row in rows for key in series]
    ends = [*(one["low"] for one in shown), *(one["high"] for one in shown), 0.0]
    low, high = min(*ends, *(() if mark is None else (mark,))), max(*ends, mark or 0.0)
    step = next((s for s in _STEPS if (high - low) / s <= 8), 0.5)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)

    def x(value: float) -> float:
        return float(100 * (value / step - first) / (last - first))

    lines = [
        f'<path class="{"axis" if tick == 0 else "grid"}" d="M{x(tick * step):.2f} 0V{_HEIGHT:g}"/>'
        for tick in range(first, last + 1)
    ]
    if mark is not None:
        lines.append(f'<path class="threshold" d="M{x(mark):.2f} 0V{_HEIGHT:g}"/>')
    places = {key: _HEIGHT * (i + 0.5) / len(series) for i, key in enumerate(series)}
    pictures = []
    for row in rows:
        shapes = list(lines)
        for key, kind in series.items():
            one, y = row[key], places[key]
            shapes += [
                f'<path class="whisker {kind}" d="M{x(one["low"]):.2f} {y:.2f}'
                f'H{x(one["high"]):.2f}"/>',
                # A line without length has round ends: a dot that does not stretch.
                f'<path class="dot {kind}" d="M{x(one["value"]):.2f} {y:.2f}h0"/>',
            ]
        pictures.append(svg(100, _HEIGHT, shapes))
    ticks = [(x(tick * step), tick * step) for tick in range(first, last + 1)]
    return Strips(pictures, ticks)
