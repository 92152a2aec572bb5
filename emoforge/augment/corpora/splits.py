"""Train, dev and test: speaker-disjoint, drawn once from a seed.

Parallel corpora (everyone says the same sentences) share their *texts* across splits whatever
one does; only speakers can be kept apart there, and that is what happens here.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from emoforge.augment.corpora.config import SplitConfig
from emoforge.clip import SPLITS, Clip, Split
from emoforge.component import rng_for
from emoforge.errors import ConfigError, nearest

RULES = ("auto", "speaker", "column", "official")

USUAL_NAMES: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "development", "valid", "validation", "val"), "dev"),
    **dict.fromkeys(("test", "testing"), "test"),
}

DRAWS = 400
"""Divisions that are compared; the cost of more buys no better balance on real corpora."""


GENDER_WEIGHT = 4.0
"""Cost of a skewed gender: a dev or test split of one gender alone measures something else."""


def check_rule(rule: SplitConfig) -> None:
    """Raise ConfigError for a rule that cannot be followed."""
    if rule.by not in RULES:
        raise ConfigError(f"corpus.split.by={rule.by}: {nearest(rule.by, RULES)}")
    shares = [rule.train, rule.dev, rule.test]
    if min(shares) < 0 or rule.train == 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(
            "corpus.split.train, dev and test are shares: ≥ 0, summing to 1, train above 0; "
            f"got {rule.train}, {rule.dev}, {rule.test}"
        )
    for name in [*rule.names.values(), *rule.official]:
        if name not in SPLITS:
            raise ConfigError(f"corpus.split: '{name}' is no split: {nearest(name, SPLITS)}")
    if rule.by == "official" and not rule.official:
        raise ConfigError("corpus.split.by=official needs speakers in corpus.split.official")


def split_named(name: str, names: Mapping[str, str]) -> Split | None:
    """The split that a corpus calls `name`, or None if it is not known."""
    return cast("Split | None", names.get(name) or USUAL_NAMES.get(name.strip().lower()))


def assign_splits(clips: Sequence[Clip], rule: SplitConfig) -> tuple[list[Clip], list[str]]:
    """Give each clip a split by `rule`; also says in sentences what the rule could not do.

    `column` (and `auto`) read what the corpus says from `Clip.split`; `official` lists speakers
    as they are in `Clip.speaker`. Nothing depends on the order of the clips.
    """
    check_rule(rule)
    notes = []
    by = rule.by
    if by == "auto" and rule.official:
        by = "official"
    if by in ("auto", "column"):
        shared = _shared_speakers(clips)
        stated = sum(clip.split is not None for clip in clips)
        if by == "auto" and stated:
            if stated < len(clips):
                notes.append(
                    f"{len(clips) - stated} of {len(clips)} clips have no split that emoforge "
                    "knows, so all were drawn anew; corpus.split.names says what the names mean"
                )
            elif shared:
                notes.append(
                    f"the corpus's own splits share {_some(shared)}, so speaker-disjoint ones "
                    "were drawn instead; corpus.split.by=column keeps the corpus's own"
                )
            else:
                by = "column"
        elif by == "column" and shared:
            notes.append(
                f"train, dev and test share {_some(shared)}: results on dev and test will be "
                "too good; corpus.split.by=speaker draws splits without that"
            )
    if by == "column":
        return list(clips), notes
    if by == "official":
        of = {speaker: split for split, names in rule.official.items() for speaker in names}
        assigned = {c.speaker: cast(Split, of.get(c.speaker, "train")) for c in clips}
        notes += [
            f"none of the official {split} speakers is here"
            for split, names in rule.official.items()
            if clips and assigned.keys().isdisjoint(names)
        ]
    else:
        assigned = _draw(clips, rule)
        if clips and len(assigned) < 3:
            notes.append(
                f"{'one speaker' if len(assigned) == 1 else 'two speakers'} in all: "
                f"no speaker-disjoint {'dev and test' if len(assigned) == 1 else 'dev'} split"
            )
    return [dataclasses.replace(clip, split=assigned[clip.speaker]) for clip in clips], notes


def _some(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the speaker {names[0]}"
    return f"{len(names)} speakers ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


def _shared_speakers(clips: Sequence[Clip]) -> list[str]:
    """Speakers that are in more than one split."""
    splits = defaultdict(set)
    for clip in clips:
        splits[clip.speaker].add(clip.split)
    return sorted(speaker for speaker, found in splits.items() if len(found) > 1)


def _draw(clips: Sequence[Clip], rule: SplitConfig) -> dict[str, Split]:
    """Speaker → split: the best balanced of `DRAWS` random divisions of whole speakers.

    Every split with a share gets a speaker while there are enough: test before dev. A
    division's cost is, summed over splits, the squared distance between the split's share of
    each gender's, emotion's and corpus's clips (and of all clips) and the share it should
    have, weighted by how many clips these are and, for gender, by `GENDER_WEIGHT`.
    """
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    alike = Counter((clip.speaker, clip.corpus, clip.gender, clip.emotion) for clip in clips)
    for (speaker, corpus, gender, emotion), n in alike.items():
        for cell in ("all", f"corpus {corpus}", f"gender {gender}", f"emotion {emotion}"):
            counts[speaker][cell] += n
    speakers = sorted(counts)
    cells = sorted({cell for row in counts.values() for cell in row})
    table = np.array([[counts[s].get(c, 0) for c in cells] for s in speakers], dtype=np.float64)
    shares = {"train": rule.train, "test": rule.test, "dev": rule.dev}
    wanted = [cast(Split, s) for s in shares if shares[s] > 0][: len(speakers)]
    if len(wanted) < 2:
        return dict.fromkeys(speakers, "train")
    share = np.array([shares[s] for s in wanted])
    share /= share.sum()
    totals = table.sum(axis=0)
    weights = totals / totals.max()
    weights *= [GENDER_WEIGHT if cell.startswith("gender") else 1.0 for cell in cells]
    rng = rng_for("splits", rule.seed)
    best, least = np.zeros(len(speakers), dtype=np.intp), np.inf
    for _ in range(DRAWS):
        # Speakers in random order fill the smaller splits up to their share, train gets the rest.
        order = rng.permutation(len(speakers))
        division = np.zeros(len(speakers), dtype=np.intp)
        filled = np.cumsum(table[order, cells.index("all")]) / totals[cells.index("all")]
        start = 0
        for split in range(1, len(wanted)):
            before = filled[start - 1] if start else 0.0
            # The number of speakers that comes nearest to the share or one off, at least one.
            take = 1 + int(np.argmin(np.abs(filled[start:] - before - share[split])))
            take += int(rng.integers(-1, 2))
            take = max(1, min(take, len(speakers) - start - (len(wanted) - split)))
            division[order[start : start + take]] = split
            start += take
        got = np.stack([table[division == s].sum(axis=0) for s in range(len(wanted))]) / totals
        cost = float((weights * (got - share[:, None]) ** 2).sum())
        if cost < least:
            best, least = division, cost
    return {speaker: wanted[split] for speaker, split in zip(speakers, best, strict=True)}
