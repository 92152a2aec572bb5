"""The measure `speaker`: how much of the speaker's voice is left, as Resemblyzer hears it."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio
from emoforge.component import Requirement
from emoforge.errors import AudioError
from emoforge.selection.measures.measure import Measure, Result, check_original, silent
from emoforge.selection.measures.spectrum import Floats, magnitudes, mel_filters

_RATE = 16000
_WINDOW, _HOP, _BANDS = 400, 160, 40
_PART, _STEP = 160, 77
"""Frames that the network hears at once, and from one part to the next, as Resemblyzer has it."""
_QUIET_DB = -30.0
_SPEECH_DB = 35.0
_SHORTEST_S = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class _Voice:
    """embedding: [256], of length 1; power: mean square of the samples; speech: frames to hear."""

    embedding: Floats
    power: float
    speech: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SpeakerSimilarity(Measure):
    """Cosine of Resemblyzer's speaker embeddings (GE2E, L. Wan et al., arXiv 1710.10467), 0 to 1.

    Both sounds are heard in the same frames, those within 35 dB of the original's loud ones, in
    parts of 1.6 s, and at the same level: that of the original, or -30 dBFS if that is lower. So a
    gain does not change it. Resemblyzer's own pipeline cuts each sound by its own voice detector
    and only raises the level: on the codec_mushra pairs both agree to 0.06, r = .93.
    """

    name: ClassVar[str] = "speaker"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("resemblyzer", "fairness"),)
    results: ClassVar[tuple[Result, ...]] = (
        Result("speaker_cosine", "Speaker similarity", "", "higher", "speaker"),
    )

    @cached_property
    def _network(self) -> Any:
        with warnings.catch_warnings():
            # It imports names that its dependencies want to remove; the tested set has them.
            warnings.simplefilter("ignore")
            from resemblyzer import VoiceEncoder
        return VoiceEncoder("cpu", verbose=False)

    def setup(self) -> None:
        """Load the network, which the package brings with it."""
        _ = self._network

    def prepare(self, original: Audio) -> _Voice:
        """The voice of the original; AudioError for less than 0.3 s of speech."""
        check_original(original, _SHORTEST_S)
        heard = original.resampled(_RATE).samples
        power = max(float(np.mean(np.square(heard))), 10 ** (_QUIET_DB / 10))
        mels = _mels(heard, power)
        loudness = mels.sum(axis=1)
        speech = loudness > np.percentile(loudness, 95) * 10 ** (-_SPEECH_DB / 10)
        if speech.sum() * _HOP < _SHORTEST_S * _RATE:
            raise AudioError(
                f"{speech.sum() * _HOP / _RATE:.2f} s of the original is speech, "
                f"this needs {_SHORTEST_S:g} s"
            )
        return _Voice(self._embedding(mels[speech]), power, speech)

    def compare(self, prepared: _Voice, other: Audio) -> Mapping[str, float]:
        """NaN for silence."""
        if silent(other):
            return self.none()
        mels = _mels(other.resampled(_RATE).samples, prepared.power)
        cosine = float(prepared.embedding @ self._embedding(mels[prepared.speech]))
        return {"speaker_cosine": min(cosine, 1.0)}

    def _embedding(self, mels: Floats) -> Floats:
        """Direction of the mean over all parts, which go through the network together."""
        import torch

        starts = range(0, max(1, len(mels) - _PART + _STEP), _STEP)
        padded = np.pad(mels, ((0, starts[-1] + _PART - len(mels)), (0, 0)))
        parts = np.stack([padded[start : start + _PART] for start in starts])
        with torch.inference_mode():
            mean: Floats = self._network(torch.from_numpy(parts)).mean(0).numpy()
        return mean / np.linalg.norm(mean)


def _mels(samples: Floats, power: float) -> Floats:
    """Mel power of samples that are brought to a mean square of `power`: [frames, 40]."""
    gain = power / float(np.mean(np.square(samples)))
    squares = np.square(magnitudes(samples, _WINDOW, _HOP))
    return squares @ mel_filters(_RATE, _WINDOW, _BANDS) * np.float32(gain)
