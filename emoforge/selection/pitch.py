"""Fundamental frequency and periodicity, fast enough to run on every candidate.

The difference function of A. de Cheveigné and H. Kawahara, "YIN, a fundamental frequency
estimator for speech and music", JASA 111(4), 2002, for all frames at once. Its normalisation
by the cumulative mean tells voice from coloured noise, which plain autocorrelation does not.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio

HOP = 0.01
"""Seconds from one frame to the next; frame k is centred on k · HOP."""
WINDOW = 0.03
"""Seconds; a multiple of HOP, so that every sample counts in equally many frames."""
LOWEST, HIGHEST = 60.0, 600.0
"""Hz; angry and surprised women reach 600."""

Values = npt.NDArray[np.float32]


@lru_cache(maxsize=4)
def periodicity(audio: Audio) -> tuple[Values, Values, Values]:
    """F0 in Hz, aperiodicity (0: periodic, about 1: noise) and power, float32 [frames] each.

    F0 is the best candidate of every frame, voiced or not, and may now and then be an octave
    or two off.
    """
    from scipy.fft import irfft, next_fast_len, rfft
    from scipy.signal import resample_poly

    step = max(1, audio.rate // 8000)
    rate = audio.rate / step
    samples = audio.samples if step == 1 else resample_poly(audio.samples, 1, step)
    shortest, longest = int(rate / HIGHEST), int(np.ceil(rate / LOWEST))
    window = round(WINDOW * rate)
    length = window + longest + 1
    count = int(audio.duration / HOP) + 1
    starts = np.rint(np.arange(count) * (HOP * rate)).astype(np.int64)
    samples = np.pad(samples.astype(np.float32), (length // 2, length))
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[starts]
    frames = frames - frames.mean(axis=1, keepdims=True)

    size = next_fast_len(length, real=True)
    spectrum = rfft(frames, size) * np.conj(rfft(frames[:, :window], size))
    product = irfft(spectrum, size)[:, : longest + 2]
    energy = np.cumsum(np.square(frames, dtype=np.float64), axis=1)
    ahead = energy[:, window:] - energy[:, : longest + 1]
    ahead = np.concatenate((energy[:, window - 1 : window], ahead), axis=1)
    difference = np.maximum(ahead[:, :1] + ahead - 2 * product, 0.0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest + 2)
    # A frame of digital silence has nothing that repeats.
    normalised = np.where(mean > 1e-12, difference[:, 1:] / np.maximum(mean, 1e-12), 1.0)

    # Multiples of the period fit as well: the first dip that is nearly as deep as the deepest.
    inside = normalised[:, shortest - 1 : longest]
    near = inside <= inside.min(axis=1, keepdims=True) + 0.1
    entered = np.logical_or.accumulate(near, axis=1)[:, :-1]
    bottom = entered & (np.diff(inside, axis=1) > 0)
    bottom[:, -1] |= ~bottom.any(axis=1)
    row = np.arange(count)
    lag = np.argmax(bottom, axis=1) + shortest
    left, middle, right = (normalised[row, lag - 1 + side] for side in (-1, 0, 1))
    curve = np.maximum(left - 2 * middle + right, 1e-9)
    shift = np.clip(0.5 * (left - right) / curve, -0.5, 0.5)
    return (
        (rate / (lag + shift)).astype(np.float32),
        middle.astype(np.float32),
        (ahead[:, 0] / window).astype(np.float32),
    )
