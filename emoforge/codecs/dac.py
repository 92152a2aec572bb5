"""The codecs `dac`, `dac_24khz` and `dac_16khz`: descript's DAC (arXiv 2306.06546)."""

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emoforge.codecs.codec import Payload
from emoforge.codecs.network import NetworkCodec, codebook_points, token_bits, weights_file
from emoforge.component import Requirement
from emoforge.errors import RequirementError
from emoforge.hub import read_weights, weights_digest
from emoforge.network import load_state

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DAC(NetworkCodec):
    """DAC at 44.1 kHz, by package `descript-audio-codec`: 86.1 frames a second.

    Every number of codebooks is a point; the official weights have 9 of 10 bits, 0.86 kbit/s
    each. Sound is coded at its own level, in one piece.

    model: the file `weights_44khz_8kbps_0.0.1.pth`, or its folder; where none is named, the place
    that `python3 -m dac download` puts it.
    """

    name: ClassVar[str] = "dac"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("dac", "codecs"),)

    rate: ClassVar[int] = 44100
    variant: ClassVar[str] = "44khz"
    release: ClassVar[str] = "0.0.1"

    def _files(self) -> Sequence[Path]:
        usual = Path.home() / ".cache" / "descript" / "dac"
        how = (
            f"get them with 'python3 -m dac download --model_type {self.variant}' (licence MIT), "
            f"or add codec.{self.name}.model=… with the file"
        )
        pattern = f"weights_{self.variant}_*.pth"
        official = f"weights_{self.variant}_8kbps_{self.release}.pth"
        return [weights_file(self, pattern, usual / official, how)]

    @property
    def _settings(self) -> Mapping[str, Any]:
        (file,) = self._files()
        settings = _settings(file, weights_digest([file]))
        if settings["sample_rate"] != self.rate:
            raise RequirementError(
                f"{file}: a DAC of {settings['sample_rate']} Hz, '{self.name}' is that of "
                f"{self.rate} Hz"
            )
        return settings

    @property
    def points(self) -> tuple[float, ...]:
        """1, 2, … codebooks: their number × frames a second × bits of an index."""
        settings = self._settings
        frame_rate = self.rate / math.prod(settings["encoder_rates"])
        return codebook_points(settings["n_codebooks"], frame_rate, settings["codebook_size"])

    def coded_rate(self, rate: int) -> int:
        """44.1 kHz, or 24 or 16 as the name says."""
        return self.rate

    def _load(self) -> Any:
        dac = importlib.import_module("dac")
        (file,) = self._files()
        network = dac.DAC(**self._settings)
        load_state(network, read_weights([file]).get("state_dict"), file)
        return network

    def _padded(self, network: Any, length: int) -> int:
        return -(-length // int(network.hop_length)) * int(network.hop_length)

    def _tokens(self, network: Any, waves: "torch.Tensor") -> list[Payload]:
        codes = network.encode(waves[:, None], n_quantizers=self.codebooks)[1]
        length = waves.shape[1]
        return [
            Payload(tokens, token_bits(tokens.size, network.codebook_size), length)
            for tokens in codes.cpu().numpy()
        ]

    def _waves(self, network: Any, payloads: Sequence[Payload]) -> "torch.Tensor":
        import torch

        codes = torch.from_numpy(np.stack([np.asarray(one.data) for one in payloads]))
        waves: torch.Tensor = network.decode(
            network.quantizer.from_codes(codes.to(network.device))[0]
        )
        return waves[:, 0]


@dataclass(frozen=True)
class DAC24(DAC):
    """DAC at 24 kHz: 75 frames a second; the official weights have 32 codebooks of 10 bits.

    model: the file `weights_24khz_8kbps_0.0.4.pth`, or its folder; where none is named, the place
    that `python3 -m dac download` puts it.
    """

    name: ClassVar[str] = "dac_24khz"
    rate: ClassVar[int] = 24000
    variant: ClassVar[str] = "24khz"
    release: ClassVar[str] = "0.0.4"


@dataclass(frozen=True)
class DAC16(DAC):
    """DAC at 16 kHz: 50 frames a second; the official weights have 12 codebooks of 10 bits.

    model: the file `weights_16khz_8kbps_0.0.5.pth`, or its folder; where none is named, the place
    that `python3 -m dac download` puts it.
    """

    name: ClassVar[str] = "dac_16khz"
    rate: ClassVar[int] = 16000
    variant: ClassVar[str] = "16khz"
    release: ClassVar[str] = "0.0.5"


# What a checkpoint lacks has the package's default: an older release did not know it.
_SETTINGS = (
    "encoder_dim", "encoder_rates", "latent_dim", "decoder_dim", "decoder_rates", "n_codebooks",
    "codebook_size", "codebook_dim", "quantizer_dropout", "sample_rate",
)  # fmt: skip


@lru_cache(maxsize=16)
def _settings(file: Path, digest: str) -> Mapping[str, Any]:
    """What a checkpoint says of its network; `digest` tells another file of the same name."""
    try:
        held = read_weights([file])["metadata"]["kwargs"]
        settings = {name: held[name] for name in _SETTINGS if name in held}
        for name in ("sample_rate", "encoder_rates", "n_codebooks", "codebook_size"):
            settings[name]
        return settings
    except (KeyError, TypeError) as error:
        raise RequirementError(
            f"{file}: no checkpoint of DAC, it has no {error}; "
            "fetch it with 'python3 -m dac download'"
        ) from error
