"""Gates: measured conditions on a candidate, apart from what a judge says of its emotion.

Measuring happens where the candidate is made, or later for a gate that was not in force then; the
verdict is taken from the stored values, so that limits can change without generating again.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

from emoforge.audio import Audio
from emoforge.component import Component, Promise


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a candidate is measured against.

    promise: what it was to be (label, text, language, speaker, expected duration).
    source: the audio of its parent, None for a spoken text. references: audio of the voice that
    it was to get, where its generator was given any.
    """

    promise: Promise
    source: Audio | None = None
    references: Sequence[Audio] = ()


class Gate(Component):
    """A measured condition. Its fields are its limits; they do not change what is measured.

    always: measured for every candidate, because it costs little and needs nothing; other gates
        are measured where a configuration names them.
    """

    unit: ClassVar[str]
    """Unit of the measured value, as written in reports; "" for counts and ratios."""
    always: ClassVar[bool] = False

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to workers: its options; they load what it needs for themselves."""
        return {one.name: getattr(self, one.name) for one in fields(cast(Any, self))}

    @property
    def key(self) -> str:
        """Name of its measured value: values by other weights are other values."""
        return f"{self.name}@{self.weights[:8]}" if self.weights else self.name

    @abstractmethod
    def measure(self, candidate: Audio, given: Given) -> float | None:
        """A finite number; None where there is nothing to measure (no text, no reference, …).

        Deterministic. Raises AudioError where it should be measured and cannot.
        """

    @abstractmethod
    def reject(self, value: float) -> str | None:
        """A sentence with the measured value and the limit, or None to let it pass."""
