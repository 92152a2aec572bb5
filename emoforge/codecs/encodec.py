"""The codecs `encodec` and `encodec_48khz`: EnCodec (arXiv 2210.13438), by its own package."""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emoforge.codecs.codec import Payload
from emoforge.codecs.network import NetworkCodec, token_bits, weights_file
from emoforge.component import Requirement
from emoforge.hub import read_weights
from emoforge.network import load_state

if TYPE_CHECKING:
    import torch

_HOP = 320
_CODEBOOK = 1024
_URL = "https://dl.fbaipublicfiles.com/encodec/v0"
_SCALE_BITS = 32


@dataclass(frozen=True)
class _Encodec(NetworkCodec):
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("encodec", "codecs"),)

    checkpoint: ClassVar[str]
    """Name of the official file."""

    @staticmethod
    @abstractmethod
    def _empty() -> Any:
        """The network without its weights."""

    def _files(self) -> Sequence[Path]:
        import torch

        usual = Path(torch.hub.get_dir()) / "checkpoints" / self.checkpoint
        how = (
            f"put {_URL}/{self.checkpoint} there (its card on the hub says MIT, package encodec "
            f"0.1.1 CC BY-NC 4.0), or add codec.{self.name}.model=… with the file"
        )
        return [weights_file(self, self.checkpoint, usual, how)]

    def _load(self) -> Any:
        (file,) = self._files()
        network = self._empty()
        load_state(network, read_weights([file]), file)
        return network

    def _at_point(self, network: Any) -> Any:
        """The network with the bandwidth of this point; the weights are shared."""
        own = copy.copy(network)
        own.set_target_bandwidth(float(self.kbps))
        return own


@dataclass(frozen=True)
class Encodec(_Encodec):
    """EnCodec at 24 kHz: mono, causal, 75 frames a second, 2 to 32 codebooks of 10 bits.

    model: the file `encodec_24khz-d7cc33bc.th`, or its folder; where none is named, the place
    that package `encodec` downloads it to.
    """

    name: ClassVar[str] = "encodec"
    version: ClassVar[int] = 1
    checkpoint: ClassVar[str] = "encodec_24khz-d7cc33bc.th"

    @property
    def points(self) -> tuple[float, ...]:
        """The bandwidths that it was trained for."""
        return (1.5, 3.0, 6.0, 12.0, 24.0)

    def coded_rate(self, rate: int) -> int:
        """24 kHz."""
        return 24000

    @staticmethod
    def _empty() -> Any:
        from encodec.model import EncodecModel

        return EncodecModel.encodec_model_24khz(pretrained=False)

    def _padded(self, network: Any, length: int) -> int:
        return -(-length // _HOP) * _HOP

    def _tokens(self, network: Any, waves: "torch.Tensor") -> list[Payload]:
        ((codes, _),) = self._at_point(network).encode(waves[:, None])
        length = waves.shape[1]
        return [
            Payload(tokens, token_bits(tokens.size, _CODEBOOK), length)
            for tokens in codes.cpu().numpy()
        ]

    def _waves(self, network: Any, payloads: Sequence[Payload]) -> "torch.Tensor":
        import torch

        codes = torch.from_numpy(np.stack([np.asarray(one.data) for one in payloads]))
        device = next(network.parameters()).device
        waves: torch.Tensor = network.decode([(codes.to(device), None)])
        return waves[:, 0]


@dataclass(frozen=True)
class Encodec48(_Encodec):
    """EnCodec at 48 kHz: stereo, 150 frames a second, 2 to 16 codebooks of 10 bits.

    It codes segments of a second that overlap by 10 ms, each brought to one level; the level is
    sent along, 32 bits a segment. Mono goes in as two equal channels, their mean comes out.
    Tokens of the segments follow each other, [codebooks, frames of all segments].

    model: the file `encodec_48khz-7e698e3e.th`, or its folder; where none is named, the place
    that package `encodec` downloads it to.
    """

    name: ClassVar[str] = "encodec_48khz"
    version: ClassVar[int] = 1
    checkpoint: ClassVar[str] = "encodec_48khz-7e698e3e.th"

    @property
    def points(self) -> tuple[float, ...]:
        """The bandwidths that it was trained for."""
        return (3.0, 6.0, 12.0, 24.0)

    def coded_rate(self, rate: int) -> int:
        """48 kHz."""
        return 48000

    @staticmethod
    def _empty() -> Any:
        from encodec.model import EncodecModel

        return EncodecModel.encodec_model_48khz(pretrained=False)

    def _padded(self, network: Any, length: int) -> int:
        # A last segment that lies within the one before it adds nothing, and the package's
        # decoder fails on some of that kind.
        stride, overlap = network.segment_stride, network.segment_length - network.segment_stride
        padded = -(-length // _HOP) * _HOP
        while padded > stride and (padded - 1) % stride < overlap:
            padded += _HOP
        return padded

    def _tokens(self, network: Any, waves: "torch.Tensor") -> list[Payload]:
        segments = self._at_point(network).encode(waves[:, None].repeat(1, 2, 1))
        tokens = np.concatenate([codes.cpu().numpy() for codes, _ in segments], axis=-1)
        levels = np.stack([scale.cpu().numpy()[:, 0] for _, scale in segments], axis=1)
        return [
            Payload(
                own,
                token_bits(own.size, _CODEBOOK) + _SCALE_BITS * len(scales),
                waves.shape[1],
                {"levels": scales},
            )
            for own, scales in zip(tokens, levels, strict=True)
        ]

    def _waves(self, network: Any, payloads: Sequence[Payload]) -> "torch.Tensor":
        import torch

        device = next(network.parameters()).device
        codes = torch.from_numpy(np.stack([np.asarray(one.data) for one in payloads])).to(device)
        levels = torch.from_numpy(np.stack([one.side["levels"] for one in payloads])).to(device)
        length = payloads[0].samples
        frames = [
            -(-min(network.segment_length, length - start) // _HOP)
            for start in range(0, length, network.segment_stride)
        ]
        segments = [
            (own, levels[:, n : n + 1]) for n, own in enumerate(torch.split(codes, frames, dim=-1))
        ]
        waves: torch.Tensor = network.decode(segments)
        return waves.mean(dim=1)
