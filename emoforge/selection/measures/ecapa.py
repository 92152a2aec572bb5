"""The measure `ecapa`: how much a sound still has the speaker's voice, as ECAPA-TDNN hears it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from emoforge.audio import Audio
from emoforge.component import INCIDENTAL, Requirement
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, read_weights, weights_digest
from emoforge.selection.measures.measure import Measure, Result, check_original, silent
from emoforge.selection.measures.spectrum import Floats

_RATE = 16000
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
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("speechbrain", "speechbrain"),)
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
    def _networks(self) -> tuple[Any, Any]:
        """Mel bands, and the network for them."""
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

        state = read_weights([self._file])
        try:
            network = ECAPA_TDNN(**_shape(state))
            network.load_state_dict(state)
        except (RuntimeError, KeyError, AssertionError) as error:
            raise RequirementError(
                f"{self._file}: its weights are not those of SpeechBrain's ECAPA-TDNN"
            ) from error
        return Fbank(sample_rate=_RATE, n_mels=80), network.eval()

    def setup(self) -> None:
        """Load the weights; raises RequirementError for those of another network."""
        _ = self._networks

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

        bands, network = self._networks
        with torch.inference_mode():
            mels = bands(torch.from_numpy(audio.resampled(_RATE).samples)[None])
            vector: Floats = network(mels - mels.mean(1, keepdim=True))[0, 0].numpy()
        return vector / np.linalg.norm(vector)


def _shape(state: Mapping[str, Any]) -> dict[str, Any]:
    """What ECAPA_TDNN is made with, from the shapes of its weights; KeyError for other weights.

    Dilations and groups leave no trace in them: they are the published ones, the defaults.
    """
    convolutions = [
        state["blocks.0.conv.conv.weight"],
        *(state[f"blocks.{i}.tdnn1.conv.conv.weight"] for i in (1, 2, 3)),
        state["mfa.conv.conv.weight"],
    ]
    within = [state[f"blocks.{i}.res2net_block.blocks.0.conv.conv.weight"] for i in (1, 2, 3)]
    kernels = [convolutions[0], *within, convolutions[4]]
    parts = [key for key in state if key.startswith("blocks.1.res2net_block.blocks.")]
    return {
        "input_size": 80,
        "channels": [len(weight) for weight in convolutions],
        "kernel_sizes": [weight.shape[2] for weight in kernels],
        "attention_channels": len(state["asp.tdnn.conv.conv.weight"]),
        "res2net_scale": len({key.split(".")[4] for key in parts}) + 1,
        "se_channels": len(state["blocks.1.se_block.conv1.conv.weight"]),
        "lin_neurons": len(state["fc.conv.weight"]),
    }
