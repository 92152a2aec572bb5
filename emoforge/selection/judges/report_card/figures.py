"""The pictures of a card; each stands beside its numbers and is hidden from screen readers."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from emoforge.page import svg
from emoforge.selection.judges.report_card.reliability import BINS


def whisker(score: Mapping[str, Any], reference: float | None = None) -> Markup:
    """A share in [0, 1] as a stroke, its interval as a band, and a line at a reference."""
    shapes = ['<path class="rail" d="M0 5H100"/>']
    if score["interval"]:
        low, high = score["interval"]
        shapes.append(
            f'<rect class="band" x="{100 * low:.2f}" width="{100 * (high - low):.2f}" '
            'y="2" height="6" rx="1"/>'
        )
    if reference is not None:
        shapes.append(f'<path class="threshold" d="M{100 * reference:g} 0V10"/>')
    shapes.append(f'<path class="point" d="M{100 * score["value"]:.2f} 0V10"/>')
    return svg(100, 10, shapes)


def reliability_diagram(bins: Sequence[Sequence[float]]) -> Markup:
    """Share that is right in each bin of probability, beside the diagonal; clips along the foot."""
    width = 100 / BINS
    most = max(count for _, _, count in bins)
    shapes = ['<path class="frame" d="M0 0H100V100H0Z"/>']
    for confidence, right, count in bins:
        left = min(int(confidence * BINS), BINS - 1) * width
        top, diagonal = 100 - 100 * right, 100 - 100 * confidence
        foot = max(top, diagonal)
        gap = "gap" if right < confidence else "more"
        shapes += [
            f'<rect class="kept" x="{left + 0.5:.2f}" width="{width - 1:.2f}" '
            f'y="{foot:.2f}" height="{100 - foot:.2f}"/>',
            f'<rect class="{gap}" x="{left + 0.5:.2f}" width="{width - 1:.2f}" '
            f'y="{min(top, diagonal):.2f}" height="{abs(top - diagonal):.2f}"/>',
            f'<rect class="open" x="{left + 0.5:.2f}" width="{width - 1:.2f}" '
            f'y="104" height="{12 * count / most:.2f}"/>',
        ]
    shapes.append('<path class="threshold" d="M0 100L100 0"/>')
    return svg(100, 116, shapes)
