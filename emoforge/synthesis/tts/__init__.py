"""Text to speech."""

from emoforge.synthesis.tts.engine import (
    REFERENCES,
    SHORTEST_REFERENCE,
    Engine,
    Utterance,
    Voice,
    check_references,
)
from emoforge.synthesis.tts.text import speakable, spoken_seconds

__all__ = [
    "REFERENCES",
    "SHORTEST_REFERENCE",
    "Engine",
    "Utterance",
    "Voice",
    "check_references",
    "speakable",
    "spoken_seconds",
]
