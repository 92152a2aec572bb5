"""Spectra as the measures' networks and formulas take them: frames, mel filters, decibels."""

from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def magnitudes(
    samples: Floats, size: int, hop: int, window: int | None = None, *, mirror: bool = False
) -> Floats:
    """Magnitudes of the short-time Fourier transform, [frames, size // 2 + 1].

    Frames are `hop` samples apart, the first is centred on the first sample; each is weighted by a
    periodic Hann window of `window` (`size`) samples. mirror: what is beyond the ends is the sound
    backwards, not zero; that takes more than `size // 2` samples.
    """
    from scipy.fft import rfft

    window = window or size
    half = size // 2
    before = (size - window) // 2
    padded = np.pad(samples, half, mode="reflect" if mirror else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    weighted = frames[:, before : before + window] * _hann(window)
    return np.asarray(np.abs(rfft(weighted, size)), np.float32)


@cache
def _hann(window: int) -> Floats:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


@cache
def mel_filters(rate: int, size: int, bands: int, top: float | None = None) -> Floats:
    """Triangular filters of equal area on the mel scale from 0 to `top` Hz, [size // 2 + 1, bands].

    The scale is that of M. Slaney's Auditory Toolbox (1998): linear below 1 kHz, logarithmic above.
    top: half the rate; filters beyond that are empty.
    """
    step, corner, ratio = 200 / 3, 1000.0, np.log(6.4) / 27
    highest = top or rate / 2
    mel = highest / step
    if highest >= corner:
        mel = corner / step + np.log(highest / corner) / ratio
    points = np.linspace(0, mel, bands + 2)
    above = corner * np.exp(ratio * (points - corner / step))
    edges = np.where(points < corner / step, points * step, above)
    bins = np.arange(size // 2 + 1) * rate / size
    rising = (bins[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins[:, None]) / np.diff(edges)[1:]
    filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return np.asarray(filters, np.float32)


def decibels(power: Floats, floor: float, reference: float = 1.0, depth: float = 80.0) -> Floats:
    """10 log10(power / reference), power at least `floor`, at most `depth` dB below its highest."""
    level = 10 * np.log10(np.maximum(power, floor)) - 10 * np.log10(max(reference, floor))
    return np.asarray(np.maximum(level, level.max() - depth), np.float32)
