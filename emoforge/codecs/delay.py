"""How late a codec's output is, measured with real speech.

Two estimates: how much later the spectral envelope moves, which any codec keeps, to a few
milliseconds; and near it the peak of the waveforms' cross-correlation, to the sample. Codecs that
describe speech by parameters (Codec2) do not keep the waveform: for them the first one stands.
"""

from collections.abc import Callable
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from emoforge.audio import Samples, read

LATEST_S = 0.25
"""No codec of speech is later."""
CREDIBLE = 0.25
"""Correlation from which the probe's waveform is found again.

Measured: at most 0.16 by chance (Codec2), 0.33 and above (Speex at 5.75 kbit/s) where it is there.
"""

_STEP_S = 0.001
_NEAR_S = 0.008
_BANDS = 16

Array = npt.NDArray[np.float64]


@cache
def _probe(rate: int) -> Samples:
    """Three speakers, some 6 s, with silence before and after."""
    folder = files("emoforge") / "starter"
    names = ("takumi_neutral_1", "mei_angry_1", "tohoku_neutral_1")
    speech = [read(str(folder / f"{name}.flac")).resampled(rate).samples for name in names]
    return np.pad(np.concatenate(speech), (rate // 10, round(LATEST_S * rate)))


def measure_delay(code: Callable[[Samples], Samples], rate: int) -> int:
    """Whole samples at `rate` by which speech comes back late, at most `LATEST_S`.

    code: encodes samples at `rate` and decodes them again. What remains is a fraction of a sample
    where the waveform is kept. Where it is not, it is a matter of taste: the envelopes of 24 clips
    agreed with their source to 2 ms in 80 % of cases.
    """
    sent = _probe(rate)
    back = np.asarray(code(sent), np.float32)
    rough = _STEP_S * rate * int(np.argmax(_later(_envelope(sent, rate), _envelope(back, rate))))
    match = _correlation(sent, back, rate)
    first = max(0, round(rough - _NEAR_S * rate))
    near = match[first : round(rough + _NEAR_S * rate) + 1]
    exact = int(np.argmax(near))
    return first + exact if near[exact] >= CREDIBLE else round(rough)


def _correlation(sent: Samples, back: Samples, rate: int) -> Array:
    """Of both waveforms, for every lag from 0 in samples.

    Their differences are compared: speech's lowest harmonics are so strong, and so slow, that
    the phase of a codec's high-pass would move the peak.
    """
    a, b = np.diff(sent.astype(np.float64)), np.diff(back.astype(np.float64))
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    lags = _cross(a[None], b[None])[: round(LATEST_S * rate)]
    return lags / scale if scale else lags


def _later(sent: Array, back: Array) -> Array:
    """Covariance of both envelopes [bands, steps] for every lag from 0, in steps."""
    lags = round(LATEST_S / _STEP_S)
    return _cross(sent - sent.mean(axis=1, keepdims=True), back - back.mean(axis=1, keepdims=True))[
        :lags
    ]


def _cross(a: Array, b: Array) -> Array:
    """Σ a[t] · b[t + lag] over rows and time, for lags from 0."""
    size = next_fast_len(a.shape[1] + b.shape[1], real=True)
    spectrum = np.sum(rfft(b, size) * np.conj(rfft(a, size)), axis=0)
    lags: Array = irfft(spectrum, size)
    return lags


def _envelope(samples: Samples, rate: int) -> Array:
    """Log power in bands of equal width up to 4 kHz, [bands, steps]; windows of 20 ms."""
    step, window = _STEP_S * rate, rate // 50
    starts = np.round(np.arange(0, max(1, len(samples) - window), step)).astype(int)
    padded = np.pad(samples, (0, window))
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window)
    power = np.square(np.abs(rfft(frames)))[:, 1 : 1 + 80]
    bands = power.reshape(len(starts), _BANDS, -1).sum(axis=2)
    # The floor, 50 dB below the loudest, keeps what is no speech from counting.
    logs: Array = np.log(bands + 1e-5 * max(float(bands.max()), 1e-12)).T
    return logs
