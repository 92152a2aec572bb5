"""The judge `clap`: zero-shot, by how alike a sound and sentences about emotions are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.component import INCIDENTAL, Requirement
from emoforge.errors import AudioError, ConfigError, RequirementError
from emoforge.hub import (
    model_folder,
    read_json,
    read_weights,
    weights_digest,
)
from emoforge.label import FULL, scheme
from emoforge.selection.judges.encoders.native import NativeClasses, native_classes
from emoforge.selection.judges.encoders.parts import PartsJudge, encode_in_parts
from emoforge.selection.judges.judge import Encoding

if TYPE_CHECKING:
    from transformers import ClapFeatureExtractor

    from emoforge.selection.judges.encoders.clap_network import ZeroShot

_RATE = 48000

# Tables of positions, which older files hold and the model makes itself.
_CONSTANT = (".position_ids", ".token_type_ids", ".relative_position_index")

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_FEATURES = ("preprocessor_config.json", "processor_config.json")
_TOKENS = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json")


@dataclass(frozen=True)
class ClapJudge(PartsJudge):
    """CLAP (Y. Wu et al., arXiv 2211.06687), asked which emotion a voice has; not trained for it.

    Weak alone; it errs in other ways than classifiers that learned emotions from acted speech,
    which is what a late fusion of judges lives on.

    model: folder of transformers' `ClapModel` (`config.json`, weights, `preprocessor_config.json`,
        tokenizer), or a hub's `owner/name`, such as `laion/clap-htsat-unfused`.
    revision: commit of a hub's model.
    prompt: what is said about a clip, with `{emotion}` in it; `a` becomes `an` before a vowel.
    words: emotion → further words for it; a class is the mean of its sentences.
    native_schemes: what it answers under without a head.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)
    prompt: str = "a person speaking in a {emotion} voice"
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    native_schemes: tuple[str, ...] = ("wide8", "basic4")

    name: ClassVar[str] = "clap"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("transformers", "hf"),)

    def __post_init__(self) -> None:
        if self.prompt.count("{emotion}") != 1:
            raise ConfigError(
                f"judge clap: prompt='{self.prompt}' has no place for the emotion: write "
                "{emotion} once"
            )
        for emotion in self.words:
            FULL.index(emotion)  # LabelError for an unknown one
        if not self.native_schemes:
            raise ConfigError("judge clap: native_schemes is empty, name one or more")
        for name in self.native_schemes:
            scheme(name)

    @property
    def rate(self) -> int:
        """48 kHz."""
        return _RATE

    @cached_property
    def place(self) -> Path:
        """The model's folder; raises ConfigError or RequirementError if there is none."""
        needs = [["config.json"], _WEIGHTS, _FEATURES, _TOKENS[:2]]
        return model_folder(self.model, self.revision, needs, _TOKENS)

    @property
    def _file(self) -> Path:
        return next(self.place / name for name in _WEIGHTS if (self.place / name).is_file())

    @property
    def encoder_weights(self) -> str:
        """Digest of weights, settings and tokenizer."""
        names = ("config.json", *_FEATURES, *_TOKENS)
        files = [file for name in names if (file := self.place / name).is_file()]
        return weights_digest([self._file, *files])

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        """Every class of its schemes, once."""
        named = [own for name in self.native_schemes for own in scheme(name).classes]
        return tuple(dict.fromkeys(named))

    @cached_property
    def _native(self) -> NativeClasses:
        known = native_classes(self._classes, "judge clap")
        return NativeClasses(
            known.names, {name: known.places[name] for name in self.native_schemes}
        )

    def sentences(self) -> dict[str, tuple[str, ...]]:
        """What stands for each class."""
        return {
            emotion: tuple(
                re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", self.prompt.replace("{emotion}", word))
                for word in (emotion, *self.words.get(emotion, ()))
            )
            for emotion in self._classes
        }

    @cached_property
    def _extractor(self) -> "ClapFeatureExtractor":
        from transformers import ClapFeatureExtractor

        try:
            found: ClapFeatureExtractor = ClapFeatureExtractor.from_pretrained(
                self.place, local_files_only=True
            )
        except (OSError, ValueError, TypeError) as error:
            raise RequirementError(
                f"{self.place}: its preprocessor_config.json is not that of CLAP, or damaged"
            ) from error
        if found.sampling_rate != _RATE:
            raise RequirementError(
                f"{self.place}: a CLAP of {found.sampling_rate} Hz, this judge takes {_RATE}"
            )
        return found

    def _network(self) -> "ZeroShot":
        from transformers import AutoTokenizer, ClapConfig, ClapModel

        from emoforge.selection.judges.encoders.clap_network import ZeroShot, described

        settings = read_json(self.place / "config.json")
        if settings.get("model_type") != "clap":
            raise RequirementError(
                f"{self.place / 'config.json'}: a model of type '{settings.get('model_type')}', "
                "this judge takes clap"
            )
        model: ClapModel = ClapModel(ClapConfig.from_dict(settings))
        model.train(False)
        try:
            missing, other = model.load_state_dict(read_weights([self._file]), strict=False)
        except RuntimeError as error:
            raise RequirementError(
                f"{self._file}: its weights are not of the sizes that config.json gives"
            ) from error
        faults = [key for key in (*missing, *other) if not key.endswith(_CONSTANT)]
        if faults:
            raise RequirementError(
                f"{self._file}: its weights are not those of a CLAP ({len(faults)} tensors are "
                f"missing or unknown, such as {faults[0]})"
            )
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                self.place, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # whatever a damaged file leads to, down to plain Exception
            raise RequirementError(f"{self.place}: its tokenizer cannot be read") from error
        return ZeroShot(model, self._extractor, described(model, tokenizer, self.sentences()))

    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        """Encode mono clips at 48 kHz, float32 [n] each, of one window (21 ms) or more.

        Embeddings [1, width] of length 1. A clip longer than CLAP takes (10 s) is heard in equal
        parts, and gets the mean of their embeddings and distributions.
        """
        self.setup()
        return encode_in_parts(
            audios,
            self._hearing,
            self._native,
            rate=_RATE,
            shortest=int(self._extractor.fft_window_size),
            longest_s=int(self._extractor.max_length_s),
            padded_s=int(self._extractor.max_length_s),
        )
