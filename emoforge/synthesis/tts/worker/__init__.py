"""Text-to-speech engines that run in an interpreter of their own: see docs/worker.md."""

from emoforge.synthesis.tts.worker.engines import F5TTS, SCRIPTS, CosyVoice, IndexTTS2, StyleTTS2
from emoforge.synthesis.tts.worker.generator import Worker
from emoforge.synthesis.tts.worker.process import WorkerError

__all__ = ["F5TTS", "SCRIPTS", "CosyVoice", "IndexTTS2", "StyleTTS2", "Worker", "WorkerError"]
