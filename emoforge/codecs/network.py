"""What codecs that are neural networks share: where weights are, loading, batches, bits of tokens.

A codec of this kind is a `NetworkCodec` with its options (`model`, `revision`, `device`) that
says in a few small methods what its network is:

    _files()                     the files of the model; raises RequirementError
    points, coded_rate(rate)     as for every codec; may read the files, need no network
    _load()                      the network, on the CPU (it is moved, frozen and kept here)
    _padded(network, length)     length in samples that a clip of `length` is padded to (the hop)
    _tokens(network, waves)      waves [B, samples] of a padded length → a Payload each
    _waves(network, payloads)    payloads of one layout → waves [B, samples]

`_tokens` and `_waves` run on the device, in float32 and without gradients. A clip is padded as it
would be alone and shares a batch only with clips of the same padded length: networks hear the
padding, and would give another result in other company.
"""

import math
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emoforge.audio import Samples, fit
from emoforge.codecs.codec import Codec, Payload
from emoforge.component import INCIDENTAL
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, weights_digest
from emoforge.network import computing, device_of

if TYPE_CHECKING:
    import torch

_BATCH_S, _BATCH_S_CPU = 240.0, 16.0
"""Seconds of audio in a batch. A processor gains nothing from more, its cache is small."""


@dataclass(frozen=True)
class NetworkCodec(Codec):
    """A codec that is a network trained to give back its input in place.

    model: the official weights: a local folder or file, or a hub's `owner/name`.
    revision: commit of a hub's model. device: `cpu`, `cuda`, `cuda:1`.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)
    device: str = field(default="cpu", metadata=INCIDENTAL)

    network: ClassVar[bool] = True

    @abstractmethod
    def _files(self) -> Sequence[Path]:
        """The files that its results depend on; raises ConfigError or RequirementError."""

    @abstractmethod
    def _load(self) -> Any:
        """The network with its weights, on the CPU; raises RequirementError."""

    @abstractmethod
    def _padded(self, network: Any, length: int) -> int:
        """The length, in samples, that a clip of `length` samples is padded to with zeros."""

    @abstractmethod
    def _tokens(self, network: Any, waves: "torch.Tensor") -> list[Payload]:
        """Encode float32 [B, samples] of a padded length."""

    @abstractmethod
    def _waves(self, network: Any, payloads: Sequence[Payload]) -> "torch.Tensor":
        """Decode payloads of clips of one padded length to float32 [B, samples]."""

    @property
    def weights(self) -> str:
        """Digest of the model's files."""
        return weights_digest(self._files())

    def check_requirements(self) -> None:
        """Raise RequirementError for packages or weights that are missing."""
        super().check_requirements()
        self._files()

    def setup(self) -> None:
        """Load the network onto the device; raises ConfigError or RequirementError."""
        self._network()

    def delay(self, rate: int) -> int:
        """0: it was trained to give back its input in place.

        Measuring could find a chance peak: what comes back need not have the source's phases.
        """
        return 0

    @property
    def codebooks(self) -> int:
        """How many codebooks the point sends, where n of them make the n-th point."""
        return 1 + int(np.argmin(np.abs(np.subtract(self.points, self.kbps))))

    def _network(self) -> Any:
        # The points of a model share its network.
        return _resident(replace(self, kbps=0.0), self.weights)

    def _encode(self, samples: Samples, rate: int) -> Payload:
        return self._encode_alike([samples])[0]

    def _decode(self, payload: Payload, rate: int) -> Samples:
        return self._decode_alike([payload])[0]

    def _pass(self, batch: Sequence[Samples], rate: int) -> list[tuple[Payload, Samples]]:
        network = self._network()
        lengths = [self._padded(network, len(samples)) for samples in batch]
        on_cpu = device_of(self.device).type == "cpu"
        budget = (_BATCH_S_CPU if on_cpu else _BATCH_S) * rate
        results: dict[int, tuple[Payload, Samples]] = {}
        order = sorted(range(len(batch)), key=lengths.__getitem__)
        for length, alike in groupby(order, key=lengths.__getitem__):
            places = list(alike)
            size = max(1, int(budget / length))
            for start in range(0, len(places), size):
                part = places[start : start + size]
                payloads = self._encode_alike([batch[i] for i in part])
                waves = self._decode_alike(payloads)
                results.update(zip(part, zip(payloads, waves, strict=True), strict=True))
        return [results[i] for i in range(len(batch))]

    def _encode_alike(self, batch: Sequence[Samples]) -> list[Payload]:
        """Encode clips that are padded to one length."""
        import torch

        network, device = self._network(), device_of(self.device)
        length = self._padded(network, len(batch[0]))
        waves = torch.from_numpy(np.stack([fit(samples, length) for samples in batch]))
        with computing(device):
            return self._tokens(network, waves.to(device))

    def _decode_alike(self, payloads: Sequence[Payload]) -> list[Samples]:
        """Decode what came of clips that were padded to one length."""

        network, device = self._network(), device_of(self.device)
        with computing(device):
            waves = self._waves(network, payloads)
        return list(waves.float().cpu().numpy())


def token_bits(tokens: int, size: int) -> int:
    """Bits of `tokens` indices into codebooks of `size` entries, each written with equal length."""
    return tokens * (size - 1).bit_length()


def codebook_points(codebooks: int, frame_rate: float, size: int) -> tuple[float, ...]:
    """Nominal kbit/s with 1 … `codebooks` codebooks, with two decimals.

    frame_rate: frames a second, each with an index into every codebook of `size` entries.
    """
    each = frame_rate * math.log2(size) / 1000
    return tuple(round(n * each, 2) for n in range(1, codebooks + 1))


def weights_file(codec: NetworkCodec, pattern: str, usual: Path, how: str) -> Path:
    """The one file of weights of a codec.

    pattern: its name in a folder or hub repository. usual: where the codec's own package puts
    it, taken where no model is named. how: the way to get it, and the licence.

    Raises RequirementError or ConfigError.
    """
    if not codec.model:
        if usual.is_file():
            return usual
        raise RequirementError(f"codec '{codec.name}' has no weights at {usual}: {how}")
    if (file := Path(codec.model).expanduser()).is_file():
        return file
    folder = model_folder(codec.model, codec.revision, [[pattern]], key=f"codec.{codec.name}")
    found = sorted(folder.glob(pattern))
    if len(found) > 1:
        raise RequirementError(
            f"{folder}: {len(found)} files of weights ({pattern}) and no way to tell which; "
            f"add codec.{codec.name}.model=… with the one file"
        )
    return found[0]


@lru_cache(maxsize=4)
def _resident(codec: NetworkCodec, weights: str) -> Any:
    """A codec's network on its device, loaded once per process while its files stay the same."""
    import torch

    device = device_of(codec.device)
    # Networks draw first weights that nobody uses, and packages warn of what torch is to change.
    with torch.random.fork_rng([]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = codec._load()
    return network.eval().requires_grad_(False).to(device)
