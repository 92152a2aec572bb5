"""What the report is made of: for every clip and condition, what was heard and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emoforge.label import Scheme
from emoforge.selection.measures import Result

Kind = Literal["original", "codec", "anchor"]
View = Literal["frozen", "crossfit", "retrained"]
VIEWS: tuple[View, ...] = ("frozen", "crossfit", "retrained")
"""Who listens.

frozen: the judge as it is. crossfit: heads that learnt from originals of other speakers.
retrained: heads that learnt from resynthesised clips of other speakers, of the same codec.
"""

ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Condition:
    """One way to hear the clips.

    name: `original`, `opus@6`, or an anchor's; codec: `opus`, "" for the others.
    nominal, kbps: kbit/s as asked for, and the median of what was measured; None: has none.
    rate: Hz that most clips were coded at; delay_ms: taken out of these.
    """

    name: str
    kind: Kind
    codec: str = ""
    nominal: float | None = None
    kbps: float | None = None
    rate: int | None = None
    delay_ms: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """N clips under C conditions; the first condition is the original.

    corpora, languages, speakers, emotions, ids: of the clips, [N]; speakers are unique over
        corpora; emotions int64, places in the scheme's classes.
    heard: view → int64 [C, N], the class heard, -1: no answer. A view that could not be had (one
        speaker, a judge without a classifier) is absent; `notes` says why.
    measured: name of a result → float32 [C, N], NaN: has none.
    kbps: measured kbit/s, float32 [C, N], NaN: has none.
    results: what these names mean; of the judge: `js` (Jensen-Shannon divergence of posteriors,
        bits), `cosine` (centred, of embeddings), and valence, arousal and dominance where it
        hears them.
    failed: condition → reason → clips that have no answer.
    about: judge, configuration and versions, plain JSON values. notes: sentences for the reader
        on what could not be computed.
    """

    scheme: Scheme
    ids: Sequence[str]
    corpora: Sequence[str]
    languages: Sequence[str]
    speakers: Sequence[str]
    emotions: npt.NDArray[np.int64]
    conditions: Sequence[Condition]
    heard: Mapping[View, npt.NDArray[np.int64]]
    measured: Mapping[str, npt.NDArray[np.float32]]
    kbps: npt.NDArray[np.float32]
    results: Sequence[Result]
    failed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
