"""What every measure offers: numbers of a sound, most of them of what changed from another.

A measure compares a sound with the one that it was made from: a clip with its resynthesis, a
recording with its edit. Both have the same length and rate and are in time with each other.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from emoforge.audio import SILENCE_DB, Audio, level_db
from emoforge.component import Component
from emoforge.errors import AudioError

Group = Literal["emotion", "prosody", "signal", "speaker", "quality"]


@dataclass(frozen=True, slots=True)
class Result:
    """One number that a measure gives.

    name: as in tables (`f0_rmse_cents`); title: for people (`F0 error`); unit: "" for shares and
    correlations; better: which way is closer to the original, "" where neither is; group: where
    reports show it.
    alone: it is a number of one sound, so that the original has one too; otherwise it is 0 or
    perfect for the original by definition.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower", ""]
    group: Group
    alone: bool = False


class Measure(Component):
    """Numbers of a pair of sounds. Subclasses are frozen dataclasses; fields are options."""

    results: ClassVar[tuple[Result, ...]]

    @abstractmethod
    def prepare(self, original: Audio) -> Any:
        """What `compare` needs of the original, computed once for all that is made from it.

        Raises AudioError where the original cannot be measured.
        """

    @abstractmethod
    def compare(self, prepared: Any, other: Audio) -> Mapping[str, float]:
        """Name of each of `results` → number; NaN where this sound has none.

        other: as long as the original, at its rate. Deterministic; the original itself is a
        valid `other`. Raises AudioError where nothing can be measured.
        """

    def none(self) -> dict[str, float]:
        """NaN for each of `results`."""
        return {result.name: float("nan") for result in self.results}


def silent(audio: Audio) -> bool:
    """Whether there is nothing but digital silence."""
    return level_db(audio.samples) <= SILENCE_DB


def check_original(audio: Audio, shortest: float) -> None:
    """Raise AudioError for an original of less than `shortest` seconds, or of digital silence."""
    if audio.duration < shortest:
        raise AudioError(f"the original is {audio.duration:.3f} s long, this needs {shortest:g} s")
    if silent(audio):
        raise AudioError("the original is digital silence, there is nothing to compare with")
