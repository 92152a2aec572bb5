"""Voices as ECAPA-TDNN hears them."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emoforge.audio import Audio, Samples
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, read_weights, weights_digest
from emoforge.selection.measures import Floats, decibels
from emoforge.selection.speakers.encoder import RATE, check_voice

if TYPE_CHECKING:
    from emoforge.selection.speakers.ecapa_network import Network

_SIZE, _HOP = 400, 160
_FILE = "embedding_model.ckpt"


@dataclass(frozen=True)
class Ecapa:
    """Embeddings by ECAPA-TDNN (B. Desplanques et al., arXiv 2005.07143).

    Weights as SpeechBrain publishes them (`speechbrain/spkrec-ecapa-voxceleb` on the hub,
    Apache-2.0; learned from VoxCeleb): 80 mel bands, less their mean over the clip. Of the folder
    only the weights are read, nothing in it is run.

    model: folder with `embedding_model.ckpt`, or a hub's `owner/name`. revision: commit of a hub's
    model. key: what the user's settings begin with, for sentences such as "add KEY.model=…".
    """

    model: str
    revision: str
    key: str

    @cached_property
    def _file(self) -> Path:
        return model_folder(self.model, self.revision, [[_FILE]], key=self.key) / _FILE

    @property
    def weights(self) -> str:
        """Digest of the weights; raises ConfigError or RequirementError if there are none."""
        return weights_digest([self._file])

    @cached_property
    def _network(self) -> "Network":
        from emoforge.selection.speakers.ecapa_network import Network

        try:
            return Network.of(read_weights([self._file]))
        except (RuntimeError, KeyError, AttributeError, IndexError) as error:
            raise RequirementError(
                f"{self._file}: its weights are not those of SpeechBrain's ECAPA-TDNN"
            ) from error

    def load(self) -> None:
        """Load the weights; raises RequirementError for those of another network."""
        _ = self._network

    def embedding(self, audio: Audio) -> Floats:
        """Direction of the voice; AudioError below 0.3 s, or for silence."""
        import torch

        check_voice(audio)
        mels = _mels(audio.resampled(RATE).samples)
        with torch.inference_mode():
            vector: Floats = self._network(torch.from_numpy(mels.T.copy())[None])[0].numpy()
        return vector / np.linalg.norm(vector)


@cache
def _filters() -> Floats:
    """80 triangles on the mel scale, each as wide above its centre as below: [201, 80]."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), 82)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.linspace(0, RATE / 2, _SIZE // 2 + 1)[:, None]
    away = np.abs(bins - edges[1:-1]) / np.diff(edges)[:-1]
    return np.asarray(np.maximum(0, 1 - away), np.float32)


def _mels(samples: Samples) -> Floats:
    """Mel bands in dB, of 25 ms every 10 ms, less their mean over the clip: [frames, 80]."""
    from scipy.fft import rfft

    padded = np.pad(samples, _SIZE // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[::_HOP]
    hamming = (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(_SIZE) / _SIZE)).astype(np.float32)
    power = np.square(np.abs(rfft(frames * hamming)))
    levels = decibels(power @ _filters(), 1e-10)
    return np.asarray(levels - levels.mean(axis=0), np.float32)
