"""How late a codec's output is, measured with real speech."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files

import numpy as np

from emoforge.audio import Samples, read
from emoforge.codecs.codec import Payload

LATEST_S = 0.25
"""No codec of speech is later."""
CREDIBLE = 0.3
"""Correlation below which nothing of the probe's waveform is found again."""


@cache
def _probe(rate: int) -> Samples:
    """A second of speech, with silence before and after."""
    speech = read(str(files("emoforge") / "starter" / "takumi_neutral_1.flac")).resampled(rate)
    start = rate // 2
    return np.pad(speech.samples[start : start + rate], (rate // 10, round(LATEST_S * rate)))


def measure_delay(
    encode: Callable[[Samples, int], Payload], decode: Callable[[Payload, int], Samples], rate: int
) -> int:
    """Samples at `rate` by which a second of speech comes back late; 0 where it cannot be told.

    The peak of the cross-correlation of both waveforms.
    """
    sent = _probe(rate)
    back = np.asarray(decode(encode(sent, rate), rate), np.float64)
    size = 1 << int(np.ceil(np.log2(len(sent) + len(back))))
    spectrum = np.fft.rfft(back, size) * np.conj(np.fft.rfft(sent, size))
    shift = np.fft.irfft(spectrum, size)[: round(LATEST_S * rate)]
    scale = np.linalg.norm(sent) * np.linalg.norm(back)
    latest = int(np.argmax(shift))
    return latest if scale and shift[latest] / scale >= CREDIBLE else 0
