"""The pictures of the report.

Shapes take their colours from the classes of `report.css`. Every picture stands beside a table
with the same numbers, and is hidden from screen readers.
"""

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from emoforge.augment.report.evidence import BINS, Scores
from emoforge.page import svg

_COLUMN = 20.0
_BAR = 10.0


def funnel(counts: Sequence[int]) -> Markup:
    """A row of bars, one a step, centred, each tapering into the next; stretches to its box."""
    whole = max(counts[0], 1)
    # A sliver of what is there stays visible.
    halves = [max(50 * count / whole, 0.8) if count else 0.0 for count in counts]
    lefts = [i * _COLUMN + (_COLUMN - _BAR) / 2 for i in range(len(counts))]
    shapes = []
    for (left, half), (after, narrower) in pairwise(zip(lefts, halves, strict=True)):
        start, bend = left + _BAR, (left + _BAR + after) / 2
        shapes.append(
            f'<path class="taper" d="M{start:g} {50 - half:.2f}'
            f"C{bend:g} {50 - half:.2f} {bend:g} {50 - narrower:.2f} {after:g} {50 - narrower:.2f}"
            f"V{50 + narrower:.2f}"
            f"C{bend:g} {50 + narrower:.2f} {bend:g} {50 + half:.2f} {start:g} {50 + half:.2f}"
            'Z"/>'
        )
    for i, (left, half) in enumerate(zip(lefts, halves, strict=True)):
        name = "kept" if i == len(counts) - 1 else "step"
        shapes.append(
            f'<rect class="{name}" x="{left:g}" width="{_BAR:g}" y="{50 - half:.2f}" '
            f'height="{2 * half:.2f}"/>'
        )
    return svg(len(counts) * _COLUMN, 100, shapes)


def histogram(scores: Scores, threshold: float | None) -> Markup:
    """Kept and undecided clips above a line, rejected ones below it; a line at the threshold."""
    above, below = scores.kept + scores.open, scores.rejected
    scale = 100 / max(int(above.max()) + int(below.max()), 1)
    line = int(above.max()) * scale
    width = 100 / BINS
    shapes = []
    for i, (kept, open_, rejected) in enumerate(
        zip(scores.kept * scale, scores.open * scale, scores.rejected * scale, strict=True)
    ):
        for kind, top, height in (
            ("kept", line - kept, kept),
            ("open", line - kept - open_, open_),
            ("rejected", line, rejected),
        ):
            if height:
                shapes.append(
                    f'<rect class="{kind}" x="{i * width + 0.4:g}" width="{width - 0.8:g}" '
                    f'y="{top:.2f}" height="{height:.2f}"/>'
                )
    shapes.append(f'<path class="axis" d="M0 {line:.2f}H100"/>')
    if threshold is not None:
        shapes.append(f'<path class="threshold" d="M{100 * threshold:g} 0V100"/>')
    return svg(100, 100, shapes)


def bar(share: float, kind: str, mark: float | None = None) -> Markup:
    """One horizontal bar of a share in [0, 1], with a mark for a second share."""
    shapes = [f'<rect class="{kind}" width="{100 * share:.2f}" height="10"/>']
    if mark is not None:
        shapes.append(f'<path class="mark" d="M{100 * mark:.2f} 0V10"/>')
    return svg(100, 10, shapes)
