"""The judge `hf`: speech encoders and audio classifiers in the format of transformers.

config.json and the weights are read as transformers writes them, and computed by networks of our
own (`wav2vec2.py`, `whisper.py`) that agree with transformers' forward pass on an unpadded clip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from emoforge.component import INCIDENTAL
from emoforge.errors import AudioError, ConfigError
from emoforge.hub import (
    model_folder,
    read_json,
    read_weights,
    weights_digest,
)
from emoforge.selection.judges.encoders.batching import (
    Precision,
    at_once_s,
    batch_seconds,
    device_list,
    in_batches,
)
from emoforge.selection.judges.encoders.native import (
    NO_CLASSES,
    NativeClasses,
    config_classes,
    dimensions,
    native_classes,
)
from emoforge.selection.judges.judge import Encoding, Judge, unusable

if TYPE_CHECKING:
    from emoforge.selection.judges.encoders.checkpoint import Heard, Replica, Shape

Samples = npt.NDArray[np.float32]

_SUPPORTED: Mapping[str, str] = {
    "wav2vec2": "wav2vec2 (XLS-R too)",
    "hubert": "HuBERT",
    "wavlm": "WavLM",
    "unispeech": "UniSpeech",
    "unispeech-sat": "UniSpeech-SAT",
    "data2vec-audio": "data2vec-audio",
    "whisper": "Whisper",
}
_CLASSIFIERS = ("ForSequenceClassification", "ForAudioClassification", "ForSpeechClassification")
_CONFIG = "config.json"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_WEIGHTS = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin", "pytorch_model-*.bin")

_PART_S = 30
"""Longer clips are heard in equal parts of at most this many seconds: bounds attention's memory."""


@dataclass(frozen=True)
class HFJudge(Judge):
    """An encoder or audio classifier of the hub, or from a folder.

    model: a folder with config.json and weights, or a hub repository's `owner/name`.
    revision: commit of the hub repository, 40 hex digits.
    layer: the hidden state that the embedding is made of: 0 is what enters the first layer, -1
        the last layer's; "all" makes every state a part of the embedding.
    segments: how many equal stretches of time the embedding has as its parts.
    precision: what is computed in; pooling and classifier are float32.
    device: `cpu`, `cuda`, or several (`cuda:0,cuda:1`), each with its own replica.
    compile: compile the layers (quicker on a GPU after the first minutes).
    batch_s: seconds of audio in a batch; 0 takes what suits the device.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)
    layer: int | Literal["all"] = -1
    segments: int = 1
    precision: Precision = "float32"
    device: str = field(default="cpu", metadata=INCIDENTAL)
    compile: bool = field(default=False, metadata=INCIDENTAL)
    batch_s: float = field(default=0.0, metadata=INCIDENTAL)

    name: ClassVar[str] = "hf"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.segments < 1:
            raise ConfigError(f"segments must be 1 or more, got {self.segments}")
        if self.layer == "all" and self.segments > 1:
            raise ConfigError(
                "layer=all and segments above 1 both give the embedding its parts: choose one"
            )
        if self.compile and "," in self.device:
            raise ConfigError(
                f"compile=true works on one device, got device={self.device}: PyTorch does not "
                "compile in several threads"
            )
        if not 0 <= self.batch_s < float("inf"):
            raise ConfigError(f"batch_s must be 0 or more seconds, got {self.batch_s}")

    @cached_property
    def place(self) -> Path:
        """The model's folder; raises ConfigError or RequirementError if there is none."""
        return model_folder(self.model, self.revision, [[_CONFIG], _WEIGHTS], _PROCESSORS)

    @cached_property
    def _files(self) -> list[Path]:
        """The weights: the first kind of `_WEIGHTS` that is there."""
        found = (sorted(self.place.glob(pattern)) for pattern in _WEIGHTS)
        return next(files for files in found if files)

    @property
    def encoder_weights(self) -> str:
        """Digest of the weights, config.json and the preprocessor's settings."""
        settings = [self.place / name for name in (_CONFIG, *_PROCESSORS)]
        return weights_digest([*self._files, *(file for file in settings if file.exists())])

    @cached_property
    def _config(self) -> dict[str, Any]:
        config = read_json(self.place / _CONFIG)
        kind = config.get("model_type")
        if kind not in _SUPPORTED:
            names = ", ".join(config.get("architectures") or [str(kind)])
            raise ConfigError(
                f"{self.place}: {names} is no audio encoder that emoforge knows; supported are "
                f"{', '.join(_SUPPORTED.values())}"
            )
        return config

    @cached_property
    def _processor(self) -> dict[str, Any]:
        """The feature extractor's settings, {} where the folder has none."""
        for name in _PROCESSORS:
            if (self.place / name).exists():
                read = read_json(self.place / name)
                inner = read.get("feature_extractor", read)
                return inner if isinstance(inner, dict) else read
        return {}

    @property
    def rate(self) -> int:
        """As the preprocessor's settings say, Hz; 16000 where they do not."""
        return int(self._processor.get("sampling_rate", 16000))

    @cached_property
    def _shape(self) -> "Shape":
        from emoforge.selection.judges.encoders.checkpoint import shape_of

        return shape_of(self._config, str(self.place))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The classifier's own class names in the order of its outputs; () where it has none."""
        unsuited = self._config.get("problem_type") in ("regression", "multi_label_classification")
        return () if unsuited else self._outputs

    @cached_property
    def _outputs(self) -> tuple[str, ...]:
        """Names of the classifier's outputs; () where there is none."""
        kinds = self._config.get("architectures") or []
        if not any(kind.endswith(_CLASSIFIERS) for kind in kinds):
            return ()
        # transformers leaves the names out where they are its own LABEL_0, LABEL_1.
        named = self._config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        return config_classes(named, str(self.place))

    @cached_property
    def _dimensions(self) -> tuple[str, ...]:
        """What its outputs are, if they are arousal, dominance and valence."""
        return dimensions(self._outputs)

    @cached_property
    def _native(self) -> NativeClasses:
        """What the classifier's classes are here; a head may do without, so nothing is raised."""
        try:
            return self._mapped()
        except ConfigError:
            return NO_CLASSES

    def _mapped(self) -> NativeClasses:
        return native_classes(self._names, str(self.place)) if self._names else NO_CLASSES

    @property
    def native_schemes(self) -> tuple[str, ...]:
        """Those that the classes of config.json cover; none for an encoder or dimensions.

        Raises ConfigError for classes without names, or that cover no scheme.
        """
        return tuple(self._mapped().places)

    @property
    def _wanted(self) -> frozenset[int]:
        """Numbers of the states, see `Network.states`, that the embedding is made of."""
        depth = self._shape.depth
        if self.layer == "all":
            return frozenset({*range(depth), depth + 1})
        if not -depth - 1 <= self.layer <= depth:
            raise ConfigError(
                f"layer={self.layer}: {self.place} has {depth} layers; 0 to {depth}, "
                f"{-depth - 1} to -1, or all"
            )
        place = self.layer % (depth + 1)
        return frozenset([depth + 1 if place == depth else place])

    @cached_property
    def _replicas(self) -> "list[Replica]":
        import torch

        from emoforge.selection.judges.encoders.checkpoint import replica
        from emoforge.selection.judges.encoders.layers import Place

        outputs = len(self._outputs) if self._native.places or self._dimensions else 0
        wanted = self._wanted
        places = [
            Place(device, getattr(torch, self.precision), self.compile)
            for device in device_list(self.device)
        ]
        state = read_weights(self._files)
        return [
            replica(
                self._config,
                state,
                place,
                outputs=outputs,
                wanted=wanted,
                segments=self.segments,
                where=str(self.place),
            )
            for place in places
        ]

    @property
    def at_once_s(self) -> float:
        """Two batches for each device, 120 s at least."""
        return at_once_s(self.device, self.batch_s)

    def setup(self) -> None:
        """Load the weights; raises RequirementError if they are absent, damaged or others."""
        _ = self._replicas

    def encode(self, audios: Sequence[Samples]) -> list[Encoding | AudioError]:
        """Encode mono clips at `rate`, float32 [n] each, of one frame (25 ms) or more.

        An embedding [parts, 2 · width] holds the mean and the standard deviation of frames. A
        clip of more than 30 s is heard in parts, and gets the mean of their embeddings and
        distributions.
        """
        replicas = self._replicas
        faults = [unusable(samples, self.rate, self._shape.shortest) for samples in audios]
        cut = [
            [] if fault else self._parts(samples)
            for samples, fault in zip(audios, faults, strict=True)
        ]
        heard = iter(self._hear(replicas, [part for parts in cut for part in parts]))
        return [
            fault or self._encoding([next(heard) for _ in parts])
            for fault, parts in zip(faults, cut, strict=True)
        ]

    def _parts(self, samples: Samples) -> list[Samples]:
        """A clip as the encoder takes it: normalised as a whole, then cut."""
        samples = samples.astype(np.float32)
        # What feature extractors do without settings of their own.
        default = self._config["model_type"] != "whisper"
        if self._processor.get("do_normalize", default):
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        longest = min(_PART_S * self.rate, self._shape.longest)
        return np.array_split(samples, -(-len(samples) // longest))

    def _hear(
        self, replicas: "Sequence[Replica]", parts: Sequence[Samples]
    ) -> "list[Heard | AudioError]":
        import torch

        batch_s = self.batch_s or batch_seconds(self.device)
        budget = max(1, int(batch_s * self.rate))
        sizes = [len(part) for part in parts]
        threads = None
        if all(replica.device.type == "cpu" for replica in replicas):
            # Cores that each hear their own batch do not wait for each other.
            cores = torch.get_num_threads()
            if len(replicas) == 1 and not self.compile:
                replicas = [*replicas] * max(1, min(cores, len(parts)))
            threads = max(1, cores // len(replicas))
            budget = min(budget, -(-sum(sizes) // len(replicas)))
        return in_batches(replicas, parts, sizes, budget, threads)

    def _encoding(self, answers: "Sequence[Heard | AudioError]") -> Encoding | AudioError:
        heard = []
        for answer in answers:
            if isinstance(answer, AudioError):
                return answer
            heard.append(answer)
        stacked = np.stack([part.embedding for part in heard])
        if self.segments > 1:
            # The parts' stretches one after another, then as many of the whole clip.
            stacked = stacked.reshape(self.segments, len(heard), -1).swapaxes(0, 1)
        embedding = stacked.mean(0)
        if not np.isfinite(embedding).all():
            hint = "; use precision=bfloat16" if self.precision == "float16" else ""
            return AudioError(f"the encoder's answer to this clip is not finite{hint}")
        logits = np.stack([part.logits for part in heard])
        if self._dimensions:
            told = np.clip(logits.mean(0), 0, 1).tolist()
            return Encoding(embedding, {}, dict(zip(self._dimensions, told, strict=True)))
        return Encoding(embedding, self._native.distributions(logits))
