"""The pictures of the report: SVG without text, whose words stand in HTML.

Shapes take their colours from `report.css`. The same numbers stand in the page's tables.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from emoforge.codecs.report.summary import Row, points
from emoforge.page import svg

COLOURS = 8
_STYLES = ("solid", "dashed", "dotted", "hollow")
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_ROOM = 0.04
"""Share of a scale that is left free at each end."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Differences from `low` to `high`, which contain 0, with ticks every `step`."""

    low: float
    high: float
    step: float

    def place(self, value: float) -> float:
        """0 at the low end, 100 at the high one; beyond them for what is outside."""
        return 100 * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """(place, label in points)"""
        multiples = range(math.ceil(self.low / self.step), math.floor(self.high / self.step) + 1)
        return [
            (self.place(i * self.step), points(i * self.step).removesuffix(".0")) for i in multiples
        ]


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. across, down: (place in %, label) of ticks; lines: of anchors.

    below: anchors that lose too much to stand in the picture.
    """

    title: str
    picture: Markup
    across: Sequence[tuple[float, str]]
    down: Sequence[tuple[float, str]]
    lines: Sequence[tuple[float, str]]
    below: Sequence[str]


def scale(codecs: Sequence[Row], anchors: Sequence[Row] = ()) -> Scale:
    """For codecs' differences and their intervals.

    Anchors that lose far more than any codec would flatten the picture, and stay outside.
    """
    ends = [end for row in codecs for end in (row.difference, row.low, row.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    furthest = min(low, -0.1)
    lost = [row.difference for row in anchors if row.difference is not None]
    low = min([furthest, *(one for one in lost if one >= furthest)])
    room = _ROOM * (high - low)
    step = next((one for one in _STEPS if (high - low) / one <= 6), 1.0)
    return Scale(low - room, high + room, step)


def style(codecs: Sequence[str]) -> Mapping[str, str]:
    """Codec → CSS classes: which it is, a colour, and a kind of line and dot."""
    return {
        codec: f"k{i} c{i % COLOURS} {_STYLES[i // COLOURS % len(_STYLES)]}"
        for i, codec in enumerate(codecs)
    }


def curves(
    panels: Mapping[str, tuple[Sequence[Row], Sequence[Row]]], styles: Mapping[str, str]
) -> list[Panel]:
    """Difference against measured kbit/s, on the same scales in all panels.

    panels: title → (rows of codecs, of anchors).
    """
    codecs = [row for rows, _ in panels.values() for row in rows]
    rates = [row.kbps for row in codecs if row.kbps]
    if not rates:
        return []
    # Whole octaves, so that there are two ticks even for one bitrate.
    first, last = math.floor(math.log2(min(rates)) - 0.1), math.ceil(math.log2(max(rates)) + 0.1)
    down = scale(codecs, [row for _, rows in panels.values() for row in rows])

    def x(kbps: float) -> float:
        return 100 * (math.log2(kbps) - first) / (last - first)

    across = [(x(2.0**power), f"{2.0**power:g}") for power in range(first, last + 1)]

    def y(value: float) -> float:
        return 100 - down.place(value)

    def drawn(rows: Sequence[Row], anchors: Sequence[Row]) -> Iterator[str]:
        for place, label in down.ticks():
            kind = "axis" if label == "0" else "grid"
            yield f'<path class="{kind}" d="M0 {100 - place:.2f}H100"/>'
        for row in anchors:
            if row.difference is not None and row.difference >= down.low:
                yield f'<path class="reference" d="M0 {y(row.difference):.2f}H100"/>'
        for codec, look in styles.items():
            own = [
                (x(row.kbps), row, y(row.difference))
                for row in rows
                if row.codec == codec and row.kbps and row.difference is not None
            ]
            if not own:
                continue
            own.sort(key=lambda point: point[0])
            marks = "".join(f"M{left:.2f} {top:.2f}h0" for left, _, top in own)
            whiskers = "".join(
                f"M{left:.2f} {y(row.low):.2f}V{y(row.high):.2f}"
                for left, row, _ in own
                if row.low is not None and row.high is not None
            )
            line = "L".join(f"{left:.2f} {top:.2f}" for left, _, top in own)
            # A line without length has round ends: a dot that does not stretch.
            yield (
                f'<g class="curve {look}"><path class="whisker" d="{whiskers}"/>'
                f'<path class="line" d="M{line}"/><path class="dot" d="{marks}"/>'
                f'<path class="core" d="{marks}"/></g>'
            )

    made = []
    for title, (rows, anchors) in panels.items():
        known = [(row, row.difference) for row in anchors if row.difference is not None]
        made.append(
            Panel(
                title,
                svg(100, 100, list(drawn(rows, anchors))),
                across,
                [(100 - place, label) for place, label in down.ticks()],
                [(y(value), row.condition) for row, value in known if value >= down.low],
                [f"{row.condition} {points(value)}" for row, value in known if value < down.low],
            )
        )
    return made


def whisker(row: Row, across: Scale) -> Markup:
    """A row's difference as a dot with its interval; an arrow where it is outside the scale."""
    zero = f'<path class="axis" d="M{across.place(0):.2f} 0V20"/>'
    grid = "".join(f'<path class="grid" d="M{place:.2f} 0V20"/>' for place, _ in across.ticks())
    if row.difference is None:
        return svg(100, 20, [grid, zero])
    place = across.place(row.difference)
    if place < 0:
        return svg(100, 20, [grid, zero, '<path class="outside" d="M1.5 5L0 10L1.5 15"/>'])
    shapes = [grid, zero]
    if row.low is not None and row.high is not None:
        ends = [across.place(end) for end in (row.low, row.high)]
        shapes.append(f'<path class="whisker" d="M{ends[0]:.2f} 10H{ends[1]:.2f}"/>')
    shapes.append(f'<path class="dot" d="M{place:.2f} 10h0"/>')
    if not row.shown:
        shapes.append(f'<path class="core" d="M{place:.2f} 10h0"/>')
    return svg(100, 20, shapes)
