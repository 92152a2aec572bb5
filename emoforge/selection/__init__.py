"""Selection: judges, gates and selectors, the heart of emoforge."""

from emoforge.selection.fingerprint import fingerprint
from emoforge.selection.gates import (
    Decodable,
    Duplicate,
    Gate,
    Given,
    first_rejection,
    measure_all,
)
from emoforge.selection.judges import Encoding, Judge, Scores
from emoforge.selection.pitch import HOP, periodicity
from emoforge.selection.pool import Material, Pool, load_material, load_pool
from emoforge.selection.selectors import (
    Bootstrap,
    Calibrated,
    Choice,
    Conformal,
    Consensus,
    Policy,
    Round,
    Selector,
    Threshold,
    TopK,
)
from emoforge.selection.speakers import several_voices

__all__ = [
    "HOP",
    "Bootstrap",
    "Calibrated",
    "Choice",
    "Conformal",
    "Consensus",
    "Decodable",
    "Duplicate",
    "Encoding",
    "Gate",
    "Given",
    "Judge",
    "Material",
    "Policy",
    "Pool",
    "Round",
    "Scores",
    "Selector",
    "Threshold",
    "TopK",
    "fingerprint",
    "first_rejection",
    "load_material",
    "load_pool",
    "measure_all",
    "periodicity",
    "several_voices",
]
