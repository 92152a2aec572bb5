"""What a workspace has for countermeasures: recordings, and candidates past the gates."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.clip import SPLITS, Clip
from emoforge.errors import ConfigError, nearest
from emoforge.label import scheme as scheme_named
from emoforge.selection.countermeasures import Mask
from emoforge.workspace import Judged, Workspace

_LEAST = 5
"""Clips of each class and emotion that training needs."""
_UNUSED = "unused"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Clips as rows, in id order; the columns are arrays [n].

    emotions: places in `names`. probabilities: float64 [n, names], the judge's, of these
    emotions alone; they may sum to less than 1. attacks: the generator, "" for bona fide.
    speakers: whose recording a clip is or was made from, corpus and name; the voice, where it was
    made from a text alone. voices: who is heard.
    splits: "unused" for spoofs of an attack that training is not to know.
    """

    names: Sequence[str]
    clips: Sequence[Clip]
    emotions: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    attacks: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.str_]
    voices: npt.NDArray[np.str_]
    splits: npt.NDArray[np.str_]

    @property
    def spoof(self) -> Mask:
        """Which clips are spoofs."""
        return np.asarray(self.attacks != "")

    def rows(self, split: str) -> Mask:
        """Which clips are of a split."""
        return np.asarray(self.splits == split)

    @property
    def seen(self) -> set[str]:
        """Attacks that training knows."""
        return {str(name) for name in self.attacks[self.rows("train")] if name}

    def take(self, rows: Mask) -> "Trial":
        """The clips of a mask [n]."""
        at = np.flatnonzero(rows).tolist()
        return Trial(
            self.names, [self.clips[i] for i in at], self.emotions[at], self.probabilities[at],
            self.attacks[at], self.speakers[at], self.voices[at], self.splits[at],
        )  # fmt: skip

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Split → class (bonafide or the attack) → emotion → clips."""
        return {
            split: {
                name or "bonafide": {
                    emotion: int((own & (self.attacks == name) & (self.emotions == e)).sum())
                    for e, emotion in enumerate(self.names)
                }
                for name in np.unique(self.attacks[own]).tolist()
            }
            for split in SPLITS
            for own in [self.rows(split)]
        }

    def check(self) -> None:
        """Raise ConfigError if nothing can be learnt from these clips, or shown on them."""
        for split in SPLITS:
            own = self.rows(split)
            for spoof, what in ((False, "bona fide"), (True, "spoofed")):
                if not (own & (self.spoof == spoof)).any():
                    raise ConfigError(f"there is no {what} {split} clip: {_ADVICE[spoof]}")
                few = _LEAST if split == "train" else 1
                for place, name in enumerate(self.names):
                    found = int((own & (self.spoof == spoof) & (self.emotions == place)).sum())
                    if found < few:
                        raise ConfigError(
                            f"there are {found} {what} {split} clips of {name}, {few} or more are "
                            f"needed: {_ADVICE[spoof]}, or leave the emotion out (emotions=[…])"
                        )
        real = {split: set(self.speakers[self.rows(split) & ~self.spoof]) for split in SPLITS}
        if len(real["test"]) < 2:
            raise ConfigError(
                "the test split has one speaker, error rates need two or more: give it more "
                "(corpus.split.test=0.4) in a new workspace"
            )
        shared = sorted((real["train"] | real["dev"]) & real["test"] | real["train"] & real["dev"])
        if shared:
            names = ", ".join(name.partition("\t")[2] for name in shared[:3])
            raise ConfigError(
                f"{len(shared)} speakers are in more than one split ({names}): "
                "corpus.split.by=speaker keeps them apart"
            )


_ADVICE = {
    False: "give the split more speakers (corpus.split.…) in a new workspace",
    True: "make candidates for every split (splits=[train,dev,test])",
}


def load_trial(
    workspace: Workspace,
    selection: Mapping[str, Any],
    emotions: Sequence[str] | None,
    unseen: Collection[str],
) -> Trial:
    """Judged recordings, and judged candidates past the gates of a selection.

    selection: its configuration. emotions: of its scheme; None: those that there are recordings
    of. unseen: attacks that training is not to know. Raises ConfigError for unknown names.
    """
    scheme = scheme_named(selection["scheme"])
    for name in emotions or ():
        if name not in scheme.classes:
            raise ConfigError(f"emotions: {nearest(name, scheme.classes)}")
    judged = [
        (row, label.hard)
        for generated in (False, True)
        for row in workspace.judged(selection["judge"], selection["gates"], generated=generated)
        if (label := row.label.project(scheme)) is not None
    ]
    attacks = {row.generator for row, _ in judged if row.generator}
    for name in unseen:
        if name not in attacks:
            raise ConfigError(f"unseen: there is no attack '{name}': {nearest(name, attacks)}")
    wanted = set(emotions or (emotion for row, emotion in judged if not row.generator))
    names = [name for name in scheme.classes if name in wanted]
    kept = sorted(
        ((row, emotion) for row, emotion in judged if emotion in wanted and row.split),
        key=lambda pair: pair[0].clip,
    )
    clips = {clip.id: clip for clip in workspace.clips(ids=[row.clip for row, _ in kept])}
    sources = workspace.sources(row.parent for row, _ in kept if row.parent)
    places = [scheme.index(name) for name in names]
    heard = [[row.distributions[scheme.name][place] for place in places] for row, _ in kept]
    return Trial(
        names,
        [clips[row.clip] for row, _ in kept],
        np.array([names.index(emotion) for _, emotion in kept], np.int64),
        np.array(heard, np.float64).reshape(-1, len(names)),
        np.array([row.generator for row, _ in kept], np.str_),
        np.array([_speaker(row, sources) for row, _ in kept], np.str_),
        np.array([f"{row.corpus}\t{row.speaker}" for row, _ in kept], np.str_),
        np.array(list(_splits(kept, unseen)), np.str_),
    )


def _speaker(row: Judged, sources: Mapping[str, Clip]) -> str:
    source = sources.get(row.parent)
    of = row if source is None or source.is_line else source
    return f"{of.corpus}\t{of.speaker}"


def _splits(kept: Sequence[tuple[Judged, str]], unseen: Collection[str]) -> Iterator[str]:
    for row, _ in kept:
        yield _UNUSED if row.generator in unseen and row.split != "test" else str(row.split)
