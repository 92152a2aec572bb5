"""The emotion-loss report: what codecs did to emotion, from arrays to numbers, words and a page."""

from emoforge.codecs.report.anchors import LowPass, Unchanged
from emoforge.codecs.report.observed import ORIGINAL, VIEWS, Condition, Observed, View
from emoforge.codecs.report.views import Listeners, centred_cosine, divergence, strangers

__all__ = [
    "ORIGINAL",
    "VIEWS",
    "Condition",
    "Listeners",
    "LowPass",
    "Observed",
    "Unchanged",
    "View",
    "centred_cosine",
    "divergence",
    "strangers",
]
