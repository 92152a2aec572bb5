"""From a network that hears batches of parts to encodings of clips."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoforge.component import INCIDENTAL
from emoforge.errors import AudioError, ConfigError
from emoforge.selection.judges.encoders.batching import (
    at_once_s,
    batch_seconds,
    device_list,
    in_batches,
    moved,
)
from emoforge.selection.judges.encoders.native import NO_CLASSES, NativeClasses, native_classes
from emoforge.selection.judges.judge import Encoding, Judge, unusable

if TYPE_CHECKING:
    import torch
    from torch import nn

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What a network hears in one part: embedding float32 [width], logits [outputs]."""

    embedding: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Replica:
    """A network on a device: from waveforms, a list of [n], to embeddings [b, width] and logits."""

    network: "nn.Module"
    device: "torch.device"

    def __call__(self, parts: Sequence[Samples]) -> list[Heard]:
        import torch

        waves = [moved(torch.from_numpy(part), self.device) for part in parts]
        with torch.inference_mode():
            embeddings, logits = self.network(waves)
            rows = zip(embeddings.cpu().numpy(), logits.cpu().numpy(), strict=True)
            return [Heard(embedding, own) for embedding, own in rows]


def encodable_classes(names: Sequence[str], where: str) -> NativeClasses:
    """The classifier's classes; none where they cover no scheme, for a head may do without them."""
    try:
        return native_classes(names, where) if names else NO_CLASSES
    except ConfigError:
        return NO_CLASSES


def replicas(network: "Callable[[], nn.Module]", devices: str) -> list[Replica]:
    """The network, loaded once, on each of the devices (`cpu`, or `cuda:0,cuda:1`).

    Raises ConfigError for a device that this machine does not have.
    """
    from emoforge.selection.judges.encoders.packed import pack_linears

    places = device_list(devices)
    loaded = network().eval()
    found = []
    for place in places:
        own = copy.deepcopy(loaded).to(place)
        if place.type == "cpu":
            pack_linears(own)
        found.append(Replica(own, place))
    return found


@dataclass(frozen=True)
class PartsJudge(Judge):
    """A judge that hears clips in parts, by one copy of its network on each device.

    device: where it computes: `cpu`, `cuda`, or several (`cuda:0,cuda:1`).
    """

    device: str = field(default="cpu", metadata=INCIDENTAL, kw_only=True)

    @abstractmethod
    def _network(self) -> "nn.Module":
        """The network with its weights; raises RequirementError if they are not its own."""

    @cached_property
    def _hearing(self) -> list[Replica]:
        return replicas(self._network, self.device)

    @property
    def at_once_s(self) -> float:
        """Two batches for each device, 120 s at least."""
        return at_once_s(self.device)

    def setup(self) -> None:
        """Load the weights; raises RequirementError if they are absent, damaged or others."""
        self.check_requirements()
        _ = self._hearing


def encode_in_parts(
    audios: Sequence[Samples],
    hearing: Sequence[Replica],
    native: NativeClasses,
    *,
    rate: int,
    shortest: int,
    longest_s: int,
    padded_s: int = 0,
) -> list[Encoding | AudioError]:
    """Encodings [1, width] of clips; one that cannot be heard gets its error, and others go on.

    shortest: samples of the first frame. A clip of more than `longest_s` is heard in equal parts,
    and gets the mean of their embeddings and distributions: the memory of attention grows with the
    square of the length. padded_s: what the network itself makes of a shorter part.
    """
    faults = [unusable(samples, rate, shortest) for samples in audios]
    cut = [
        []
        if fault
        else np.array_split(samples.astype(np.float32), -(-len(samples) // (longest_s * rate)))
        for samples, fault in zip(audios, faults, strict=True)
    ]
    parts = [part for own in cut for part in own]
    sizes = [max(len(part), padded_s * rate) for part in parts]
    heard = iter(_hear(hearing, parts, sizes, rate))
    return [
        fault or _encoding([next(heard) for _ in own], native)
        for fault, own in zip(faults, cut, strict=True)
    ]


def _hear(
    hearing: Sequence[Replica], parts: Sequence[Samples], sizes: Sequence[int], rate: int
) -> list[Heard | AudioError]:
    import torch

    budget = int(batch_seconds(hearing[0].device.type) * rate)
    if len(hearing) > 1 or hearing[0].device.type != "cpu":
        return in_batches(hearing, parts, sizes, budget)
    # Cores that each hear their own batch do not wait for each other.
    cores = torch.get_num_threads()
    workers = max(1, min(cores, len(parts)))
    budget = min(budget, -(-sum(sizes) // workers))
    return in_batches([*hearing] * workers, parts, sizes, budget, max(1, cores // workers))


def _encoding(
    answers: Sequence[Heard | AudioError], native: NativeClasses
) -> Encoding | AudioError:
    heard = []
    for answer in answers:
        if isinstance(answer, AudioError):
            return answer
        heard.append(answer)
    embedding = np.stack([part.embedding for part in heard]).mean(0, keepdims=True)
    if not np.isfinite(embedding).all():
        return AudioError("the encoder's embedding of this clip is not finite (NaN or infinite)")
    return Encoding(embedding, native.distributions(np.stack([part.logits for part in heard])))
