"""What voice converters that are neural networks share: their files, one copy a process, seeds.

A converter of this kind is a `NetworkConverter` that says in a few small methods what its network
is:

    _files()                        the files that it needs; raises RequirementError
    _load()                         the network, on the CPU (it is moved, frozen and kept here)
    _voice(network, waves)          what it learns of a target from waves at `input_rate`
    _speak(network, wave, voice)    wave at `input_rate` → Audio

All run on the device, in float32 and without gradients; clips go through one by one, for these
networks hear padding and would give another result in other company.
"""

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emoforge.audio import Audio
from emoforge.clip import Clip
from emoforge.component import Params
from emoforge.errors import RequirementError
from emoforge.hub import read_json
from emoforge.network import computing, device_of, seeded
from emoforge.synthesis.network import NetworkGenerator
from emoforge.synthesis.shown import Shown
from emoforge.synthesis.vc.converter import Converter

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class NetworkConverter(NetworkGenerator, Converter):
    """A voice converter that is a neural network; for its options see `NetworkGenerator`."""

    also: ClassVar[tuple[str, ...]] = ("*.pt",)

    @abstractmethod
    def _voice(self, network: Any, waves: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """What is learned of a target from float32 waves, [samples] each."""

    @abstractmethod
    def _speak(self, network: Any, wave: "torch.Tensor", voice: "torch.Tensor") -> Audio:
        """Convert a float32 wave [samples]."""

    @abstractmethod
    def _input_rate(self, network: Any) -> int:
        """Sampling rate of what the network hears, Hz."""

    def setup(self) -> None:
        """Load the network onto the device; raises ConfigError or RequirementError."""
        _resident(self._bare(), self.weights)

    def convert(self, source: Audio, references: Sequence[Clip], params: Params) -> Audio:
        bare, weights = self._bare(), self.weights
        network = _resident(bare, weights)
        voice = _voice_of(bare, weights, tuple(Shown.of(one) for one in references))
        wave = _wave(source, self._input_rate(network), self.device)
        with computing(wave.device), _kept(), _noise(params["seed"]):
            return self._speak(network, wave, voice)

    def _bare(self) -> "NetworkConverter":
        """Without what the network does not depend on: converters of other targets share it."""
        return replace(self, targets=(), gender="any", shown=1, terms="")


def checkpoint(folder: Path, patterns: Sequence[str]) -> Path:
    """The file of the first of the patterns that matches; raises RequirementError if several do."""
    found = next((own for pattern in patterns if (own := sorted(folder.glob(pattern)))), [])
    if len(found) != 1:
        raise RequirementError(
            f"{folder}: {len(found)} checkpoints ({patterns[-1]}) and no way to tell which; "
            "leave one of them there"
        )
    return found[0]


def coqui_config(config: Any, file: Path) -> Any:
    """A coqui configuration with the values of a JSON file; raises RequirementError."""
    values = read_json(file)
    try:
        with warnings.catch_warnings():  # of old files' fields that are of no use here
            warnings.simplefilter("ignore")
            config.from_dict(values)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RequirementError(
            f"{file}: is no configuration of a coqui {config.model} ({error!r})"
        ) from error
    return config


@lru_cache(maxsize=2)
def _resident(converter: NetworkConverter, weights: str) -> Any:
    """A converter's network on its device, loaded once per process while its files stay."""
    device = device_of(converter.device)
    with seeded(0):  # networks draw first weights that nobody uses
        network = converter._load()
    return network.eval().requires_grad_(False).to(device)


@lru_cache(maxsize=64)
def _voice_of(
    converter: NetworkConverter, weights: str, shown: tuple[Shown, ...]
) -> "torch.Tensor":
    """What a converter learns of a voice from these clips, once per process."""
    network = _resident(converter, weights)
    rate = converter._input_rate(network)
    waves = [_wave(one.read(), rate, converter.device) for one in shown]
    with computing(waves[0].device), _kept():
        return converter._voice(network, waves)


def _wave(audio: Audio, rate: int, device: str) -> "torch.Tensor":
    """[samples] at the rate, on the device."""
    import torch

    return torch.from_numpy(audio.resampled(rate).samples).to(device_of(device))


def _noise(seed: int) -> Any:
    """`torch.randn_like` from a generator of its own, drawn on the CPU: alike on every device."""
    import torch
    from torch.overrides import TorchFunctionMode

    generator = torch.Generator().manual_seed(seed)

    class Noise(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is torch.randn_like:
                return torch.randn(args[0].shape, generator=generator).to(args[0])
            return function(*args, **(kwargs or {}))

    return Noise()


@contextmanager
def _kept() -> Iterator[None]:
    """Global randomness of numpy stays: WavLM draws whether to drop a layer, and never does."""
    drawn = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(drawn)  # noqa: NPY002
