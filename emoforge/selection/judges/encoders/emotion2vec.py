"""The judge `emotion2vec`: the published emotion2vec and emotion2vec+ models."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.component import INCIDENTAL
from emoforge.errors import AudioError, RequirementError
from emoforge.hub import model_folder, read_weights, weights_digest
from emoforge.selection.judges.encoders.native import native_classes
from emoforge.selection.judges.encoders.parts import PartsJudge, encodable_classes, encode_in_parts
from emoforge.selection.judges.judge import Encoding

if TYPE_CHECKING:
    from emoforge.selection.judges.encoders.emotion2vec_network import Emotion2Vec, Shape

_RATE = 16000
_PART_S = 30

# Training's teacher and decoder stand beside the encoder in some of the published files.
_UNUSED = ("_ema", "modality_encoders.AUDIO.decoder.")


@dataclass(frozen=True)
class Emotion2VecJudge(PartsJudge):
    """emotion2vec (arXiv 2312.15185): an embedding, and nine emotions with emotion2vec+.

    model: folder with `config.yaml`, the weights `*.pt` and, where they bring a classifier,
        `tokens.txt`, as FunASR reads it; or a hub's `owner/name`.
    revision: commit of a hub's model.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "emotion2vec"
    version: ClassVar[int] = 1

    @property
    def rate(self) -> int:
        """16 kHz."""
        return _RATE

    @cached_property
    def place(self) -> Path:
        """The model's folder; raises ConfigError or RequirementError if there is none."""
        return model_folder(self.model, self.revision, [["config.yaml"], ["*.pt"]], ["tokens.txt"])

    @property
    def _file(self) -> Path:
        found = sorted(self.place.glob("*.pt"))
        if len(found) != 1:
            raise RequirementError(
                f"{self.place}: {len(found)} files of weights (*.pt) and no way to tell which; "
                "leave one in the folder"
            )
        return found[0]

    @property
    def encoder_weights(self) -> str:
        """Digest of weights, configuration and class names."""
        names = [self.place / "tokens.txt"] if self._names else []
        return weights_digest([self.place / "config.yaml", self._file, *names])

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The classifier's classes in the order of its outputs; () where there is none."""
        file = self.place / "tokens.txt"
        try:
            lines = file.read_text(encoding="utf-8").split("\n") if file.exists() else []
        except (OSError, ValueError) as error:
            raise RequirementError(f"{file}: cannot be read ({error})") from error
        return tuple(line.strip() for line in lines if line.strip())

    @property
    def native_schemes(self) -> tuple[str, ...]:
        """Those that the classes of `tokens.txt` cover; none for weights without a classifier."""
        return tuple(native_classes(self._names, str(self.place)).places) if self._names else ()

    @cached_property
    def _shape(self) -> "Shape":
        import yaml

        from emoforge.selection.judges.encoders.emotion2vec_network import Shape

        file = self.place / "config.yaml"
        try:
            settings = yaml.safe_load(file.read_text(encoding="utf-8"))
            if settings["model"] != "Emotion2vec":
                raise ValueError(f"it is a {settings['model']}")
            return Shape.of(settings["model_conf"])
        except OSError as error:
            raise RequirementError(f"{file}: cannot be read ({error.strerror or error})") from error
        except KeyError as error:
            raise RequirementError(
                f"{file}: not the configuration of an emotion2vec, it has no {error}"
            ) from error
        except (yaml.YAMLError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise RequirementError(
                f"{file}: not the configuration of an emotion2vec that this judge knows ({reason})"
            ) from error

    def _network(self) -> "Emotion2Vec":
        from emoforge.selection.judges.encoders.emotion2vec_network import Emotion2Vec

        network = Emotion2Vec(self._shape, len(self._names))
        held = read_weights([self._file])
        tensors = held.get("model", held)
        state = {
            key.removeprefix("d2v_model."): values
            for key, values in (tensors.items() if isinstance(tensors, dict) else ())
        }
        try:
            network.load_state_dict(
                {key: values for key, values in state.items() if not key.startswith(_UNUSED)}
            )
        except RuntimeError as error:
            raise RequirementError(
                f"{self._file}: its weights are not those of the network in config.yaml with "
                f"the {len(self._names)} classes of tokens.txt; fetch the whole folder again"
            ) from error
        return network

    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        """Encode mono clips at 16 kHz, float32 [n] each, of 25 ms or more; embeddings [1, width].

        An embedding is the mean of the last layer's frames. A clip of more than 30 s is heard in
        parts, and gets the mean of their embeddings and distributions.
        """
        return encode_in_parts(
            audios,
            self._hearing,
            encodable_classes(self._names, str(self.place)),
            rate=_RATE,
            shortest=self._shape.shortest,
            longest_s=_PART_S,
        )
