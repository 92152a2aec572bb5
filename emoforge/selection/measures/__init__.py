"""Measures: numbers of what changed between two sounds."""

from emoforge.selection.measures.measure import Group, Measure, Result, check_original, silent

__all__ = ["Group", "Measure", "Result", "check_original", "silent"]
