"""An inaudible mark in a sound that says "made by emoforge" and carries 32 bits.

Spread spectrum in the spectrogram, found without the original (after D. Kirovski and H. Malvar,
"Spread-Spectrum Watermarking of Audio Signals", IEEE Trans. Signal Processing 51, 2003): between
250 Hz and 7 kHz every block of 64 ms by 31 Hz becomes a little louder or softer, as a fixed
pattern of signs says. The change grows with the ear's bandwidth, 1.3 dB at 1 kHz, so that the
level within a critical band hardly moves; what it adds stays 12 dB below the sound around it.

It is there so that honest users can tell synthetic speech from recordings. The pattern is no
secret: whoever wants to can remove the mark, or put it into a recording. It is lost with a change
of speed or pitch, with vocoders and neural codecs, and often below half a second; telephone band
leaves half of it, which short clips may lack.
"""

import functools
import hashlib
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio, fit

SIGNIFICANT = 1e-6
"""A mark is there if `Detection.p` is below."""
READABLE = 1e-18
"""A payload can be read if `Detection.p` is below."""
SECONDS = 60
"""`detect` listens to at most so much of a sound."""

_RATE = 16000
_WINDOW, _HOP = 1024, 256
_FIRST, _LAST = 16, 448  # bins: 250 Hz to 7 kHz
_BINS, _FRAMES = 2, 4  # of a block: 31 Hz, 64 ms
_BANDS = (_LAST - _FIRST) // _BINS
_PERIOD = 64  # blocks of time until the pattern comes again: 4.1 s
_BYTES, _VALUES = 4, 256  # of the payload; rows of blocks carry one byte each, in turn
_FLOOR_DB = 60.0  # what is further below the loudest is noise of 16 bits or of codecs
_MOST_DB = 6.0  # a single block says no more than this

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Detection:
    """Whether a sound is marked.

    p: upper bound of the probability that a sound without a mark looks this much like a marked
        one, over all payloads and positions; 1 for silence.
    likely: the 32 bits that were most likely embedded.
    """

    p: float
    likely: int

    @property
    def marked(self) -> bool:
        """Whether p is below `SIGNIFICANT`."""
        return self.p < SIGNIFICANT

    @property
    def payload(self) -> int | None:
        """The 32 bits that were embedded, where the mark is clear enough to read them."""
        return self.likely if self.p < READABLE else None


def embed(audio: Audio, payload: int) -> Audio:
    """The sound with a mark that carries `payload`, 0 to 2**32 - 1; same length and rate.

    Deterministic. What lies outside 250 Hz to 7 kHz stays as it is.
    """
    values = np.frombuffer(payload.to_bytes(_BYTES, "big"), np.uint8)
    rows = np.arange(_PERIOD)
    pattern = _signs()[rows, values[rows % _BYTES]] * _strength()
    plain = audio.resampled(_RATE).samples.astype(np.float64)
    spectra = np.fft.rfft(_frames(plain) * _window(), axis=1)
    gains = np.zeros((len(spectra), _WINDOW // 2 + 1))
    blocks = np.arange(len(spectra)) // _FRAMES % _PERIOD
    gains[:, _FIRST:_LAST] = np.repeat(pattern[blocks], _BINS, axis=1)
    # Only the difference is resampled back: the sound itself keeps its band and its samples.
    change = _limited(_overlapped(spectra * (10 ** (gains / 20) - 1), len(plain)), plain)
    added = Audio(change.astype(np.float32), _RATE).resampled(audio.rate).samples
    return Audio(audio.samples + fit(added, len(audio.samples)), audio.rate)


def detect(audio: Audio) -> Detection:
    """Look for a mark, wherever the sound was cut out of a marked one.

    For signs that are drawn by chance, and blocks R of a sound that knows nothing of them, the
    correlation z = Σ s·R / √(Σ R²) passes x with a probability of at most exp(-x²/2) (Hoeffding's
    inequality); p is this for the highest z, times the number of positions and payloads tried.
    """
    sound = Audio(audio.samples[: SECONDS * audio.rate], audio.rate).resampled(_RATE)
    levels = _levels(sound.samples.astype(np.float64))
    tried = math.log(_PERIOD * _FRAMES) + _BYTES * math.log(_VALUES)
    best, payload = 0.0, 0
    for phase in range(_FRAMES):
        score, found = _best_match(_blocks(levels[phase:]))
        if score > best:
            best, payload = score, found
    return Detection(min(1.0, math.exp(min(0.0, tried - best**2 / 2))), payload)


def _best_match(blocks: _Floats) -> tuple[float, int]:
    """Highest z of the blocks [n, bands] over all shifts of the pattern, and its payload."""
    folded = np.zeros((_PERIOD, _BANDS), np.float32)
    np.add.at(folded, np.arange(len(blocks)) % _PERIOD, blocks)
    # What is alike from period to period counts in the norm too: only the signs are random.
    norm = math.sqrt(float(np.square(folded).sum()))
    if norm == 0:
        return 0.0, 0
    signs = _signs().reshape(-1, _BANDS)
    matches = (folded @ signs.T).reshape(_PERIOD, _PERIOD, _VALUES)
    # [shift, row of the pattern, value]: the row of the sound that falls on it.
    shifts, rows = np.ogrid[:_PERIOD, :_PERIOD]
    matches = matches[(rows - shifts) % _PERIOD, rows]
    by_byte = matches.reshape(_PERIOD, -1, _BYTES, _VALUES).sum(axis=1)
    scores = by_byte.max(axis=2).sum(axis=1)
    shift = int(scores.argmax())
    found = by_byte[shift].argmax(axis=1).astype(np.uint8).tobytes()
    return float(scores[shift]) / norm, int.from_bytes(found, "big")


@functools.cache
def _signs() -> npt.NDArray[np.float32]:
    """The pattern, ±1: [rows of a period, values of the byte that a row carries, bands]."""
    count = _PERIOD * _VALUES * _BANDS
    data = hashlib.shake_256(b"emoforge watermark 1").digest(count // 8)
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).reshape(_PERIOD, _VALUES, _BANDS)
    return 2 * bits.astype(np.float32) - 1


@functools.cache
def _strength() -> _Floats:
    """Change of each band in dB: as the root of the ear's bandwidth there, 1.3 at 1 kHz.

    Equivalent rectangular bandwidth: B. Glasberg and B. Moore, Hearing Research 47, 1990.
    """
    bins = _FIRST + (np.arange(_BANDS) + 0.5) * _BINS
    khz = bins * _RATE / _WINDOW / 1000
    strength: _Floats = 1.3 * np.sqrt((4.37 * khz + 1) / (4.37 + 1))
    return strength


def _levels(samples: _Floats) -> _Floats:
    """Level in dB of each frame and band, [frames, bands], above a floor."""
    spectra = np.fft.rfft(_frames(samples) * _window(), axis=1)[:, _FIRST:_LAST]
    levels = 20 * np.log10(np.abs(spectra) + 1e-12)
    levels = np.maximum(levels, np.percentile(levels, 99) - _FLOOR_DB)
    means: _Floats = levels.reshape(len(levels), _BANDS, _BINS).mean(axis=2)
    return means


def _blocks(levels: _Floats) -> _Floats:
    """How much louder each block is than its neighbours in frequency, [n, bands].

    Weighted by what was embedded in the band, and as Wiener's filter would weight a sound in
    noise, of ten times the power that the band has in its quietest tenth.
    """
    count = len(levels) // _FRAMES
    means = levels[: count * _FRAMES].reshape(count, _FRAMES, _BANDS).mean(axis=1)
    padded = np.pad(means, ((0, 0), (1, 1)), mode="edge")
    around = (padded[:, :-2] + padded[:, 2:]) / 2
    noise = np.percentile(means, 10, axis=0) + 10 if count else 0.0
    heard = 1 / (1 + 10 ** ((noise - np.maximum(means, around)) / 10))
    weighted: _Floats = np.clip(means - around, -_MOST_DB, _MOST_DB) * _strength() * heard
    return weighted


def _limited(change: _Floats, plain: _Floats) -> _Floats:
    """The change, 12 dB below the level of 8 ms of the sound at most: no echo in its pauses."""
    level, room = _envelope(change), _envelope(plain) / 4
    return change * np.minimum(1.0, room / np.maximum(level, 1e-12))


def _envelope(samples: _Floats) -> _Floats:
    """Level over 8 ms around each sample."""
    from scipy.ndimage import uniform_filter1d

    power = uniform_filter1d(np.square(samples), _RATE // 125, mode="constant")
    envelope: _Floats = np.sqrt(np.maximum(power, 0.0))  # rounding goes below 0
    return envelope


def _window() -> _Floats:
    window: _Floats = np.sin(np.pi * (np.arange(_WINDOW) + 0.5) / _WINDOW)
    return window


def _frames(samples: _Floats) -> npt.NDArray[np.float64]:
    """Overlapping frames, [n, window]; the first and the last reach over the ends."""
    count = -(-(len(samples) + _WINDOW - _HOP) // _HOP)
    padded = np.zeros((count - 1) * _HOP + _WINDOW)
    padded[_WINDOW - _HOP :][: len(samples)] = samples
    return np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]


def _overlapped(spectra: npt.NDArray[np.complex128], length: int) -> _Floats:
    """Inverse of framing, windowing and transforming, for `length` samples."""
    parts = np.fft.irfft(spectra, _WINDOW, axis=1) * _window()
    overlap = _WINDOW // _HOP
    out = np.zeros((len(parts) + overlap - 1) * _HOP)
    for i in range(overlap):
        out[i * _HOP :][: len(parts) * _HOP] += parts[:, i * _HOP : (i + 1) * _HOP].ravel()
    # The squared windows that overlap add up to half their number.
    return out[_WINDOW - _HOP :][:length] / (overlap / 2)
