"""The picture of gain against k: what stands beside real clips only, budget by budget.

SVG without text; the words stand in HTML. The same numbers are in the page's table.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from emoforge.page import svg

_ARMS = ("random", "selected")
_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Gains:
    """One panel: real clips a class (None: all), the picture, and (place in %, label) of ticks."""

    n: int | None
    picture: Markup
    across: Sequence[tuple[float, str]]
    down: Sequence[tuple[float, str]]


def gains(comparisons: Sequence[Mapping[str, Any]]) -> list[Gains]:
    """A panel for every n, on the same scales.

    comparisons: of `Summary.to_dict`; those against real clips only are shown, by UAR.
    """
    shown = [one for one in comparisons if one["against"] == "real"]
    budgets = sorted({one["budget"] for one in shown if one["budget"] is not None})
    # The arm of all candidates stands on its own, at the right.
    places = {b: 100 * (i + 0.5) / (len(budgets) + 1) for i, b in enumerate([*budgets, None])}
    low = min(0.0, *(one["uar"]["low"] for one in shown))
    high = max(0.0, *(one["uar"]["high"] for one in shown))
    step = next((s for s in _STEPS if (high - low) / s <= 6), 1.0)
    bottom, top = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)

    def y(value: float) -> float:
        return float(100 * (top - value / step) / (top - bottom))

    def drawn(own: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        for tick in range(bottom, top + 1):
            kind = "axis" if tick == 0 else "grid"
            yield f'<path class="{kind}" d="M0 {y(tick * step):.2f}H100"/>'
        for arm, side in zip(_ARMS, (-1, 1), strict=True):
            rows = sorted((r for r in own if r["arm"] == arm), key=lambda r: r["budget"])
            points = [(places[r["budget"]] + side, r["uar"]) for r in rows]
            line = "L".join(f"{x:.2f} {y(uar['value']):.2f}" for x, uar in points)
            yield f'<path class="curve {arm}" d="M{line}"/>'
            yield from _points(arm, points)
        yield from _points("all", [(places[None], r["uar"]) for r in own if r["arm"] == "all"])

    def _points(arm: str, points: Sequence[tuple[float, Mapping[str, float]]]) -> Iterator[str]:
        for x, uar in points:
            yield (
                f'<path class="whisker {arm}" d="M{x:.2f} {y(uar["low"]):.2f}'
                f'V{y(uar["high"]):.2f}"/>'
                # A line without length has round ends: a dot that does not stretch.
                f'<path class="dot {arm}" d="M{x:.2f} {y(uar["value"]):.2f}h0"/>'
            )

    across = [(x, "all" if b is None else f"{multiple(b)}×") for b, x in places.items()]
    down = [
        (y(t * step), f"{t * step:+.3g}".replace("-", "−") if t else "0")
        for t in range(bottom, top + 1)
    ]
    sizes = list(dict.fromkeys(one["n"][0] for one in shown))
    return [
        Gains(n, svg(100, 100, list(drawn([r for r in shown if r["n"] == [n]]))), across, down)
        for n in sizes
    ]


def multiple(budget: float) -> str:
    """`½` for 0.5, `2` for 2.0."""
    return {0.25: "¼", 0.5: "½", 0.75: "¾"}.get(budget, f"{budget:g}")
