"""Signal augmentation: changes of rate, room, noise, band and gain that keep the label."""

from emoforge.augment.signal.generator import Signal

__all__ = ["Signal"]
