"""Exporters: clips in, a training set out that another library reads."""

from emoforge.augment.export.exporter import Exported, Exporter, Progress

__all__ = ["Exported", "Exporter", "Progress"]
