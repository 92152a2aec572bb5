"""Splits: speakers stay whole, shares are met as far as that allows, order does not matter."""

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.augment.corpora import SplitConfig, assign_splits
from emoforge.clip import Clip, Split
from emoforge.errors import ConfigError
from emoforge.label import BASIC4, Label

LABELS = [Label.of(emotion, BASIC4) for emotion in BASIC4.classes]


def clip(name: str, speaker: str, emotion: int = 0, split: Split | None = None) -> Clip:
    return Clip(
        id=f"c/{name}",
        path=f"/{name}.wav",
        duration=0.0,
        rate=0,
        label=LABELS[emotion % 4],
        speaker=speaker,
        corpus="c",
        gender="female" if speaker[-1] in "02468" else "male",
        split=split,
    )


def corpus(speakers: int, each: int = 8) -> list[Clip]:
    return [clip(f"{s}-{i}", f"s{s}", i) for s in range(speakers) for i in range(each)]


def speakers_of(clips: list[Clip]) -> dict[str | None, set[str]]:
    found: dict[str | None, set[str]] = defaultdict(set)
    for each in clips:
        found[each.split].add(each.speaker)
    return found


corpora = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=120).map(
    lambda rows: [clip(f"{i}", f"s{s}", e) for i, (s, e) in enumerate(rows)]
)


@given(corpora, st.integers(0, 5), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_whole_speakers_in_every_split_whatever_the_order(
    clips: list[Clip], seed: int, shuffle: random.Random
) -> None:
    rule = SplitConfig(seed=seed)
    assigned, notes = assign_splits(clips, rule)
    assert [c.id for c in assigned] == [c.id for c in clips]
    splits: dict[str, set[str | None]] = defaultdict(set)
    for each in assigned:
        splits[each.speaker].add(each.split)
    assert all(len(found) == 1 for found in splits.values())
    used = {split for found in splits.values() for split in found}
    wanted = ["train", "test", "dev"][: len(splits)]
    assert used == set(wanted)
    assert bool(notes) == (len(splits) < 3)
    shuffled = list(clips)
    shuffle.shuffle(shuffled)
    again, _ = assign_splits(shuffled, rule)
    assert {c.id: c.split for c in again} == {c.id: c.split for c in assigned}


def test_shares_gender_and_emotions_are_met_where_speakers_allow() -> None:
    assigned, notes = assign_splits(corpus(40), SplitConfig())
    assert notes == []
    counts = Counter(c.split for c in assigned)
    assert counts["train"] / 320 == pytest.approx(0.7, abs=0.03)
    assert counts["dev"] / 320 == pytest.approx(0.15, abs=0.03)
    for split in ("train", "dev", "test"):
        inside = [c for c in assigned if c.split == split]
        assert Counter(c.gender for c in inside)["female"] == pytest.approx(len(inside) / 2, abs=8)
        assert set(Counter(c.emotion for c in inside).values()) == {len(inside) // 4}


def test_one_loud_speaker_goes_to_train() -> None:
    clips = [*corpus(9), *(clip(f"much{i}", "s9", i) for i in range(200))]
    assigned, _ = assign_splits(clips, SplitConfig())
    assert {c.split for c in assigned if c.speaker == "s9"} == {"train"}


def test_seeds_differ_and_repeat() -> None:
    clips = corpus(20)
    draws = [assign_splits(clips, SplitConfig(seed=seed))[0] for seed in (1, 1, 2, 3)]
    assert draws[0] == draws[1]
    assert len({tuple(c.split for c in draw) for draw in draws}) == 3


def test_one_speaker_is_all_train_and_says_so() -> None:
    assigned, notes = assign_splits(corpus(1), SplitConfig())
    assert {c.split for c in assigned} == {"train"}
    assert notes == ["one speaker in all: no speaker-disjoint dev and test split"]


def test_two_speakers_are_train_and_test() -> None:
    clips = [*corpus(1, each=20), *(clip(f"b{i}", "s1", i) for i in range(4))]
    assigned, notes = assign_splits(clips, SplitConfig())
    assert speakers_of(assigned) == {"train": {"s0"}, "test": {"s1"}}
    assert notes == ["two speakers in all: no speaker-disjoint dev split"]


def test_no_share_no_split() -> None:
    assigned, _ = assign_splits(corpus(6), SplitConfig(train=0.8, dev=0.0, test=0.2))
    assert speakers_of(assigned).keys() == {"train", "test"}
    assigned, _ = assign_splits(corpus(6), SplitConfig(train=1.0, dev=0.0, test=0.0))
    assert speakers_of(assigned).keys() == {"train"}


def test_no_clips_no_splits() -> None:
    assert assign_splits([], SplitConfig()) == ([], [])


SPLITS_OF: list[Split] = ["train", "train", "dev", "test"]


def test_own_disjoint_splits_are_kept() -> None:
    clips = [clip(f"{i}", f"s{i % 4}", i, SPLITS_OF[i % 4]) for i in range(16)]
    assert assign_splits(clips, SplitConfig()) == (clips, [])
    redrawn, _ = assign_splits(clips, SplitConfig(by="speaker", seed=3))
    assert speakers_of(redrawn).keys() == {"train", "dev", "test"}


def test_own_splits_that_share_speakers_are_redrawn_or_warned_of() -> None:
    clips = [clip(f"{i}", f"s{i % 5}", i, SPLITS_OF[i % 4]) for i in range(40)]
    redrawn, notes = assign_splits(clips, SplitConfig())
    assert sum(map(len, speakers_of(redrawn).values())) == 5
    assert "share 5 speakers (s0, s1, s2, …)" in notes[0]
    assert "corpus.split.by=column" in notes[0]
    kept, notes = assign_splits(clips, SplitConfig(by="column"))
    assert kept == clips
    assert "corpus.split.by=speaker" in notes[0]


def test_own_splits_with_gaps_are_redrawn() -> None:
    clips = [*corpus(5), clip("x", "s7", 0, "test")]
    redrawn, notes = assign_splits(clips, SplitConfig())
    assert all(c.split for c in redrawn)
    assert "40 of 41 clips have no split" in notes[0]


def test_official_speakers() -> None:
    rule = SplitConfig(official={"test": ["s1", "s2"], "dev": ["s9"]})
    assigned, notes = assign_splits(corpus(5), rule)
    assert speakers_of(assigned) == {"train": {"s0", "s3", "s4"}, "test": {"s1", "s2"}}
    assert notes == ["none of the official dev speakers is here"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (SplitConfig(by="speakers"), "did you mean 'speaker'?"),
        (SplitConfig(train=0.5), "summing to 1"),
        (SplitConfig(train=0.0, dev=0.5, test=0.5), "train above 0"),
        (SplitConfig(train=1.2, dev=-0.2, test=0.0), "≥ 0"),
        (SplitConfig(names={"fold1": "valid"}), "'valid' is no split"),
        (SplitConfig(official={"eval": ["a"]}), "'eval' is no split"),
        (SplitConfig(by="official"), "corpus.split.official"),
    ],
)
def test_rules_that_cannot_be_followed(rule: SplitConfig, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        assign_splits(corpus(3), rule)
