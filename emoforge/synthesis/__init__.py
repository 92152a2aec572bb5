"""Generators of speech, and prosody: analysis, emotion profiles and transfer."""

from emoforge.synthesis.prosody import (
    Controls,
    Features,
    Profile,
    load_profile,
    measure,
    measure_profile,
    transfer,
)
from emoforge.synthesis.tts import (
    REFERENCES,
    SHORTEST_REFERENCE,
    Engine,
    Utterance,
    Voice,
    speakable,
    spoken_seconds,
)
from emoforge.synthesis.vc import Converter

__all__ = [
    "REFERENCES",
    "SHORTEST_REFERENCE",
    "Controls",
    "Converter",
    "Engine",
    "Features",
    "Profile",
    "Utterance",
    "Voice",
    "load_profile",
    "measure",
    "measure_profile",
    "speakable",
    "spoken_seconds",
    "transfer",
]
