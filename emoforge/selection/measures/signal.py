"""Measures of the signal: how far a sound is from the one it was made from."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emoforge.audio import Audio, Samples
from emoforge.component import Requirement
from emoforge.selection.measures.measure import Measure, Result, check_original, silent
from emoforge.selection.measures.spectrum import Floats, magnitudes, mel_filters

_SCALES = ((32, 5), (64, 10), (128, 20), (256, 40), (512, 80), (1024, 160), (2048, 320))
_CLAMP = 1e-5
_SHORTEST_S = 0.01
_MOST_DB = 100.0


@dataclass(frozen=True)
class MelDistance(Measure):
    """Multi-scale log-mel distance: dB, 0 for the same sound; a gain of g dB adds up to |g|.

    Mean over seven scales of the mean |20 log10(a / b)|, a and b being the magnitudes in mel bands
    of both sounds, at least 1e-5: windows of 32, 64, …, 2,048 samples, each a quarter apart, with
    5, 10, …, 320 bands. The scales, bands and floor are those of the reconstruction loss of the
    Descript Audio Codec (R. Kumar et al., arXiv 2306.06546, 3.4), which has 1/20 of it, summed;
    EnCodec's (arXiv 2210.13438) is alike. Windows are in samples at the clips' own rate: compare
    values of one rate only.
    """

    name: ClassVar[str] = "mel"
    version: ClassVar[int] = 1
    results: ClassVar[tuple[Result, ...]] = (
        Result("mel_db", "Mel distance", "dB", "lower", "signal"),
    )

    def prepare(self, original: Audio) -> Sequence[Floats]:
        """Log-mel spectra of each scale; AudioError below 10 ms, or for silence."""
        check_original(original, _SHORTEST_S)
        return _log_mels(original)

    def compare(self, prepared: Sequence[Floats], other: Audio) -> Mapping[str, float]:
        """Silence has a distance too: that of the floor."""
        scales = zip(prepared, _log_mels(other), strict=True)
        return {"mel_db": float(np.mean([np.mean(np.abs(a - b)) for a, b in scales]))}


def _log_mels(audio: Audio) -> list[Floats]:
    spectra = []
    for window, bands in _SCALES:
        linear = magnitudes(audio.samples, window, window // 4)
        mels = linear @ mel_filters(audio.rate, window, bands)
        spectra.append(20 * np.log10(np.maximum(mels, np.float32(_CLAMP))))
    return spectra


@dataclass(frozen=True)
class SiSdr(Measure):
    """Scale-invariant signal-to-distortion ratio in dB; a gain does not change it.

    10 log10(|αs|² / |αs − x|²), α = ⟨x, s⟩ / |s|² (J. Le Roux et al., ICASSP 2019, eq. 3).
    Kept within ±100 dB, which is what float32 samples can tell; the same sound has 100.
    """

    name: ClassVar[str] = "si_sdr"
    version: ClassVar[int] = 1
    results: ClassVar[tuple[Result, ...]] = (
        Result("si_sdr_db", "SI-SDR", "dB", "higher", "signal"),
    )

    def prepare(self, original: Audio) -> Samples:
        """The samples; AudioError below 10 ms, or for silence."""
        check_original(original, _SHORTEST_S)
        return original.samples

    def compare(self, prepared: Samples, other: Audio) -> Mapping[str, float]:
        """NaN for silence."""
        if silent(other):
            return self.none()
        s, x = prepared.astype(np.float64), other.samples.astype(np.float64)
        target = (x @ s) / (s @ s) * s
        kept, lost = target @ target, np.square(target - x).sum()
        tiny = 10 ** (-_MOST_DB / 10) * (kept + lost)
        ratio = 10 * np.log10(max(kept, tiny) / max(lost, tiny))
        return {"si_sdr_db": float(np.clip(ratio, -_MOST_DB, _MOST_DB))}


@dataclass(frozen=True)
class Stoi(Measure):
    """Short-time objective intelligibility, about 0 to 1; a gain hardly changes it.

    C. Taal et al., IEEE TASLP 19 (2011), by `pystoi`, at 10 kHz (resampled by soxr). Needs 0.4 s
    of speech: the frames that are 40 dB below the original's loudest are left out.
    """

    name: ClassVar[str] = "stoi"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("pystoi", "measures"),)
    results: ClassVar[tuple[Result, ...]] = (Result("stoi", "STOI", "", "higher", "signal"),)

    def prepare(self, original: Audio) -> Samples:
        """The samples at 10 kHz; AudioError below 0.4 s, or for silence."""
        check_original(original, 0.4)
        return original.resampled(10000).samples

    def compare(self, prepared: Samples, other: Audio) -> Mapping[str, float]:
        """NaN for silence, and where less than 0.4 s of the original is speech."""
        from pystoi import stoi

        if silent(other):
            return self.none()
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                return {"stoi": float(stoi(prepared, other.resampled(10000).samples, 10000))}
            except RuntimeWarning:  # too few frames; it would give 1e-5
                return self.none()


@dataclass(frozen=True)
class Pesq(Measure):
    """Wide-band PESQ, ITU-T P.862.2: MOS-LQO from 1.04 to 4.64; a gain does not change it.

    By `pesq`, at 16 kHz (resampled by soxr): what lies above 8 kHz does not count.
    """

    name: ClassVar[str] = "pesq"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("pesq", "measures"),)
    results: ClassVar[tuple[Result, ...]] = (Result("pesq", "PESQ", "MOS", "higher", "signal"),)

    def prepare(self, original: Audio) -> Samples:
        """The samples at 16 kHz; AudioError below 0.25 s, or for silence."""
        check_original(original, 0.25)
        return original.resampled(16000).samples

    def compare(self, prepared: Samples, other: Audio) -> Mapping[str, float]:
        """NaN for silence, and where PESQ finds no utterance in either sound."""
        from pesq import PesqError, pesq

        if silent(other):
            return self.none()
        coded = other.resampled(16000).samples
        value = float(pesq(16000, prepared, coded, "wb", PesqError.RETURN_VALUES))
        return {"pesq": value if value >= 1 else float("nan")}  # errors are -1 and below
