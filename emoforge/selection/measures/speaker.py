"""The measure `speaker`: how much of the speaker's voice is left, as Resemblyzer hears it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from emoforge.audio import Audio
from emoforge.component import Requirement
from emoforge.selection.measures.measure import Measure, Result, silent
from emoforge.selection.speakers import Resemblyzer, Voice


@dataclass(frozen=True)
class SpeakerSimilarity(Measure):
    """Cosine of Resemblyzer's speaker embeddings (GE2E, L. Wan et al., arXiv 1710.10467), 0 to 1.

    Both sounds are heard in the same frames, those within 35 dB of the original's loud ones, in
    parts of 1.6 s, and at the same level: that of the original, or -30 dBFS if that is lower. So a
    gain does not change it. Resemblyzer's own pipeline cuts each sound by its own voice detector
    and only raises the level: on the codec_mushra pairs both agree to 0.06, r = .93.
    """

    name: ClassVar[str] = "speaker"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("resemblyzer", "fairness"),)
    results: ClassVar[tuple[Result, ...]] = (
        Result("speaker_cosine", "Speaker similarity", "", "higher", "speaker"),
    )

    def setup(self) -> None:
        """Load the network, which the package brings with it."""
        Resemblyzer().load()

    def prepare(self, original: Audio) -> Voice:
        """The voice of the original; AudioError for less than 0.3 s of speech."""
        return Resemblyzer().hear(original)

    def compare(self, prepared: Voice, other: Audio) -> Mapping[str, float]:
        """NaN for silence."""
        if silent(other):
            return self.none()
        cosine = float(prepared.embedding @ Resemblyzer().embedding_like(other, prepared))
        return {"speaker_cosine": min(cosine, 1.0)}
