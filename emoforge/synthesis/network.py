"""What generators share that are neural networks of a package: their files, licence and device."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from emoforge.component import INCIDENTAL, Generator, Params, Requirement
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, weights_digest
from emoforge.licence import UNSTATED


@dataclass(frozen=True)
class NetworkGenerator(Generator):
    """A generator that is a neural network.

    model: folder with its official files, or a hub's `owner/name`. revision: commit of a hub's
    model. terms: licence of the weights, by default that of the official ones. device: `cpu`,
    `cuda`, `cuda:1`.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)
    terms: str = ""
    device: str = field(default="cpu", metadata=INCIDENTAL)

    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("TTS", "tts"),)
    needs: ClassVar[tuple[tuple[str, ...], ...]]
    """Groups of files in the folder, as for `model_folder`."""
    also: ClassVar[tuple[str, ...]] = ()
    """Patterns of files that may be absent."""
    source: ClassVar[str]
    """Where the official weights are to be had, and their licence."""
    official_terms: ClassVar[str] = UNSTATED
    """Licence of the official weights."""

    @abstractmethod
    def _files(self) -> Sequence[Path]:
        """The files that its results depend on; raises ConfigError or RequirementError."""

    @abstractmethod
    def _load(self) -> Any:
        """The network (a torch module) with its weights, on the CPU; raises RequirementError."""

    @property
    def in_process(self) -> bool:
        """On a GPU: worker processes would each load the network there."""
        return self.device != "cpu"

    @property
    def weights(self) -> str:
        """Digest of the model's files."""
        return _digest(tuple((file, *_stamp(file)) for file in self._files()))

    def licence(self, params: Params) -> str:
        """The licence of the weights."""
        return self.terms or self.official_terms

    def check_requirements(self) -> None:
        """Raise RequirementError for packages or weights that are missing."""
        super().check_requirements()
        self._files()

    def _folder(self) -> Path:
        """The folder with the model's files; raises ConfigError or RequirementError."""
        if not self.model:
            raise RequirementError(
                f"'{self.name}' has no weights: add generators.{self.name}.model=… with the "
                f"folder that holds {self.source}"
            )
        return _model_folder(
            self.model, self.revision, self.needs, self.also, f"generators.{self.name}"
        )


@lru_cache(maxsize=64)
def _model_folder(
    model: str,
    revision: str,
    needs: tuple[tuple[str, ...], ...],
    also: tuple[str, ...],
    key: str,
) -> Path:
    """Looked up once: every plan asks for the weights' digest."""
    return model_folder(model, revision, needs, also, key=key)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        about = file.stat()
    except OSError:
        return 0, 0
    return about.st_size, about.st_mtime_ns


@lru_cache(maxsize=16)
def _digest(stamped: tuple[tuple[Path, int, int], ...]) -> str:
    """Computed once while the files stay: every plan asks for it."""
    return weights_digest(file for file, *_ in stamped)
