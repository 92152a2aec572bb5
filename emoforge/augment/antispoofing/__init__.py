"""The anti-spoofing baseline on a workspace, as numbers and as a page."""

from emoforge.augment.antispoofing.evaluation import (
    AntispoofConfig,
    Antispoofing,
    evaluate_antispoofing,
)

__all__ = ["AntispoofConfig", "Antispoofing", "evaluate_antispoofing"]
