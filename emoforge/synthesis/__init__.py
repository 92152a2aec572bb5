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

__all__ = [
    "Controls",
    "Features",
    "Profile",
    "load_profile",
    "measure",
    "measure_profile",
    "transfer",
]
