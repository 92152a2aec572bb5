"""The gate `voice`: whether it is the voice that was asked for."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from emoforge.audio import Audio
from emoforge.component import INCIDENTAL, Requirement
from emoforge.errors import AudioError
from emoforge.selection.gates.gate import Gate, Given
from emoforge.selection.speakers import Ecapa, Resemblyzer, SpeakerEncoder


@dataclass(frozen=True)
class Voice(Gate):
    """Cosine of the speaker embeddings of the candidate and of its references' mean, -1 to 1.

    None without references: the parent may be of another speaker than the candidate is to be.

    encoder: `resemblyzer`, whose weights come with its package, or `ecapa` (see `Ecapa`), for
    which `lowest` should be chosen anew. model, revision: ECAPA's weights.

    Real speech of the three corpora, against three references: of the same speaker and emotion
    0.67 and more (1st percentile; 0.3 % is rejected), of the same speaker in another emotion 0.52
    and more (5 % is rejected); of another speaker in that emotion 0.60 in the median, 48 % is
    rejected, of the same gender 18 %. Pairs of single clips: equal error rate 7 % within an
    emotion, 12 % across.
    """

    encoder: Literal["resemblyzer", "ecapa"] = "resemblyzer"
    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)
    lowest: float = 0.6

    name: ClassVar[str] = "voice"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("resemblyzer", "tts"),)

    @cached_property
    def _ecapa(self) -> Ecapa:
        return Ecapa(self.model, self.revision, "gates.voice")

    @property
    def _encoder(self) -> SpeakerEncoder:
        return self._ecapa if self.encoder == "ecapa" else Resemblyzer()

    @property
    def weights(self) -> str:
        """Digest of ECAPA's weights; raises ConfigError or RequirementError if there are none."""
        return self._ecapa.weights if self.encoder == "ecapa" else ""

    def setup(self) -> None:
        self._encoder.load()

    def measure(self, candidate: Audio, given: Given) -> float | None:
        """None too where candidate or references hold less than 0.3 s of speech."""
        try:
            own = self._encoder.embedding(candidate)
            voices = [self._encoder.embedding(reference) for reference in given.references]
        except AudioError:
            return None
        if not voices:
            return None
        mean = np.mean(voices, axis=0)
        return float(np.clip(own @ mean / np.linalg.norm(mean), -1, 1))

    def reject(self, value: float) -> str | None:
        if value >= self.lowest:
            return None
        return f"the similarity to the reference voice is {value:.2f}, under {self.lowest:.2f}"
