"""The measure `ecapa`: how much of the speaker's voice is left, as ECAPA-TDNN hears it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emoforge.audio import Audio, Samples
from emoforge.component import INCIDENTAL
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, read_weights, weights_digest
from emoforge.selection.measures.measure import Measure, Result, check_original, silent
from emoforge.selection.measures.spectrum import Floats, decibels

if TYPE_CHECKING:
    from emoforge.selection.measures.ecapa_network import Ecapa

_RATE = 16000
_SIZE, _HOP = 400, 160
_FILE = "embedding_model.ckpt"
_SHORTEST_S = 0.3


@dataclass(frozen=True)
class EcapaSimilarity(Measure):
    """Cosine of ECAPA-TDNN's speaker embeddings, -1 to 1; a gain hardly changes it.

    B. Desplanques et al., arXiv 2005.07143, with weights as SpeechBrain publishes them
    (`speechbrain/spkrec-ecapa-voxceleb` on the hub, Apache-2.0; learned from VoxCeleb): 80 mel
    bands, less their mean over the clip. Of the folder only the weights are read, nothing in it is
    run.

    model: folder with `embedding_model.ckpt`, or a hub's `owner/name`.
    revision: commit of a hub's model.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "ecapa"
    version: ClassVar[int] = 1
    results: ClassVar[tuple[Result, ...]] = (
        Result("ecapa_cosine", "Speaker similarity (ECAPA)", "", "higher", "speaker"),
    )

    @cached_property
    def _file(self) -> Path:
        return model_folder(self.model, self.revision, [[_FILE]], key="measures.ecapa") / _FILE

    @property
    def weights(self) -> str:
        """Digest of the weights; raises ConfigError or RequirementError if there are none."""
        return weights_digest([self._file])

    @cached_property
    def _network(self) -> "Ecapa":
        from emoforge.selection.measures.ecapa_network import Ecapa

        try:
            return Ecapa.of(read_weights([self._file]))
        except (RuntimeError, KeyError, AttributeError, IndexError) as error:
            raise RequirementError(
                f"{self._file}: its weights are not those of SpeechBrain's ECAPA-TDNN"
            ) from error

    def setup(self) -> None:
        """Load the weights; raises RequirementError for those of another network."""
        _ = self._network

    def prepare(self, original: Audio) -> Floats:
        """Direction of the original's embedding; AudioError below 0.3 s, or for silence."""
        check_original(original, _SHORTEST_S)
        return self._embedding(original)

    def compare(self, prepared: Floats, other: Audio) -> Mapping[str, float]:
        """NaN for silence."""
        if silent(other):
            return self.none()
        return {"ecapa_cosine": float(np.clip(prepared @ self._embedding(other), -1, 1))}

    def _embedding(self, audio: Audio) -> Floats:
        import torch

        mels = _mels(audio.resampled(_RATE).samples)
        with torch.inference_mode():
            vector: Floats = self._network(torch.from_numpy(mels.T.copy())[None])[0].numpy()
        return vector / np.linalg.norm(vector)


@cache
def _filters() -> Floats:
    """80 triangles on the mel scale, each as wide above its centre as below: [201, 80]."""
    mel = np.linspace(0, 2595 * np.log10(1 + _RATE / 2 / 700), 82)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.linspace(0, _RATE / 2, _SIZE // 2 + 1)[:, None]
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
