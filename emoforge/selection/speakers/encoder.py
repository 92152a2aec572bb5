"""What every speaker encoder offers."""

from typing import Protocol

from emoforge.audio import Audio
from emoforge.selection.measures import Floats, check_original

RATE = 16000
SHORTEST_S = 0.3


class SpeakerEncoder(Protocol):
    """Hears whose voice it is. Cosines of its embeddings say how alike two voices are."""

    def load(self) -> None:
        """Load the weights; raises RequirementError."""

    def embedding(self, audio: Audio) -> Floats:
        """Direction of the voice, [width], of length 1; AudioError below 0.3 s, or for silence."""


def check_voice(audio: Audio) -> None:
    """Raise AudioError for a sound in which no encoder can hear a voice."""
    check_original(audio, SHORTEST_S)
