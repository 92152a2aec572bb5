"""Gates: conditions on a candidate that are measured, besides its emotion."""

from emoforge.selection.gates.gate import Gate, Given
from emoforge.selection.gates.signal import Decodable, Duplicate
from emoforge.selection.gates.verdict import first_rejection, measure_all

__all__ = ["Decodable", "Duplicate", "Gate", "Given", "first_rejection", "measure_all"]
