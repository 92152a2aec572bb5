"""Prosody: what is measured of it, how emotions change it, and changing it."""

from emoforge.synthesis.prosody.controls import CONTROLS, FACTORS, LIMITS, Controls, transfer
from emoforge.synthesis.prosody.features import FEATURES, Features, measure
from emoforge.synthesis.prosody.generator import check_amounts, shared_emotions
from emoforge.synthesis.prosody.profile import (
    EmotionProfile,
    Profile,
    Source,
    Statistic,
    load_profile,
    measure_profile,
)
from emoforge.synthesis.prosody.world import World, analyse, synthesise

__all__ = [
    "CONTROLS",
    "FACTORS",
    "FEATURES",
    "LIMITS",
    "Controls",
    "EmotionProfile",
    "Features",
    "Profile",
    "Source",
    "Statistic",
    "World",
    "analyse",
    "check_amounts",
    "load_profile",
    "measure",
    "measure_profile",
    "shared_emotions",
    "synthesise",
    "transfer",
]
