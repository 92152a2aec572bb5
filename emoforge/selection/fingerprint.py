"""A short vector by which near-duplicates of a clip are found.

It says how an utterance went: spectrum over time at the precision of a syllable, melody, and
duration. Level, a shift of milliseconds and noise far below the speech leave it where it is;
another take, rate, pitch, room, line or audible noise moves it. Distances between vectors are
Euclidean, so that hundreds of siblings compare in one matrix product.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio, speech_level
from emoforge.selection.pitch import HOP, WINDOW, periodicity

SEGMENTS, BANDS = 24, 16
FLOOR_DB = -45.0
"""Spectral power per band and segment below this, relative to the speech level, is not seen."""

Vector = npt.NDArray[np.float32]


@lru_cache(maxsize=4)
def fingerprint(audio: Audio) -> Vector:
    """Vector of SEGMENTS · (BANDS + 2) + 1 values (float32), for `similarity`.

    The clip is cut into overlapping segments of equal length, counted from the centre of its
    energy. Each has its mel spectrum in dB relative to the active speech level, and the mean
    position of F0 within an octave, weighted by periodicity; last comes the logarithm of the
    duration. One unit of distance is a root-mean-square spectral difference of 1 dB, a third
    of a semitone, or 0.5 % of duration.
    """
    f0, aperiodicity, power = periodicity(audio)
    pool = _segments(power)
    level = 10 ** (speech_level(audio)[0] / 10)

    bands = pool @ (_mel_power(audio, len(f0)) / level)
    spectrum = 10 * np.log10(bands + 10 ** (FLOOR_DB / 10)) / np.sqrt(bands.size)

    voicing = np.maximum(0, 1 - 2 * aperiodicity) * np.minimum(1, power / level)
    melody = pool @ (voicing * np.exp(2j * np.pi * np.log2(f0)))
    melody /= max(float(np.linalg.norm(melody)), 1e-6)

    return np.concatenate(
        (
            spectrum.ravel(),
            6 * melody.real,
            6 * melody.imag,
            [200 * np.log(max(audio.duration, HOP))],
        )
    ).astype(np.float32)


def similarity(one: Vector, other: Vector) -> float:
    """1 for the same fingerprint, half for every unit of distance."""
    return float(2.0 ** -np.linalg.norm(one - other))


def _segments(power: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Weights [SEGMENTS, frames] of overlapping Hann-shaped segments, each summing to 1 or 0.

    Counting from the centre of energy keeps a shifted copy in the same segments.
    """
    frames = np.arange(len(power))
    total = float(power.sum())
    centre = float(power @ frames) / total if total else len(power) / 2
    at = (frames - centre) / len(power) * SEGMENTS
    away = np.abs(at[None, :] - (np.arange(SEGMENTS)[:, None] - (SEGMENTS - 1) / 2))
    weights = np.where(away < 1, 0.5 + 0.5 * np.cos(np.pi * np.minimum(away, 1)), 0.0)
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9))


def _mel_power(audio: Audio, frames: int) -> npt.NDArray[np.float64]:
    """Power in BANDS mel bands from 80 to 7,600 Hz, [frames, BANDS], frames at k · HOP."""
    from scipy.fft import rfft

    window = round(WINDOW * audio.rate)
    size = 1 << (window - 1).bit_length()
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    padded = np.pad(audio.samples, (window // 2, window))
    starts = np.rint(np.arange(frames) * (HOP * audio.rate)).astype(np.int64)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, window)[starts]
    power = np.square(np.abs(rfft(pieces * hann, size))) * (2 / (size * np.sum(hann**2)))

    def mel(hertz: float) -> float:
        return float(np.log1p(hertz / 700))

    edges = 700 * np.expm1(np.linspace(mel(80), mel(7600), BANDS + 2))
    frequency = np.arange(size // 2 + 1) * (audio.rate / size)
    rising = (frequency - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequency) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(power @ np.maximum(0, np.minimum(rising, falling)).T)
