"""What goes into the catalogue and comes out of it, besides clips and plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from emoforge.clip import Clip
from emoforge.component import Status
from emoforge.label import Label


class Known(NamedTuple):
    """A catalogued recording: its state when it was read, and what was measured then."""

    state: str
    digest: str
    duration: float
    rate: int


@dataclass(frozen=True, slots=True)
class Made:
    """One row of what generating gave: the clip where it succeeded, and what was measured."""

    candidate: str
    status: Status
    reason: str
    detail: str
    measured: Mapping[str, float | None]
    fingerprint: npt.NDArray[np.float32] | None = None
    clip: Clip | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """One row of what a judge gave: a distribution a scheme, or the error that prevented it."""

    clip: str
    distributions: Mapping[str, Sequence[float]]
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One row of what an encoder gave: float32 [parts, width], and what its own classifier says."""

    clip: str
    embedding: npt.NDArray[np.float32]
    native: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Vote:
    """What one rater heard in one clip; emotion: a canonical name, "other" if it is none of them.

    at: when, ISO 8601.
    """

    clip: str
    rater: str
    emotion: str
    at: str


@dataclass(frozen=True, slots=True)
class Audit:
    """A random sample that was drawn from a selection, for people to listen to.

    config: how it was drawn and what is tested on it, plain JSON. sample: (clip, stratum) in the
    order in which raters hear them; REAL is the stratum of recordings among them.
    """

    key: str
    selection: str
    config: Mapping[str, Any]
    sample: Sequence[tuple[str, str]]


REAL = "real"


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged clip: the emotion it carries, who speaks, what made it ("" for a recording).

    parent: the recording that it was made from, "" where there is none; references: ids of the
    others that it was made with.
    """

    clip: str
    generator: str
    corpus: str
    speaker: str
    split: str | None
    parent: str
    label: Label
    distributions: Mapping[str, Sequence[float]]
    references: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Keep a candidate or not, and why; probability is the judge's for the carried label."""

    candidate: str
    keep: bool
    reason: str
    detail: str
    probability: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one planned candidate has come, and what became of it.

    reached: the last step that it passed; "planned" where it has not been made or not well.
    outcome: "ok" (kept, or not rejected yet), "rejected", "failed", "skipped", or "pending".
    by: which step gave a rejection or failure: "generator", "gate", "judge" or "selector".
    """

    candidate: str
    generator: str
    emotion: str
    parent: str
    reached: Literal["planned", "generated", "gated", "judged", "kept"]
    outcome: Literal["ok", "rejected", "failed", "skipped", "pending"]
    by: Literal["", "generator", "gate", "judge", "selector"]
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many candidates stand alike; `detail` is the first of their sentences."""

    generator: str
    emotion: str
    reached: str
    outcome: str
    by: str
    reason: str
    detail: str
    count: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's distributions for one clip and the label it carries.

    generator: "" for a recording; keep: the selector's decision, None where there is none.
    """

    clip: str
    generator: str
    corpus: str
    speaker: str
    label: Label
    distributions: Mapping[str, Sequence[float]]
    keep: bool | None
