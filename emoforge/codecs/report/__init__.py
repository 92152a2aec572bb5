"""The emotion-loss report: what codecs did to emotion, from arrays to numbers, words and a page."""

from emoforge.codecs.report.anchors import LowPass, Unchanged
from emoforge.codecs.report.observed import ORIGINAL, VIEWS, Condition, Observed, View
from emoforge.codecs.report.page import Listened, Sound, write_page
from emoforge.codecs.report.summary import HEARD, Row, Summary, summarise
from emoforge.codecs.report.tables import CSV, PARQUET, TEX, write_tables
from emoforge.codecs.report.views import (
    COSINE,
    DIVERGENCE,
    Listeners,
    centred_cosine,
    divergence,
    strangers,
)

__all__ = [
    "COSINE",
    "CSV",
    "DIVERGENCE",
    "HEARD",
    "ORIGINAL",
    "PARQUET",
    "TEX",
    "VIEWS",
    "Condition",
    "Listened",
    "Listeners",
    "LowPass",
    "Observed",
    "Row",
    "Sound",
    "Summary",
    "Unchanged",
    "View",
    "centred_cosine",
    "divergence",
    "strangers",
    "summarise",
    "write_page",
    "write_tables",
]
