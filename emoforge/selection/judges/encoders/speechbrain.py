"""The judge `speechbrain`: emotion classifiers on wav2vec 2.0 in SpeechBrain's format.

The folder's YAML and Python are programs: they are read as data, or not at all, and SpeechBrain
itself is not needed.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import yaml

from emoforge.component import INCIDENTAL, Requirement
from emoforge.errors import AudioError, RequirementError
from emoforge.hub import (
    model_folder,
    read_json,
    read_weights,
    weights_digest,
)
from emoforge.selection.judges.encoders.native import native_classes
from emoforge.selection.judges.encoders.parts import PartsJudge, encodable_classes, encode_in_parts
from emoforge.selection.judges.judge import Encoding

if TYPE_CHECKING:
    from transformers import Wav2Vec2Config

    from emoforge.selection.judges.encoders.speechbrain_network import Network

_RATE = 16000
_FIRST_FRAME = 400
_PART_S = 30
_BASE = "facebook/wav2vec2-base"
"""Its settings are transformers' defaults: nothing needs to be fetched for them."""


@dataclass(frozen=True)
class SpeechBrainJudge(PartsJudge):
    """wav2vec 2.0, mean over time and a linear classifier, as SpeechBrain publishes it.

    Y. Wang et al., arXiv 2111.02735; `speechbrain/emotion-recognition-wav2vec2-IEMOCAP` on the
    hub hears four emotions.

    model: folder with `hyperparams.yaml`, `wav2vec2.ckpt`, `model.ckpt` and `label_encoder.txt`,
        or a hub's `owner/name`.
    revision: commit of a hub's model.
    wav2vec2: folder with the `config.json` of the wav2vec 2.0 that `hyperparams.yaml` names; "" is
        enough for `facebook/wav2vec2-base`, and where the name is that of a folder.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)
    wav2vec2: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "speechbrain"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("transformers", "hf"),)

    @property
    def rate(self) -> int:
        """16 kHz."""
        return _RATE

    @cached_property
    def place(self) -> Path:
        """The model's folder; raises ConfigError or RequirementError if there is none."""
        names = ("hyperparams.yaml", "wav2vec2.ckpt", "model.ckpt", "label_encoder.txt")
        return model_folder(self.model, self.revision, [[name] for name in names])

    def _text(self, name: str) -> str:
        try:
            return (self.place / name).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise RequirementError(f"{self.place / name}: cannot be read ({error})") from error

    @cached_property
    def _hyperparams(self) -> "Hyperparams":
        try:
            return Hyperparams.read(self._text("hyperparams.yaml"))
        except ValueError as error:
            raise RequirementError(
                f"{self.place / 'hyperparams.yaml'}: no classifier that this judge knows: {error}"
            ) from error

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The classes in the order of the classifier's outputs."""
        try:
            return read_labels(self._text("label_encoder.txt"))
        except ValueError as error:
            raise RequirementError(f"{self.place / 'label_encoder.txt'}: {error}") from error

    @property
    def native_schemes(self) -> tuple[str, ...]:
        """Those that the labels of `label_encoder.txt` cover."""
        return tuple(native_classes(self._names, str(self.place)).places)

    @cached_property
    def _settings(self) -> Path | None:
        """Folder with the encoder's config.json; None for wav2vec2-base."""
        source = self._hyperparams.source
        for folder in [Path(self.wav2vec2)] if self.wav2vec2 else [self.place / source]:
            if (folder / "config.json").is_file():
                return folder
        if source == _BASE and not self.wav2vec2:
            return None
        raise RequirementError(
            f"{self.wav2vec2 or self.place}: no config.json of '{source}', the wav2vec 2.0 that "
            "hyperparams.yaml names; give a folder that has it with judge.wav2vec2=…"
        )

    @property
    def encoder_weights(self) -> str:
        """Digest of weights, settings and labels."""
        files = ["hyperparams.yaml", "wav2vec2.ckpt", "model.ckpt", "label_encoder.txt"]
        found = [self.place / name for name in files]
        if self._settings:
            names = ("config.json", "preprocessor_config.json")
            found += [file for name in names if (file := self._settings / name).is_file()]
        return weights_digest(found)

    def _config(self) -> "Wav2Vec2Config":
        from transformers import Wav2Vec2Config

        settings = read_json(self._settings / "config.json") if self._settings else {}
        if settings.get("model_type", "wav2vec2") != "wav2vec2":
            raise RequirementError(
                f"{self._settings}: a {settings['model_type']}, this judge takes wav2vec2"
            )
        # Only training masks frames; with these the weights would need a tensor for it.
        unmasked = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}
        config: Wav2Vec2Config = Wav2Vec2Config.from_dict({**settings, **unmasked})
        return config

    @property
    def _input_norm(self) -> bool:
        file = (self._settings or self.place) / "preprocessor_config.json"
        known = read_json(file) if self._settings and file.is_file() else {}
        return bool(known.get("do_normalize", True))

    def _network(self) -> "Network":
        from torch import nn
        from transformers import Wav2Vec2Model

        from emoforge.selection.judges.encoders.speechbrain_network import Network

        encoder = Wav2Vec2Model(self._config())
        classifier = nn.Linear(encoder.config.hidden_size, len(self._names))
        files = [self.place / "wav2vec2.ckpt", self.place / "model.ckpt"]
        state, last = (read_weights([file]) for file in files)
        state = {key.removeprefix("model."): values for key, values in state.items()}
        state.pop("masked_spec_embed", None)
        last.setdefault("0.w.bias", classifier.bias.new_zeros(len(self._names)))
        last = {key.removeprefix("0.w."): values for key, values in last.items()}
        parts = zip(files, (encoder, classifier), (state, last), strict=True)
        for file, part, weights in parts:
            try:
                part.load_state_dict(weights)
            except RuntimeError as error:
                wanted = (
                    f"a classifier of the {len(self._names)} labels of label_encoder.txt"
                    if part is classifier
                    else f"the wav2vec 2.0 of '{self._hyperparams.source}'"
                )
                raise RequirementError(f"{file}: its weights are not those of {wanted}") from error
        return Network(
            encoder,
            classifier,
            input_norm=self._input_norm,
            output_norm=self._hyperparams.output_norm,
        )

    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        """Encode mono clips at 16 kHz, float32 [n] each, of 25 ms or more; embeddings [1, width].

        An embedding is the mean over time that the classifier takes. A clip of more than 30 s is
        heard in parts, and gets the mean of their embeddings and distributions.
        """
        self.setup()
        return encode_in_parts(
            audios,
            self._hearing,
            encodable_classes(self._names, str(self.place)),
            rate=_RATE,
            shortest=_FIRST_FRAME,
            longest_s=_PART_S,
        )


@dataclass(frozen=True, slots=True)
class Hyperparams:
    """What of a `hyperparams.yaml` tells how the weights are used.

    source: the wav2vec 2.0 whose configuration it takes; output_norm: a clip's frames are brought
    to mean 0 and variance 1.
    """

    source: str
    output_norm: bool

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the YAML as data: its tags name Python classes, and none of them is imported.

        Raises ValueError for what is not the model that this module has.
        """
        try:
            table = yaml.load(text, _Loader)
        except yaml.YAMLError as error:
            raise ValueError(f"not YAML ({str(error).splitlines()[0]})") from error
        if not isinstance(table, dict):
            raise ValueError("not a table of settings")
        encoder = _made(table, "wav2vec2", ("Wav2Vec2", "HuggingFaceWav2Vec2"))
        pooling = _made(table, "avg_pool", ("StatisticsPooling",))
        _made(table, "output_mlp", ("Linear",))
        if pooling.get("return_std", True) or not pooling.get("return_mean", True):
            raise ValueError("avg_pool gives more than the mean")
        if encoder.get("output_all_hiddens", False):
            raise ValueError("wav2vec2 gives the frames of all layers")
        source = _resolved(encoder.get("source"), table)
        if not isinstance(source, str):
            raise ValueError("wav2vec2 names no source")
        return cls(source, bool(encoder.get("output_norm", False)))


@dataclass(frozen=True, slots=True)
class _Made:
    """A node with a tag, such as `!new:speechbrain.nnet.linear.Linear`."""

    tag: str
    value: Any


class _Loader(yaml.SafeLoader):
    """YAML whose tags are kept, not followed."""


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> _Made:
    match node:
        case yaml.MappingNode():
            return _Made(tag, loader.construct_mapping(node, deep=True))
        case yaml.SequenceNode():
            return _Made(tag, loader.construct_sequence(node, deep=True))
        case yaml.ScalarNode():
            return _Made(tag, loader.construct_scalar(node))
    raise AssertionError(node)


_Loader.add_multi_constructor("!", _tagged)


def _made(table: Mapping[str, Any], name: str, classes: Sequence[str]) -> Mapping[str, Any]:
    """Arguments of what `name: !new:…` makes; ValueError unless it is of one of the classes."""
    node = table.get(name)
    if not isinstance(node, _Made) or not re.fullmatch(
        rf"new:speechbrain\.[\w.]+\.({'|'.join(classes)})", node.tag
    ):
        raise ValueError(f"{name} is not SpeechBrain's {classes[0]}")
    arguments = node.value if isinstance(node.value, dict) else {}
    return {key: _resolved(value, table) for key, value in arguments.items()}


def _resolved(value: Any, table: Mapping[str, Any], depth: int = 0) -> Any:
    """The value with `!ref <name>` replaced by what stands under the name."""
    if not isinstance(value, _Made) or value.tag != "ref" or depth > 8:
        return value
    text = str(value.value)
    whole = re.fullmatch(r"<(\w+)>", text)
    if whole:
        return _resolved(table.get(whole[1]), table, depth + 1)
    return re.sub(r"<(\w+)>", lambda m: str(_resolved(table.get(m[1]), table, depth + 1)), text)


def read_labels(text: str) -> tuple[str, ...]:
    """Labels of a `label_encoder.txt` in the order of their numbers (`'neu' => 0`).

    Raises ValueError if it is none, or if numbers are missing or double.
    """
    found: dict[int, str] = {}
    for line in text.splitlines():
        if line.startswith("===="):
            break
        label, arrow, number = line.strip().rpartition(" => ")
        if not arrow:
            raise ValueError(f"'{line}' is not a label and its number")
        try:
            name = ast.literal_eval(label)
        except SyntaxError as error:
            raise ValueError(f"{label} is not a label") from error
        if int(number) in found:
            raise ValueError(f"two labels have number {number}")
        found[int(number)] = str(name)
    if not found or sorted(found) != list(range(len(found))):
        raise ValueError(f"the labels' numbers are {sorted(found)}, not 0, 1, 2, …")
    return tuple(found[number] for number in range(len(found)))
