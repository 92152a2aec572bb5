"""The codec `speechtokenizer`: SpeechTokenizer (arXiv 2308.16692)."""

import importlib
import importlib.util
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emoforge.codecs.codec import Payload
from emoforge.codecs.network import NetworkCodec, codebook_points, token_bits
from emoforge.component import Requirement
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, read_json, read_weights
from emoforge.network import load_state

if TYPE_CHECKING:
    import torch

_FOLDER = "speechtokenizer_hubert_avg"
_CONFIG = "config.json"
_WEIGHTS = "SpeechTokenizer.pt"


@dataclass(frozen=True)
class SpeechTokenizer(NetworkCodec):
    """SpeechTokenizer, by its own package: 16 kHz, 50 frames a second, 1 to 8 codebooks of 10 bits.

    The first codebook was taught to carry what is said, the others how.

    model: folder or hub repository with `config.json` and `SpeechTokenizer.pt`, or with the
        folder `speechtokenizer_hubert_avg` of both.
    """

    name: ClassVar[str] = "speechtokenizer"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("speechtokenizer", "codecs"),)

    def _files(self) -> Sequence[Path]:
        if not self.model:
            raise RequirementError(
                "codec 'speechtokenizer' has no weights: add "
                "codec.speechtokenizer.model=fnlp/SpeechTokenizer (licence Apache-2.0 of the "
                "code, none stated for the weights) and "
                "codec.speechtokenizer.revision=… with a commit of it, or "
                f"codec.speechtokenizer.model=… with a folder of {_CONFIG} and {_WEIGHTS}"
            )
        needs = [[name, f"{_FOLDER}/{name}"] for name in (_CONFIG, _WEIGHTS)]
        folder = model_folder(self.model, self.revision, needs, key="codec.speechtokenizer")
        found = folder if (folder / _WEIGHTS).exists() else folder / _FOLDER
        return [found / _CONFIG, found / _WEIGHTS]

    @property
    def _config(self) -> Mapping[str, Any]:
        file, _ = self._files()
        config = read_json(file)
        for name in ("sample_rate", "strides", "n_q", "codebook_size"):
            if name not in config:
                raise RequirementError(
                    f"{file}: not the configuration of a SpeechTokenizer, no '{name}'"
                )
        return config

    @property
    def points(self) -> tuple[float, ...]:
        """1, 2, … codebooks: their number × frames a second × bits of an index."""
        config = self._config
        frame_rate = config["sample_rate"] / math.prod(config["strides"])
        return codebook_points(config["n_q"], frame_rate, config["codebook_size"])

    def coded_rate(self, rate: int) -> int:
        """The model's, as its configuration says."""
        return int(self._config["sample_rate"])

    def _load(self) -> Any:
        _, file = self._files()
        try:
            network = _model().SpeechTokenizer(self._config)
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise RequirementError(
                f"{file.with_name(_CONFIG)}: not the configuration of a SpeechTokenizer ({reason})"
            ) from error
        load_state(network, read_weights([file]), file)
        return network

    def _padded(self, network: Any, length: int) -> int:
        return -(-length // int(network.downsample_rate)) * int(network.downsample_rate)

    def _tokens(self, network: Any, waves: "torch.Tensor") -> list[Payload]:
        codes = network.encode(waves[:, None], n_q=self.codebooks)
        return [
            Payload(tokens, token_bits(tokens.size, network.quantizer.bins), waves.shape[1])
            for tokens in codes.transpose(0, 1).cpu().numpy()
        ]

    def _waves(self, network: Any, payloads: Sequence[Payload]) -> "torch.Tensor":
        import torch

        device = next(network.parameters()).device
        codes = torch.from_numpy(np.stack([np.asarray(one.data) for one in payloads], axis=1))
        waves: torch.Tensor = network.decode(codes.to(device))
        return waves[:, 0]


def _model() -> Any:
    """The package's module `model`, without its trainer.

    The package imports its trainer first, which needs packages that it does not declare and that
    no decoder needs; so `model` is imported from a package that has not run yet.
    """
    name = "speechtokenizer"
    if name in sys.modules:
        return importlib.import_module(f"{name}.model")
    spec = importlib.util.find_spec(name)
    assert spec is not None, "check_requirements comes first"
    sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(f"{name}.model")
    finally:
        del sys.modules[name]
