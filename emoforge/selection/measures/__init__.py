"""Measures: numbers of what changed between two sounds."""

from emoforge.selection.measures.measure import Group, Measure, Result, check_original, silent
from emoforge.selection.measures.spectrum import Floats, decibels, magnitudes, mel_filters

__all__ = [
    "Floats",
    "Group",
    "Measure",
    "Result",
    "check_original",
    "decibels",
    "magnitudes",
    "mel_filters",
    "silent",
]
