"""Voices as Resemblyzer hears them."""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio
from emoforge.errors import AudioError
from emoforge.selection.measures import Floats, magnitudes, mel_filters
from emoforge.selection.speakers.encoder import RATE, SHORTEST_S, check_voice

_WINDOW, _HOP, _BANDS = 400, 160, 40
_PART, _STEP = 160, 77
"""Frames that the network hears at once, and from one part to the next, as Resemblyzer has it."""
_FINE = 20
_QUIET_DB = -30.0
_SPEECH_DB = 35.0


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """One sound as the network hears it.

    embedding: [256], of length 1; power: mean square to which the sound was brought; speech:
    frames that were heard, of 10 ms.
    """

    embedding: Floats
    power: float
    speech: npt.NDArray[np.bool_]


class Resemblyzer:
    """Embeddings by GE2E (L. Wan et al., arXiv 1710.10467), with the weights of the package.

    Heard are the frames within 35 dB of the loud ones, in parts of 1.6 s, at the sound's own level
    or -30 dBFS if that is higher.
    """

    def load(self) -> None:
        """Load the network, which the package brings with it."""
        _network()

    def embedding(self, audio: Audio) -> Floats:
        """Direction of the voice, [256]; AudioError for less than 0.3 s of speech, or silence."""
        return self.hear(audio).embedding

    def hear(self, audio: Audio) -> Voice:
        """The voice of a sound; AudioError for less than 0.3 s of speech, or silence."""
        mels, power, speech = _speech(audio)
        return Voice(_mean(_parts(mels[speech], _STEP)), power, speech)

    def over_time(self, audio: Audio) -> Floats:
        """Embeddings of parts of 1.6 s of speech, 0.2 s apart, [parts, 256], each of length 1.

        None of them is filled up: shorter speech has no parts. AudioError as in `hear`.
        """
        mels, _, speech = _speech(audio)
        heard = mels[speech]
        whole = len(heard) - (len(heard) - _PART) % _FINE
        return _parts(heard[:whole], _FINE) if whole >= _PART else np.empty((0, 256), np.float32)

    def embedding_like(self, audio: Audio, voice: Voice) -> Floats:
        """Direction of a sound of the same length, heard in the frames and at the level of `voice`.

        The sound must not be digital silence.
        """
        mels = _mels(audio.resampled(RATE).samples, voice.power)
        return _mean(_parts(mels[voice.speech], _STEP))


@cache
def _network() -> Any:
    with warnings.catch_warnings():
        # It imports names that its dependencies want to remove; the tested set has them.
        warnings.simplefilter("ignore")
        from resemblyzer import VoiceEncoder
    return VoiceEncoder("cpu", verbose=False)


def _speech(audio: Audio) -> tuple[Floats, float, npt.NDArray[np.bool_]]:
    """Mel power [frames, 40], the mean square it was brought to, and which frames are speech."""
    check_voice(audio)
    samples = audio.resampled(RATE).samples
    power = max(float(np.mean(np.square(samples))), 10 ** (_QUIET_DB / 10))
    mels = _mels(samples, power)
    loudness = mels.sum(axis=1)
    speech = loudness > np.percentile(loudness, 95) * 10 ** (-_SPEECH_DB / 10)
    if speech.sum() * _HOP < SHORTEST_S * RATE:
        raise AudioError(
            f"{speech.sum() * _HOP / RATE:.2f} s of the original is speech, "
            f"this needs {SHORTEST_S:g} s"
        )
    return mels, power, speech


def _parts(mels: Floats, step: int) -> Floats:
    """Embeddings of parts every `step` frames, which go through the network together."""
    import torch

    starts = range(0, max(1, len(mels) - _PART + step), step)
    padded = np.pad(mels, ((0, starts[-1] + _PART - len(mels)), (0, 0)))
    parts = np.stack([padded[start : start + _PART] for start in starts])
    with torch.inference_mode():
        vectors: Floats = _network()(torch.from_numpy(parts)).numpy()
    return vectors


def _mean(parts: Floats) -> Floats:
    mean: Floats = parts.mean(0)
    return mean / np.linalg.norm(mean)


def _mels(samples: Floats, power: float) -> Floats:
    """Mel power of samples that are brought to a mean square of `power`: [frames, 40]."""
    gain = power / float(np.mean(np.square(samples)))
    squares = np.square(magnitudes(samples, _WINDOW, _HOP))
    return squares @ mel_filters(RATE, _WINDOW, _BANDS) * np.float32(gain)
