"""What stands in every table beside the codecs: the original, and a low anchor."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emoforge.audio import Audio
from emoforge.codecs.codec import Coded

NO_BITS = float("nan")


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The original."""

    name: str = "original"

    def signature(self) -> dict[str, Any]:
        """What it depends on."""
        return {"name": "original"}

    def setup(self) -> None:
        """Nothing to load."""

    def roundtrip(self, audio: Audio) -> Coded:
        """The clip as it is."""
        return Coded(audio, NO_BITS, audio.rate, 0.0)


@dataclass(frozen=True, slots=True)
class LowPass:
    """The low anchor of listening tests (ITU-R BS.1534-3): a low-pass at `hz`, without delay."""

    hz: float = 3500.0

    @property
    def name(self) -> str:
        """As in tables."""
        return f"low-pass {self.hz / 1000:g} kHz"

    def signature(self) -> dict[str, Any]:
        """What it depends on."""
        return {"name": "low-pass", "hz": self.hz, "version": 1}

    def setup(self) -> None:
        """Nothing to load."""

    def roundtrip(self, audio: Audio) -> Coded:
        """Butterworth of order 8, forwards and backwards: −6 dB at `hz`, 96 dB an octave above."""
        if audio.rate <= 2.2 * self.hz:
            return Coded(audio, NO_BITS, audio.rate, 0.0)
        from scipy.signal import butter, sosfiltfilt

        sections = butter(8, self.hz, fs=audio.rate, output="sos")
        padding = min(len(audio.samples) - 1, audio.rate // 50)
        samples = sosfiltfilt(sections, audio.samples.astype(np.float64), padlen=padding)
        return Coded(
            Audio(np.clip(samples, -1, 1).astype(np.float32), audio.rate), NO_BITS, audio.rate, 0.0
        )
