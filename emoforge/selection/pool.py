"""Judged clips as arrays: what selectors, heads and audits work on."""

import sys
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from emoforge.errors import ConfigError
from emoforge.label import Label, Scheme
from emoforge.selection.judges import MEMBER, Judge
from emoforge.workspace import Judged, Workspace

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Clips as arrays of n rows, in id order.

    emotions: int64 [n], the carried class as its place in the scheme.
    targets: float32 [n, classes], the label's distribution.
    probabilities: float32 [n, classes], the judge's distribution.
    members: float32 [judges, n, classes], the distributions of an ensemble's members; those of
        the judge alone where it is no ensemble.
    embeddings: float32 [n, parts, width].
    generators: what made each clip, "" for a recording. parents: ids, "" for a recording and for
        what was made from a text.
    references: row → ids of the other recordings that it was made with, where there are any.
    """

    ids: Sequence[str]
    emotions: npt.NDArray[np.int64]
    targets: Floats
    probabilities: Floats
    members: Floats
    embeddings: Floats
    generators: npt.NDArray[np.str_]
    corpora: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.str_]
    splits: npt.NDArray[np.str_]
    parents: npt.NDArray[np.str_]
    references: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.NDArray[np.int64] | Mask) -> Self:
        """The pool of some rows: indices in rising order, or a mask."""
        at = np.flatnonzero(rows) if rows.dtype == bool else rows
        return type(self)(
            [self.ids[i] for i in at],
            self.emotions[at],
            self.targets[at],
            self.probabilities[at],
            self.members[:, at],
            self.embeddings[at],
            self.generators[at],
            self.corpora[at],
            self.speakers[at],
            self.splits[at],
            self.parents[at],
            {
                place: self.references[row]
                for place, row in enumerate(at.tolist())
                if row in self.references
            },
        )

    def made_of(self, ids: Collection[str]) -> Mask:
        """Which clips were made of nothing but these recordings (or of a text)."""
        known = {*ids, ""}
        whole = np.isin(self.parents, list(known))
        for row, references in self.references.items():
            whole[row] &= known.issuperset(references)
        return whole

    @property
    def voices(self) -> npt.NDArray[np.str_]:
        """Speakers, told apart between corpora: corpus, tab, speaker."""
        return np.char.add(np.char.add(self.corpora, "\t"), self.speakers)

    def counts(self, classes: int) -> npt.NDArray[np.int64]:
        """Clips of each class, int64 [classes]."""
        return np.bincount(self.emotions, minlength=classes)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a selector decides on and learns from.

    candidates: past the gates and judged.
    train: real recordings of the splits that candidates are made for: the class prior, and what
        heads are trained on.
    dev: real recordings of the dev split, of other speakers; may be empty.
    """

    scheme: Scheme
    candidates: Pool
    train: Pool
    dev: Pool

    @classmethod
    def of(cls, scheme: Scheme, candidates: Pool, real: Pool, splits: Collection[str]) -> Self:
        """Candidates, and of the recordings those of `splits` and of the dev split."""
        train = real.take(np.isin(real.splits, list(splits)))
        return cls(scheme, candidates, train, real.take(real.splits == "dev"))


def load_material(
    workspace: Workspace, judge: Judge, gates: str, scheme: Scheme, splits: Collection[str]
) -> Material:
    """Candidates and real recordings of a workspace that a judge has scored.

    gates: the key of the gates' verdicts. Clips whose label has no counterpart in the scheme are
    left out. Raises ConfigError if the judge does not know the scheme.
    """
    candidates = load_pool(workspace, judge, gates, scheme, generated=True)
    real = load_pool(workspace, judge, gates, scheme, generated=False)
    return Material.of(scheme, candidates, real, splits)


def load_pool(
    workspace: Workspace, judge: Judge, gates: str, scheme: Scheme, *, generated: bool
) -> Pool:
    """Judged candidates past the gates, or judged recordings; see `load_material`."""
    rows = workspace.judged(judge.key, gates, generated=generated)
    return _pool(workspace, judge.encoder, scheme, rows)


def _pool(workspace: Workspace, encoder: str, scheme: Scheme, rows: Iterable[Judged]) -> Pool:
    # Flat arrays and one copy of each name: a million clips as objects would take 2 GB.
    ids: list[str] = []
    targets, heard, members = array("f"), array("f"), array("f")
    known: list[list[str]] = [[], [], [], [], []]
    projected: dict[Label, Label | None] = {}
    references: dict[int, Sequence[str]] = {}
    for row in rows:
        if row.label not in projected:
            projected[row.label] = row.label.project(scheme)
        if (label := projected[row.label]) is None:
            continue
        if scheme.name not in row.distributions:
            raise ConfigError(
                f"the judge does not know scheme '{scheme.name}': it knows "
                f"{', '.join(sorted(n for n in row.distributions if MEMBER not in n))}"
            )
        if row.references:
            references[len(ids)] = row.references
        ids.append(row.clip)
        targets.extend(label.distribution)
        heard.extend(row.distributions[scheme.name])
        own = [n for n in sorted(row.distributions) if n.startswith(f"{scheme.name}{MEMBER}")]
        for name in own or [scheme.name]:
            members.extend(row.distributions[name])
        names = (row.generator, row.corpus, row.speaker, row.split or "", row.parent)
        for column, name in zip(known, names, strict=True):
            column.append(sys.intern(name))
    classes = len(scheme.classes)
    carried = np.array(targets, np.float32).reshape(-1, classes)
    judges = len(members) // len(heard) if heard else 1
    apart = np.array(members, np.float32).reshape(-1, judges, classes)
    generators, corpora, speakers, splits, parents = (np.array(one, np.str_) for one in known)
    return Pool(
        ids,
        carried.argmax(1),
        carried,
        np.array(heard, np.float32).reshape(-1, classes),
        np.ascontiguousarray(apart.swapaxes(0, 1)),
        workspace.embeddings(encoder, ids),
        generators,
        corpora,
        speakers,
        splits,
        parents,
        references,
    )
