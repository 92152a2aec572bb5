"""The measure `ecapa`: how much of the speaker's voice is left, as ECAPA-TDNN hears it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from emoforge.audio import Audio
from emoforge.component import INCIDENTAL
from emoforge.selection.measures.measure import Measure, Result, silent
from emoforge.selection.measures.spectrum import Floats
from emoforge.selection.speakers import Ecapa


@dataclass(frozen=True)
class EcapaSimilarity(Measure):
    """Cosine of ECAPA-TDNN's speaker embeddings (see `Ecapa`), -1 to 1; a gain hardly changes it.

    model: folder with `embedding_model.ckpt`, or a hub's `owner/name`.
    revision: commit of a hub's model.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "ecapa"
    version: ClassVar[int] = 1
    results: ClassVar[tuple[Result, ...]] = (
        Result("ecapa_cosine", "Speaker similarity (ECAPA)", "", "higher", "speaker"),
    )

    @cached_property
    def _encoder(self) -> Ecapa:
        return Ecapa(self.model, self.revision, "measures.ecapa")

    @property
    def weights(self) -> str:
        """Digest of the weights; raises ConfigError or RequirementError if there are none."""
        return self._encoder.weights

    def setup(self) -> None:
        """Load the weights; raises RequirementError for those of another network."""
        self._encoder.load()

    def prepare(self, original: Audio) -> Floats:
        """Direction of the original's embedding; AudioError below 0.3 s, or for silence."""
        return self._encoder.embedding(original)

    def compare(self, prepared: Floats, other: Audio) -> Mapping[str, float]:
        """NaN for silence."""
        if silent(other):
            return self.none()
        cosine = prepared @ self._encoder.embedding(other)
        return {"ecapa_cosine": float(np.clip(cosine, -1, 1))}
