"""Clips that a judge has heard, as arrays: what the sections of its report card are measured on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from emoforge.clip import Clip
from emoforge.label import Scheme
from emoforge.progress import Progress
from emoforge.selection.judges.encoded import encode_all
from emoforge.selection.judges.judge import Encoding, Judge

Strings = npt.NDArray[np.str_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """n clips and what a judge made of them.

    groups: who was recorded, str [n]: the speaker, for a candidate its source's. Whoever learns
        from some clips must be tested on clips of other groups.
    emotions: the carried emotion by its canonical name, str [n].
    generators: what made each clip, "" for a recording, str [n]. texts: "" where not known.
    embeddings: float64 [n, width], the mean over an embedding's parts.
    distributions: scheme name → float64 [n, classes].
    """

    clips: Sequence[Clip]
    groups: Strings
    emotions: Strings
    generators: Strings
    corpora: Strings
    texts: Strings
    embeddings: npt.NDArray[np.float64]
    distributions: Mapping[str, npt.NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.clips)

    @classmethod
    def of(
        cls,
        clips: Sequence[Clip],
        embeddings: npt.NDArray[np.float64],
        distributions: Mapping[str, npt.NDArray[np.float64]],
        speakers: Mapping[str, str] | None = None,
    ) -> Self:
        """speakers: of recordings, by id: those of the candidates' sources."""
        known = speakers or {}
        return cls(
            clips,
            np.array([_group(clip, known) for clip in clips], np.str_),
            np.array([clip.emotion for clip in clips], np.str_),
            np.array([clip.lineage.component if clip.lineage else "" for clip in clips], np.str_),
            np.array([clip.corpus for clip in clips], np.str_),
            np.array([" ".join((clip.text or "").casefold().split()) for clip in clips], np.str_),
            embeddings,
            distributions,
        )

    def take(self, rows: npt.NDArray[np.int64] | Mask) -> Self:
        """The sample of some rows: indices, or a mask."""
        at = np.flatnonzero(rows) if rows.dtype == bool else rows
        return type(self)(
            [self.clips[i] for i in at],
            self.groups[at],
            self.emotions[at],
            self.generators[at],
            self.corpora[at],
            self.texts[at],
            self.embeddings[at],
            {name: heard[at] for name, heard in self.distributions.items()},
        )

    def labelled(self, scheme: Scheme) -> tuple[Self, npt.NDArray[np.int64]]:
        """The clips whose label has a counterpart in the scheme, and their classes [n]."""
        labels = [clip.label.project(scheme) for clip in self.clips]
        classes = [scheme.index(label.hard) for label in labels if label]
        known = np.array([label is not None for label in labels], dtype=bool)
        return self.take(known), np.array(classes, dtype=np.int64)


def _group(clip: Clip, speakers: Mapping[str, str]) -> str:
    source = clip.lineage.parents[0] if clip.lineage and clip.lineage.parents else ""
    return speakers.get(source, source) or clip.speaker


def listen(
    judge: Judge,
    clips: Collection[Clip],
    known: Mapping[str, Encoding],
    progress: Progress,
    speakers: Mapping[str, str] | None = None,
) -> Sample:
    """Hear clips; those that cannot be judged are left out.

    known: encodings that are there already, by clip id.
    """
    encodings = {clip.id: known[clip.id] for clip in clips if clip.id in known}
    waiting = sorted(
        (clip for clip in clips if clip.id not in encodings),
        key=lambda clip: (clip.duration, clip.id),
    )
    with progress.stage("encode", len(waiting)) as advance:
        for batch in encode_all(judge, waiting, Clip.read):
            encodings |= {clip.id: e for clip, e in batch if isinstance(e, Encoding)}
            advance(len(batch))
    heard = sorted((clip for clip in clips if clip.id in encodings), key=lambda clip: clip.id)
    found = [encodings[clip.id] for clip in heard]
    distributions = judge.distributions(found)
    return Sample.of(
        heard,
        np.array([encoding.embedding.mean(0) for encoding in found], np.float64),
        {
            scheme: np.array([own[scheme] for own in distributions], np.float64)
            for scheme in judge.schemes
        },
        speakers,
    )
