"""The emotion-loss report on a corpus: codes, measures and hears every clip, and writes it up."""

from emoforge.augment.emotion_loss.report import (
    EmotionLoss,
    EmotionLossConfig,
    report_emotion_loss,
)

__all__ = ["EmotionLoss", "EmotionLossConfig", "report_emotion_loss"]
