"""The clip: one utterance with its label, and the lineage of one that was generated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from emoforge.audio import Audio, read
from emoforge.label import Label

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_CONSENTS = {
    **dict.fromkeys(("yes", "y", "true", "1", "given", "granted", "agreed"), True),
    **dict.fromkeys(
        ("no", "n", "false", "0", "denied", "refused", "declined", "withdrawn", "revoked"), False
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Enough to make a generated clip again.

    parents: ids of the clips it was made from: its source first, then its references; none for
        a text that was spoken with an engine's own voice.
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
    consent: whether the speaker agrees to be cloned, in the corpus's words (see `consents`).
    references: other clips that a generator is given along with this one, such as of the voice
        to speak with; they are not catalogued with it.

    A *line* is a clip without audio (`path` is ""): a text to be spoken, with the label that it is
    to carry.
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
    consent: str | None = None
    lineage: Lineage | None = field(default=None)
    references: tuple["Clip", ...] = ()

    @property
    def emotion(self) -> str:
        """The hard label."""
        return self.label.hard

    @property
    def consents(self) -> bool | None:
        """Whether the speaker agrees to be cloned; None where the corpus does not clearly say."""
        return _CONSENTS.get((self.consent or "").strip().lower())

    @property
    def is_line(self) -> bool:
        """Whether it is a text to be spoken, without audio."""
        return not self.path

    def read(self, rate: int | None = None) -> Audio:
        """Decode the clip: mono float32, resampled to `rate` Hz if given; raises AudioError."""
        audio = read(self.path, start=self.start, duration=self.duration or None)
        return audio if rate is None else audio.resampled(rate)
