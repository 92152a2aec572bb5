"""From a checkpoint's tensors to a network on each device that hears batches of clips."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emoforge.selection.judges.encoders import wav2vec2, whisper
from emoforge.selection.judges.encoders.batching import moved
from emoforge.selection.judges.encoders.classifier import Classifier
from emoforge.selection.judges.encoders.layers import Place, Tensors

Shape = wav2vec2.Shape | whisper.Shape

# model_type of config.json → what the encoder's tensors begin with, where a checkpoint holds more.
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "wav2vec2": ("wav2vec2",),
    "hubert": ("hubert",),
    "wavlm": ("wavlm",),
    "unispeech": ("unispeech",),
    "unispeech-sat": ("unispeech_sat",),
    "data2vec-audio": ("data2vec_audio",),
    "whisper": ("model.encoder", "encoder"),
}


class Network(Protocol):
    """An encoder on one device."""

    def rows(self, samples: int) -> int:
        """Rows that a clip of so many samples takes among the packed states."""
        ...

    def frames(self, samples: int) -> int:
        """How many of them, from the first, hear the clip and not what pads it."""
        ...

    def states(self, clips: Sequence[Tensor]) -> Iterator[Tensor]:
        """Packed hidden states [rows of all clips, width], `depth` + 2 of them.

        The first 1 + depth are what transformers calls `hidden_states`: before the first layer
        and after each. The last is its `last_hidden_state`, which may be normalised once more.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What is heard in one part of a clip: embedding float32 [parts, 2 · width], logits [c]."""

    embedding: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Replica:
    """A network on one device, and what is taken from its states.

    wanted: numbers of the states that the embedding is made of; segments: how many equal
    stretches of time each is pooled over.
    """

    network: Network
    classifier: Classifier | None
    wanted: frozenset[int]
    segments: int
    device: torch.device

    def __call__(self, clips: Sequence[npt.NDArray[np.float32]]) -> list[Heard]:
        with torch.inference_mode():
            rows = [self.network.rows(len(clip)) for clip in clips]
            frames = [self.network.frames(len(clip)) for clip in clips]
            needed = self.wanted | (self.classifier.states if self.classifier else frozenset())
            pooled: list[Tensor] = []
            means: dict[int, Tensor] = {}
            waves = [moved(torch.from_numpy(clip), self.device) for clip in clips]
            for number, packed in enumerate(self.network.states(waves)):
                states = torch.split(packed, rows)
                if number in self.wanted:
                    heard = [own[:size] for own, size in zip(states, frames, strict=True)]
                    pooled.append(torch.stack([_pooled(own, self.segments) for own in heard]))
                if self.classifier and number in self.classifier.states:
                    means[number] = torch.stack(
                        [own.mean(0, dtype=torch.float32) for own in states]
                    )
                if number == max(needed):
                    break  # the layers above are not asked for
            embeddings = torch.cat(pooled, 1).cpu().numpy()
            logits = self.classifier(means).cpu() if self.classifier else torch.empty(len(clips), 0)
            return [
                Heard(embedding, own)
                for embedding, own in zip(embeddings, logits.numpy(), strict=True)
            ]


def _pooled(frames: Tensor, segments: int) -> Tensor:
    """Mean and standard deviation over equal stretches of time: [segments, 2 · width].

    A clip of fewer frames than stretches has frames that serve several.
    """
    total = len(frames)
    pooled = []
    for i in range(segments):
        start = i * total // segments
        stretch = frames[start : max(start + 1, (i + 1) * total // segments)].float()
        variance, mean = torch.var_mean(stretch, 0, correction=0)
        pooled.append(torch.cat([mean, variance.sqrt()]))
    return torch.stack(pooled)


def shape_of(config: Mapping[str, Any], where: str) -> Shape:
    """The network that config.json describes; raises ConfigError for one that has adapters."""
    if config["model_type"] == "whisper":
        return whisper.Shape.of(config)
    return wav2vec2.Shape.of(config, where)


def replica(
    config: Mapping[str, Any],
    state: Mapping[str, Any],
    place: Place,
    *,
    outputs: int,
    wanted: frozenset[int],
    segments: int,
    where: str,
) -> Replica:
    """A checkpoint's network on a device; outputs: of its classifier, 0 where it is not asked for.

    Raises RequirementError if the weights are not those that config.json describes.
    """
    whole = Tensors({k: v for k, v in state.items() if isinstance(v, Tensor)}, where)
    prefixes = (prefix for prefix in _PREFIXES[config["model_type"]] if whole.under(prefix).any())
    prefix = next(prefixes, "")
    encoder = whole.under(prefix) if prefix else whole
    shape = shape_of(config, where)
    network: Network
    if isinstance(shape, whisper.Shape):
        network = whisper.Whisper(shape, encoder, place)
    else:
        network = wav2vec2.Wav2Vec2(shape, encoder, place)
    classifier = Classifier(whole, outputs, shape.depth, where, place.device) if outputs else None
    return Replica(network, classifier, wanted, segments, place.device)
