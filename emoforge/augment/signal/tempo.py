"""Change of rate with the pitch kept: waveform-similarity overlap-add.

W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for
high quality time-scale modification of speech", ICASSP 1993. FFmpeg's `atempo` is the same
method, but its output length is not exact, and another FFmpeg would give other samples: a
candidate could not be made again from its lineage.
"""

import numpy as np
import numpy.typing as npt

from emoforge.audio import Samples, fit

WINDOW = 0.03
"""Seconds of one overlapping piece: two periods of the lowest voices."""
SEARCH = 0.0075
"""Seconds that a piece may move either way to continue the waveform: half a period of 67 Hz."""


def tempo(samples: Samples, rate: int, factor: float) -> Samples:
    """Play `factor` times as fast at the same pitch; exactly round(n / factor) samples.

    samples: float32 [n]; factor: 0.5 to 2.
    """
    length = round(len(samples) / factor)
    hop = max(8, round(WINDOW * rate / 2))
    window = 2 * hop
    search = max(4, round(SEARCH * rate))
    # A piece is centred on the time that it stands for; the ends are padded so that all fit.
    margin = hop + search
    source = np.pad(samples.astype(np.float64), (margin, margin + window + hop))
    energy = np.concatenate(([0.0], np.cumsum(np.square(source))))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)

    pieces = length // hop + 2
    output = np.zeros((pieces + 1) * hop)
    size = 1 << (window + 2 * search + window - 1).bit_length()
    previous = -1
    for k in range(pieces):
        # Where the piece starts in `source` if it does not move; its centre is at time k · hop.
        start = min(round(k * hop * factor) + search, len(source) - window - search - hop)
        if previous >= 0:
            continuation = source[previous + hop : previous + hop + window]
            start += _best_move(source, energy, start, continuation, search, size)
        output[k * hop : k * hop + window] += hann * source[start : start + window]
        previous = start
    return fit(output[hop:], length)


def _best_move(
    source: npt.NDArray[np.float64],
    energy: npt.NDArray[np.float64],
    start: int,
    continuation: npt.NDArray[np.float64],
    search: int,
    size: int,
) -> int:
    """Move in [-search, search] where the source is most like `continuation` (normalised)."""
    window = len(continuation)
    first = start - search
    region = source[first : start + search + window]
    spectrum = np.fft.rfft(region, size) * np.conj(np.fft.rfft(continuation, size))
    product = np.fft.irfft(spectrum, size)[: 2 * search + 1]
    ends = energy[first + window : first + window + 2 * search + 1]
    power = ends - energy[first : first + 2 * search + 1]
    return int(np.argmax(product / np.sqrt(np.maximum(power, 1e-9)))) - search
