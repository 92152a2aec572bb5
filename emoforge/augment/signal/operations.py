"""The operations of a chain: float32 [n] and its rate in, float32 out, nothing drawn inside.

`tempo` and `speed` return exactly round(n / factor) samples, all others exactly n, aligned with
their input. Samples may leave [-1, 1]; the end of the chain scales.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import soxr

from emoforge.audio import Audio, Samples, fit, speech_level
from emoforge.augment.signal.room import Point, impulse_response
from emoforge.augment.signal.tempo import tempo


def speed(samples: Samples, rate: int, factor: float) -> Samples:
    """Play `factor` times as fast, as a tape does: rate, pitch and formants all move."""
    return fit(soxr.resample(samples, factor * rate, rate, "VHQ"), round(len(samples) / factor))


def reverb(
    samples: Samples, rate: int, size: Point, source: Point, microphone: Point, rt60: float
) -> Samples:
    """As heard in a box-shaped room (metres, seconds), at the same active speech level.

    The time that the direct sound takes is removed, and what rings on after the end is cut.
    """
    from scipy.signal import fftconvolve

    response, direct = impulse_response(size, source, microphone, rt60, rate)
    wet = fftconvolve(samples.astype(np.float64), response)[direct : direct + len(samples)]
    wet = fit(wet, len(samples))
    change = speech_level(Audio(samples, rate))[0] - speech_level(Audio(wet, rate))[0]
    return gain(wet, rate, change)


def noise(samples: Samples, rate: int, snr_db: float, colour: str, seed: int) -> Samples:
    """Add stationary noise; SNR is active speech level (ITU-T P.56) over noise RMS, in dB.

    colour: `white`, `pink` (−3 dB an octave), `brown` (−6 dB an octave), or `speech`: the
    long-term spectrum of the clip itself, which masks it most evenly.
    """
    added = np.random.default_rng(seed).standard_normal(len(samples))
    shape = _spectrum(samples, rate, colour)
    added = np.fft.irfft(np.fft.rfft(added) * shape, len(samples))
    level = speech_level(Audio(samples, rate))[0] - snr_db
    added *= 10 ** (level / 20) / np.sqrt(np.mean(np.square(added)))
    return (samples + added).astype(np.float32)


def _spectrum(samples: Samples, rate: int, colour: str) -> npt.NDArray[np.float64]:
    """Amplitude at every frequency of the samples' real FFT; none at zero frequency."""
    frequency = np.fft.rfftfreq(len(samples), 1 / rate)
    if colour == "speech" and np.any(samples):
        from scipy.signal import welch

        at, power = welch(samples, rate, nperseg=min(len(samples), round(0.032 * rate)))
        shape = np.sqrt(np.interp(frequency, at, power))
    else:
        slope = {"white": 0.0, "pink": 0.5, "brown": 1.0, "speech": 0.5}[colour]
        shape = np.maximum(frequency, 50.0) ** -slope
    shape[0] = 0.0
    return np.asarray(shape)


def band(samples: Samples, rate: int, low_hz: float, high_hz: float) -> Samples:
    """Keep `low_hz` to `high_hz` (−6 dB there), without delay; a `low_hz` of 0 keeps the bass.

    Butterworth of order 8 run both ways, as steep as a telephone channel (ITU-T G.712).
    """
    from scipy.signal import butter, sosfiltfilt

    edges, kind = ((low_hz, high_hz), "bandpass") if low_hz else (high_hz, "lowpass")
    sos = butter(8, edges, kind, fs=rate, output="sos")
    padding = min(len(samples) - 1, rate // 20)
    return fit(sosfiltfilt(sos, samples.astype(np.float64), padlen=padding), len(samples))


def gain(samples: Samples, rate: int, db: float) -> Samples:
    """Change the level by `db`."""
    return (samples * 10 ** (db / 20)).astype(np.float32)


OPERATIONS: dict[str, Callable[..., Samples]] = {
    "tempo": tempo,
    "speed": speed,
    "reverb": reverb,
    "noise": noise,
    "band": band,
    "gain": gain,
}
"""In the order in which they happen to a voice: the speaker, the room, the microphone, the line."""
