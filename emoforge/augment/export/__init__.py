"""Exporters: clips in, a training set out that another library reads."""

from emoforge.augment.export.disclosure import Checked, check_disclosure
from emoforge.augment.export.exporter import Exported, Exporter

__all__ = ["Checked", "Exported", "Exporter", "check_disclosure"]
