"""Speakers' voices as vectors: who speaks, and whether it is one speaker."""

from emoforge.selection.speakers.ecapa import Ecapa
from emoforge.selection.speakers.encoder import SpeakerEncoder
from emoforge.selection.speakers.resemblyzer import Resemblyzer, Voice
from emoforge.selection.speakers.several import several_voices

__all__ = ["Ecapa", "Resemblyzer", "SpeakerEncoder", "Voice", "several_voices"]
