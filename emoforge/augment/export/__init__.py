"""Exporters: clips in, a training set out that another library reads."""

from emoforge.augment.export.exporter import Exported, Exporter

__all__ = ["Exported", "Exporter"]
