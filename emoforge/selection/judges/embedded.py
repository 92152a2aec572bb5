"""The judge that comes with emoforge: a small network learned from acted speech."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.component import INCIDENTAL
from emoforge.errors import AudioError, RequirementError
from emoforge.selection.judges.judge import Encoding, Judge, unusable

if TYPE_CHECKING:
    from emoforge.selection.judges.model import Model
    from emoforge.selection.judges.network import Heard

WEIGHTS = Path(__file__).parent / "weights" / "embedded.safetensors"

_PART_S = 30
"""Longer clips are heard in equal parts of at most this many seconds: bounds memory."""


@dataclass(frozen=True)
class EmbeddedJudge(Judge):
    """Log-mel network; its card (weights/CARD.md) says how well it hears, and whom.

    path: weights from `emoforge judge train`; "" takes those that emoforge ships.
    device: where it computes: `cpu`, `cuda`, `cuda:1`, …
    """

    path: str = field(default="", metadata=INCIDENTAL)
    device: str = field(default="cpu", metadata=INCIDENTAL)

    name: ClassVar[str] = "embedded"
    version: ClassVar[int] = 1

    @property
    def rate(self) -> int:
        """16 kHz."""
        return 16000

    @property
    def place(self) -> Path:
        """The weights' file."""
        return self._file

    @property
    def _file(self) -> Path:
        return Path(self.path) if self.path else WEIGHTS

    @cached_property
    def _model(self) -> "Model":
        from emoforge.selection.judges.model import Model

        return Model.load(self._file, self.device)

    def setup(self) -> None:
        """Load the weights; raises RequirementError if they are absent or damaged."""
        _ = self._model

    @property
    def encoder_weights(self) -> str:
        """BLAKE2b-128 of the weights' file; raises RequirementError if it cannot be read."""
        try:
            return hashlib.blake2b(self._file.read_bytes(), digest_size=16).hexdigest()
        except OSError as error:
            raise RequirementError(
                f"{self._file}: judge weights cannot be read ({error.strerror or error})"
            ) from error

    @property
    def native_schemes(self) -> tuple[str, ...]:
        """As the weights' header says; raises RequirementError if it cannot be read."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._file, "np") as file:
                return tuple(json.loads((file.metadata() or {})["judge"])["schemes"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RequirementError(
                f"{self._file}: not a judge's weights, or damaged; train them again or "
                "reinstall emoforge"
            ) from error

    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        """Encode mono clips at 16 kHz, float32 [n] each, of at least one window (40 ms).

        Own distributions under `wide8` and `basic4`. A clip of more than 30 s is heard in parts,
        and gets the mean of their distributions and embeddings.
        """
        import torch

        from emoforge.selection.judges.features import heard_frames, one_thread

        settings = self._model.features
        faults = [unusable(samples, self.rate, settings.window) for samples in audios]
        with one_thread():
            parts = [
                []
                if fault
                else [
                    heard_frames(torch.from_numpy(part), settings)
                    for part in np.array_split(
                        samples.astype(np.float32), -(-len(samples) // (_PART_S * self.rate))
                    )
                ]
                for samples, fault in zip(audios, faults, strict=True)
            ]
            heard = iter(self._model.hear([part for own in parts for part in own]))
        return [
            fault or self._encoding([next(heard) for _ in own])
            for fault, own in zip(faults, parts, strict=True)
        ]

    def _encoding(self, heard: "Sequence[Heard]") -> Encoding:
        """Mean over a clip's parts."""
        import torch

        distributions = {
            name: torch.stack(
                [(part.logits[name].double() / temperature).softmax(0) for part in heard]
            ).mean(0)
            for name, temperature in self._model.temperatures.items()
        }
        return Encoding(
            torch.stack([part.embedding for part in heard]).mean(0, keepdim=True).numpy(),
            {name: tuple(values.tolist()) for name, values in distributions.items()},
        )
