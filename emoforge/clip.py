"""The clip: one utterance with its label, and the lineage of one that was generated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from emoforge.audio import Audio, read
from emoforge.label import Label

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Enough to make a generated clip again.

    parents: ids of the clips it was made from.
    parent_digests: content digests of these parents, in the same order.
    params: the resolved parameters, with every random choice in them.
    weights: digest of the weights that were used, "" where there are none.
    emoforge: version of emoforge that made it.
    """

    parents: tuple[str, ...]
    parent_digests: tuple[str, ...]
    component: str
    component_version: int
    params: Mapping[str, Any]
    weights: str = ""
    emoforge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One utterance.

    id: unique within a workspace: `corpus/name` for a recording, a digest for a candidate.
    path: where its audio is (a local path, or a URL that fsspec opens).
    digest: content digest of the audio (hex), "" where it has not been read yet.
    start, duration: the segment of the file that is the clip, in seconds.
    rate: sampling rate of the file, Hz.
    language: BCP 47 tag such as `de` or `en-US`.
    """

    id: str
    path: str
    duration: float
    rate: int
    label: Label
    speaker: str
    corpus: str
    digest: str = ""
    start: float = 0.0
    text: str | None = None
    language: str | None = None
    gender: str | None = None
    split: Split | None = None
    licence: str | None = None
    lineage: Lineage | None = field(default=None)

    @property
    def emotion(self) -> str:
        """The hard label."""
        return self.label.hard

    def read(self, rate: int | None = None) -> Audio:
        """Decode the clip: mono float32, resampled to `rate` Hz if given; raises AudioError."""
        audio = read(self.path, start=self.start, duration=self.duration or None)
        return audio if rate is None else audio.resampled(rate)
