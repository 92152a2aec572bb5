"""A reference clip as far as it can be heard: a key for what was learned of it."""

from typing import NamedTuple, Self

from emoforge.audio import Audio, read
from emoforge.clip import Clip


class Shown(NamedTuple):
    """What an engine or a converter learns from of a reference: its audio, none of its labels.

    digest: content digest, "" where it is not known.
    """

    path: str
    start: float
    duration: float
    digest: str

    @classmethod
    def of(cls, clip: Clip) -> Self:
        """Of a clip."""
        return cls(clip.path, clip.start, clip.duration, clip.digest)

    def read(self) -> Audio:
        """Its audio; raises AudioError."""
        return read(self.path, start=self.start, duration=self.duration or None)
