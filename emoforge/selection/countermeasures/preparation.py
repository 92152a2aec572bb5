"""What is done to all clips alike, so that how a file was made does not tell what it is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from emoforge.audio import SILENCE_DB, Audio, level_db, speech_level
from emoforge.component import rng_for
from emoforge.errors import AudioError
from emoforge.selection.countermeasures.front_end import RATE

_WINDOW, _HOP = 320, 160
_SILENCE_DB = 35.0
"""What lies so far below the loudest 20 ms is silence."""
_ORDER = 4
"""Of either edge; twice that, for the filter runs forwards and backwards."""


@dataclass(frozen=True)
class Preparation:
    """Every clip at 16 kHz; and by default without what tells files apart rather than speech.

    band: Hz that are let through, None: all. The lower edge takes a DC offset off, the upper one
        what codecs and vocoders of a lower sampling rate lack.
    trim: cut the silence at both ends, which recordings have and synthesisers make of their own.
    level_db: active speech level (ITU-T P.56) that each clip is brought to, dB relative to full
        scale; None: as it is.
    floor_db: level of white noise that is added, so that digital silence between words sounds like
        a quiet room; None: none.
    """

    band: tuple[float, float] | None = (50.0, 7000.0)
    trim: bool = True
    level_db: float | None = -26.0
    floor_db: float | None = -66.0

    def __post_init__(self) -> None:
        if self.band is not None and not 0 < self.band[0] < self.band[1] < RATE / 2:
            raise ValueError(
                f"band={list(self.band)}: must be two frequencies between 0 and {RATE // 2} Hz, "
                "the lower first"
            )

    @property
    def span(self) -> tuple[float, float]:
        """Hz that there is anything in."""
        return self.band or (0.0, RATE / 2)

    def apply(self, audio: Audio, key: str) -> Audio:
        """The prepared clip at 16 kHz; the noise is drawn from `key` alone.

        Raises AudioError for a clip without any sound.
        """
        samples = audio.resampled(RATE).samples.astype(np.float64)
        if level_db(samples.astype(np.float32)) <= SILENCE_DB:
            raise AudioError("there is no sound in it")
        if self.band is not None:
            samples = _filtered(samples, self.band)
        if self.trim:
            samples = samples[sounding(samples)]
        if self.level_db is not None:
            level, _ = speech_level(Audio(samples.astype(np.float32), RATE))
            samples = samples * 10 ** ((self.level_db - level) / 20)
        if self.floor_db is not None:
            noise = rng_for("antispoof floor", key).standard_normal(len(samples))
            samples = samples + noise * 10 ** (self.floor_db / 20)
        return Audio(samples.astype(np.float32), RATE)


def _filtered(
    samples: npt.NDArray[np.float64], band: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """By a Butterworth filter, without delay."""
    sections = butter(_ORDER, band, "bandpass", fs=RATE, output="sos")
    pad = min(RATE // 10, len(samples) - 1)
    return np.asarray(sosfiltfilt(sections, samples, padlen=pad))


def sounding(samples: npt.NDArray[np.float64]) -> slice:
    """Samples at 16 kHz without the silence at both ends."""
    power = frame_powers(samples)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-_SILENCE_DB / 10))
    return slice(int(loud[0]) * _HOP, int(loud[-1]) * _HOP + _WINDOW)


def frame_powers(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean square of each 20 ms, every 10 ms; a clip of less is one frame."""
    if len(samples) < _WINDOW:
        return np.array([np.mean(np.square(samples))])
    windows = np.lib.stride_tricks.sliding_window_view(np.square(samples), _WINDOW)[::_HOP]
    return np.asarray(windows.mean(1))
