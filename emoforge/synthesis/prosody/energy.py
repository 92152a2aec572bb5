"""The energy contour of a clip, and which of its frames are speech."""

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FRAME = 0.005
"""Distance of analysis frames, seconds."""
ACTIVE_DB = 35.0
"""Frames are speech where their energy is at most this far below the clip's loud frames, dB."""

_WINDOW = 0.025


def frame_energy(audio: Audio) -> Floats:
    """Energy of 25 ms about each of the WORLD frames, dB re full scale."""
    power = np.square(audio.samples, dtype=np.float64)
    return decibels(window_mean(power, audio.rate, _WINDOW))


def active_frames(energy: Floats) -> Bools:
    """Which frames are speech and not silence or background: [T]."""
    return np.asarray(energy > np.percentile(energy, 95) - ACTIVE_DB)


def decibels(power: Floats) -> Floats:
    """10 log10, floored at -120 dB."""
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))


def window_mean(power: Floats, rate: int, window: float) -> Floats:
    """Mean of `power` ([n], `rate` Hz) in `window` seconds about each frame."""
    total = np.concatenate(([0.0], np.cumsum(power)))
    # As many frames as WORLD makes of n samples, in its order of operations.
    frames = int(1000.0 * len(power) / rate / (FRAME * 1000)) + 1
    centre = np.arange(frames) * FRAME * rate
    start = np.clip(np.rint(centre - window * rate / 2).astype(int), 0, len(power) - 1)
    stop = np.clip(np.rint(centre + window * rate / 2).astype(int), start + 1, len(power))
    return np.asarray((total[stop] - total[start]) / (stop - start))
