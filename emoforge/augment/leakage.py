"""Proof that the splits of a training set share no speaker, no source and no audio.

What counts as a leak
- speaker: clips of one person in two splits. Names are taken as they stand, over all corpora and
  for candidates too: voice conversion to a speaker of another split leaks that speaker.
- source: clips of one family in two splits. A family is what lineage ties together, over any
  number of steps: a recording, what was made of it, and what else went into those. It covers
  that children inherit their parents' split, and holds where the parents themselves are not
  among the clips: siblings must still agree. Parents are known by id and by content digest.
- audio: one content digest in two splits.

What is reported but is no leak
- Voices that a generator invented (`espeak:de+f3`: the generator's name, a colon, the voice). No
  person and no recording crosses with them, and there are so few that splits can hardly avoid
  to share them. Figures on held-out recordings stay speaker-independent; figures on synthetic
  clips of the held-out split do not, and must not be given as such.
- Texts. Acted corpora let everybody say the same sentences.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from emoforge.clip import SPLITS, Clip, Split
from emoforge.component import registered

Kind = Literal["speaker", "source", "audio"]


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that stands in several splits: which, and by split the ids of its clips."""

    kind: Kind
    what: str
    clips: Mapping[Split, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class SplitCount:
    """What one split holds."""

    clips: int
    generated: int
    speakers: int


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """What the audit found.

    leaks: empty where the splits are proved disjoint, as far as the clips could be checked.
    unsplit: ids of clips without a split; they were left out of every check.
    undigested: clips without a content digest; their audio was not compared.
    orphans: candidates with a parent that is not among the clips; that they have its split
    could not be checked, only that all that comes of it is in one.
    voices: invented voices in several splits, with their number of clips in each.
    texts: number of different texts; shared_texts: those said in several splits, normalised.
    """

    splits: Mapping[Split, SplitCount]
    leaks: tuple[Leak, ...]
    unsplit: tuple[str, ...]
    undigested: int
    orphans: int
    voices: Mapping[str, Mapping[Split, int]]
    texts: int
    shared_texts: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no leak among the clips that have a split."""
        return not self.leaks

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "ok": self.ok,
            "splits": {
                split: {"clips": n.clips, "generated": n.generated, "speakers": n.speakers}
                for split, n in self.splits.items()
            },
            "leaks": [
                {
                    "kind": leak.kind,
                    "what": leak.what,
                    "clips": {split: list(ids) for split, ids in leak.clips.items()},
                }
                for leak in self.leaks
            ],
            "unsplit": list(self.unsplit),
            "undigested": self.undigested,
            "orphans": self.orphans,
            "voices": {voice: dict(counts) for voice, counts in self.voices.items()},
            "texts": self.texts,
            "shared_texts": list(self.shared_texts),
        }


class _Row(NamedTuple):
    id: str
    split: Split | None
    speaker: str
    digest: str
    text: str
    parents: tuple[str, ...]
    parent_digests: tuple[str, ...]


def audit_leakage(clips: Iterable[Clip]) -> LeakageReport:
    """Check that nothing crosses the splits of these clips; see the module for what counts.

    Takes recordings and candidates in any order, from a workspace or as a corpus reader gives
    them; keeps a few strings of each. Time and memory grow linearly.
    """
    rows = [_row(clip) for clip in clips]
    held = [row for row in rows if row.split is not None]
    generators = frozenset(registered("generator"))
    invented = [row.speaker.partition(":")[0] in generators for row in held]
    families, sources = _families(rows)

    people = [None if own else row.speaker for row, own in zip(held, invented, strict=True)]
    leaks = [
        *_leaks("speaker", held, people, str),
        *_leaks("source", held, [families[row.id] for row in held], sources.__getitem__),
        *_leaks("audio", held, [row.digest or None for row in held], str),
    ]
    voices = [row.speaker if own else None for row, own in zip(held, invented, strict=True)]
    texts = [row.text or None for row in held]
    ids = {row.id for row in rows}
    speakers: dict[Split | None, set[str]] = {split: set() for split in SPLITS}
    for row in held:
        speakers[row.split].add(row.speaker)
    count = Counter(row.split for row in held)
    generated = Counter(row.split for row in held if row.parents)
    return LeakageReport(
        splits={
            split: SplitCount(count[split], generated[split], len(speakers[split]))
            for split in SPLITS
            if count[split]
        },
        leaks=tuple(leaks),
        unsplit=tuple(row.id for row in rows if row.split is None),
        undigested=sum(not row.digest for row in held),
        orphans=sum(not ids.issuperset(row.parents) for row in held),
        voices={
            str(voice): {split: len(of) for split, of in found.items()}
            for voice, found in _crossing(held, voices).items()
        },
        texts=len({text for text in texts if text}),
        shared_texts=tuple(str(text) for text in _crossing(held, texts)),
    )


def _row(clip: Clip) -> _Row:
    made = clip.lineage
    text = " ".join((clip.text or "").casefold().split())
    return _Row(
        clip.id,
        clip.split,
        clip.speaker,
        clip.digest,
        text,
        made.parents if made else (),
        made.parent_digests if made else (),
    )


def _families(rows: Sequence[_Row]) -> tuple[dict[str, int], dict[int, str]]:
    """The family of each clip id, and what each family came from (union-find)."""
    number: dict[str, int] = {}
    link: list[int] = []

    def node(key: str) -> int:
        found = number.setdefault(key, len(link))
        if found == len(link):
            link.append(found)
        return found

    def root(one: int) -> int:
        while link[one] != one:
            link[one] = one = link[link[one]]
        return one

    # Only the digests of parents: equal audio alone is another kind of leak.
    wanted = {digest for row in rows for digest in row.parent_digests if digest}
    for row in rows:
        own = node(row.id)
        for parent in row.parents:
            link[root(node(parent))] = root(own)
        for digest in (row.digest, *row.parent_digests):
            if digest in wanted:
                link[root(node(f"\0{digest}"))] = root(own)
    made = {row.id for row in rows if row.parents}
    sources: dict[int, list[str]] = {}
    for key, one in number.items():
        if key not in made and not key.startswith("\0"):
            sources.setdefault(root(one), []).append(key)
    families = {row.id: root(number[row.id]) for row in rows}
    named = {}
    for family in set(families.values()):
        first, *others = sorted(sources.get(family, ())) or ["unknown"]
        named[family] = f"{first} and {len(others)} more" if others else first
    return families, named


def _crossing(
    rows: Sequence[_Row], keys: Sequence[Hashable | None]
) -> dict[Hashable, dict[Split, list[str]]]:
    """Keys that occur in several splits, with the ids of their clips by split."""
    first: dict[Hashable, Split | None] = {}
    several = {
        key
        for row, key in zip(rows, keys, strict=True)
        if key is not None and first.setdefault(key, row.split) != row.split
    }
    found: dict[Hashable, dict[Split, list[str]]] = {}
    if several:
        for split in SPLITS:
            for row, key in zip(rows, keys, strict=True):
                if row.split == split and key in several:
                    found.setdefault(key, {}).setdefault(split, []).append(row.id)
    return found


def _leaks(
    kind: Kind,
    rows: Sequence[_Row],
    keys: Sequence[Hashable | None],
    name: Callable[[Any], str],
) -> Iterator[Leak]:
    for key, clips in _crossing(rows, keys).items():
        yield Leak(kind, name(key), {split: tuple(ids) for split, ids in clips.items()})
