"""Selection: judges, gates and selectors, the heart of emoforge."""

from emoforge.selection.fingerprint import fingerprint
from emoforge.selection.gates import Decodable, Duplicate, Gate, first_rejection, measure_all
from emoforge.selection.judges import Judge, Scores
from emoforge.selection.selector import ScoredCandidate, Selector, TopK

__all__ = [
    "Decodable",
    "Duplicate",
    "Gate",
    "Judge",
    "ScoredCandidate",
    "Scores",
    "Selector",
    "TopK",
    "fingerprint",
    "first_rejection",
    "measure_all",
]
