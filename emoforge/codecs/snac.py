"""The codec `snac`: SNAC (arXiv 2410.14411), tokens at several time scales."""

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emoforge.codecs.codec import Payload, Tokens
from emoforge.codecs.network import NetworkCodec, token_bits
from emoforge.component import Requirement
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, read_json, read_weights
from emoforge.network import load_state

if TYPE_CHECKING:
    import torch

_CONFIG = "config.json"
_WEIGHTS = "pytorch_model.bin"


@dataclass(frozen=True)
class SNAC(NetworkCodec):
    """SNAC, by its own package: three or four codebooks, the first the slowest.

    Its decoder needs all of them, so that a model has one point. Tokens are sent frame by frame
    of the slowest codebook: with strides 4, 2 and 1 a column of `data` has one token of the
    first, the two of the second and the four of the third, [7, frames of the first].

    model: folder or hub repository with `config.json` and `pytorch_model.bin`: 24 kHz (for
        speech), 32 kHz or 44 kHz.
    """

    name: ClassVar[str] = "snac"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("snac", "codecs"),)

    def _files(self) -> Sequence[Path]:
        if not self.model:
            raise RequirementError(
                "codec 'snac' has no weights: add codec.snac.model=hubertsiuzdak/snac_24khz "
                "(or snac_32khz, snac_44khz; licence MIT) and codec.snac.revision=… with a "
                f"commit of it, or codec.snac.model=… with a folder of {_CONFIG} and {_WEIGHTS}"
            )
        folder = model_folder(self.model, self.revision, [[_CONFIG], [_WEIGHTS]], key="codec.snac")
        return [folder / _CONFIG, folder / _WEIGHTS]

    @property
    def _config(self) -> Mapping[str, Any]:
        file, _ = self._files()
        config = read_json(file)
        for name in ("sampling_rate", "encoder_rates", "vq_strides", "codebook_size"):
            if name not in config:
                raise RequirementError(f"{file}: not the configuration of a SNAC, no '{name}'")
        return config

    @property
    def points(self) -> tuple[float, ...]:
        """One: the indices of all codebooks."""
        config = self._config
        frames = config["sampling_rate"] / math.prod(config["encoder_rates"])
        tokens = frames * sum(1 / stride for stride in config["vq_strides"])
        return (round(tokens * math.log2(config["codebook_size"]) / 1000, 2),)

    def coded_rate(self, rate: int) -> int:
        """The model's, as its configuration says."""
        return int(self._config["sampling_rate"])

    def _load(self) -> Any:
        _, file = self._files()
        try:
            network = importlib.import_module("snac").SNAC(**self._config)
        except (TypeError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise RequirementError(
                f"{file.with_name(_CONFIG)}: not the configuration of a SNAC ({reason})"
            ) from error
        load_state(network, read_weights([file]), file)
        _own_noise(network)
        return network

    def _padded(self, network: Any, length: int) -> int:
        # As the package's `preprocess`: whole windows of attention, whole slowest frames.
        frames = math.lcm(network.vq_strides[0], network.attn_window_size or 1)
        unit = int(network.hop_length) * frames
        return -(-length // unit) * unit

    def _tokens(self, network: Any, waves: "torch.Tensor") -> list[Payload]:
        levels = [codes.cpu().numpy() for codes in network.encode(waves[:, None])]
        return [
            Payload(tokens, token_bits(tokens.size, network.codebook_size), waves.shape[1])
            for tokens in (_columns(own) for own in zip(*levels, strict=True))
        ]

    def _waves(self, network: Any, payloads: Sequence[Payload]) -> "torch.Tensor":
        import torch

        device = next(network.parameters()).device
        split = [_levels(np.asarray(one.data), network.vq_strides) for one in payloads]
        codes = [torch.from_numpy(np.stack(level)).to(device) for level in zip(*split, strict=True)]
        waves: torch.Tensor = network.decode(codes)
        return waves[:, 0]


def _columns(levels: Sequence[Tokens]) -> Tokens:
    """Tokens [rows, slowest frames] of codebooks [frames] each, the slowest first."""
    frames = len(levels[0])
    return np.concatenate([level.reshape(frames, -1).T for level in levels])


def _levels(columns: Tokens, strides: Sequence[int]) -> list[Tokens]:
    """The codebooks' tokens [frames], of what `_columns` gave."""
    rows = np.cumsum([strides[0] // stride for stride in strides])[:-1]
    return [level.T.reshape(-1) for level in np.split(columns, rows)]


def _own_noise(network: Any) -> None:
    """Let the decoder's noise come from generators of its own, seeded by the layers' places.

    The package draws it from torch's global one: a clip would sound otherwise every time.
    """
    kind = importlib.import_module("snac.layers").NoiseBlock
    blocks = [layer for layer in network.modules() if isinstance(layer, kind)]
    for place, block in enumerate(blocks):
        block.forward = partial(_with_noise, block.linear, place)


def _with_noise(linear: Any, seed: int, hidden: "torch.Tensor") -> "torch.Tensor":
    """hidden [B, channels, n], with the same noise [n] for every clip, scaled by what it is."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 1, hidden.shape[-1], generator=generator).to(hidden)
    louder: torch.Tensor = hidden + noise * linear(hidden)
    return louder
