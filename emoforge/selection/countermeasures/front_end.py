"""Linear-frequency cepstral coefficients, the usual front end of anti-spoofing baselines.

M. Sahidullah, T. Kinnunen, C. Hanilçi, "A comparison of features for synthetic speech detection",
Interspeech 2015; with the settings of the LFCC baseline of ASVspoof 2019 (M. Todisco et al.,
Interspeech 2019): 20 ms windows every 10 ms, 20 linear filters, static, Δ and ΔΔ.
"""

import functools

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

RATE = 16000
"""Hz that the front end takes."""
WINDOW, HOP, FFT = 320, 160, 512
FILTERS = 20
WIDTH = 3 * FILTERS
"""Coefficients of a frame."""

_REACH = 3
"""Frames on either side that a slope is taken over."""
_FLOOR = 1e-10

Frames = npt.NDArray[np.float32]


def lfcc(samples: npt.NDArray[np.float32], low: float = 0.0, high: float = RATE / 2) -> Frames:
    """Frames [1 + (n - 320) // 160, 60] of 16 kHz samples [n]: 20 static, 20 Δ, 20 ΔΔ.

    low, high: Hz that the filters span. A clip of less than one window is repeated until it fills
    one. The static coefficients are the orthonormal DCT-II of the natural logarithm of the filters'
    power; Δ is the slope of the regression line over seven frames, and ΔΔ that of Δ, with the first
    and last frame repeated beyond the ends.
    """
    if len(samples) < WINDOW:
        samples = np.resize(samples, WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(windows * np.hamming(WINDOW), FFT)) ** 2
    static = dct(np.log(power @ filters(low, high) + _FLOOR), type=2, norm="ortho", axis=1)
    first = _slope(static)
    return np.concatenate([static, first, _slope(first)], axis=1).astype(np.float32)


@functools.cache
def filters(low: float, high: float) -> npt.NDArray[np.float64]:
    """Triangles of height 1 whose edges divide low to high evenly: [257, 20]."""
    edges = np.linspace(low, high, FILTERS + 2)
    frequency = np.linspace(0, RATE / 2, FFT // 2 + 1)[:, None]
    width = edges[1] - edges[0]
    return np.asarray(np.maximum(0.0, 1 - np.abs(frequency - edges[1:-1]) / width))


def _slope(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    padded = np.pad(values, ((_REACH, _REACH), (0, 0)), mode="edge")
    steps = range(1, _REACH + 1)
    count = len(values)
    rise = sum(
        k * (padded[_REACH + k : _REACH + k + count] - padded[_REACH - k : _REACH - k + count])
        for k in steps
    )
    return np.asarray(rise / (2 * sum(k * k for k in steps)))
