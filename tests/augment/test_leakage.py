"""What crosses splits, found; and nothing else."""

import csv
import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from emoforge.augment.leakage import audit_leakage
from emoforge.clip import SPLITS, Clip, Lineage
from emoforge.label import Label


def clip(name, split, speaker=None, digest="", text=None, parents=(), parent_digests=()):
    lineage = None
    if parents or parent_digests:
        lineage = Lineage(
            parents=tuple(parents),
            parent_digests=tuple(parent_digests),
            component="signal",
            component_version=1,
            params={},
        )
    return Clip(
        id=name,
        path=f"/nowhere/{name}.flac",
        duration=1.0,
        rate=16000,
        label=Label.of("happy"),
        speaker=speaker or f"speaker of {name}",
        corpus="c",
        digest=digest,
        text=text,
        split=split,
        lineage=lineage,
    )


def kinds(report):
    return [(leak.kind, leak.what, dict(leak.clips)) for leak in report.leaks]


def test_disjoint_splits_are_proved():
    report = audit_leakage(
        [
            clip("a", "train", "A", "d1"),
            clip("a2", "train", "A", "d2", parents=["a"], parent_digests=["d1"]),
            clip("b", "dev", "B", "d3"),
            clip("c", "test", "C", "d4"),
            clip("c2", "test", "espeak:de+f3", "d5", parents=["c"], parent_digests=["d4"]),
        ]
    )
    assert report.ok
    assert report.leaks == report.unsplit == ()
    assert report.undigested == report.orphans == 0
    assert report.to_dict()["splits"] == {
        "train": {"clips": 2, "generated": 1, "speakers": 1},
        "dev": {"clips": 1, "generated": 0, "speakers": 1},
        "test": {"clips": 2, "generated": 1, "speakers": 2},
    }


def test_a_speaker_in_two_splits_is_named_with_its_clips():
    report = audit_leakage(
        [clip("a", "train", "A"), clip("b", "test", "A"), clip("c", "test", "B")]
    )
    assert not report.ok
    assert kinds(report) == [("speaker", "A", {"train": ("a",), "test": ("b",)})]
    assert json.loads(json.dumps(report.to_dict()))["leaks"] == [
        {"kind": "speaker", "what": "A", "clips": {"train": ["a"], "test": ["b"]}}
    ]


def test_a_voice_converted_to_a_speaker_of_another_split_leaks_that_speaker():
    clips = [
        clip("a", "train", "A"),
        clip("b", "test", "B"),
        clip("b2", "test", "A", parents=["b"]),
    ]
    assert kinds(audit_leakage(clips)) == [("speaker", "A", {"train": ("a",), "test": ("b2",)})]


def test_a_child_that_left_its_parents_split_is_named_through_every_step():
    clips = [
        clip("a", "train"),
        clip("b", "train", parents=["a"]),
        clip("c", "dev", parents=["b"]),
    ]
    assert kinds(audit_leakage(clips)) == [("source", "a", {"train": ("a", "b"), "dev": ("c",)})]
    # The step between may be missing, or its split: what it ties together is still one family.
    without = [clips[0], replace(clips[1], split=None), clips[2]]
    assert kinds(audit_leakage(without)) == [("source", "a", {"train": ("a",), "dev": ("c",)})]
    assert audit_leakage(without).unsplit == ("b",)


def test_siblings_are_compared_though_their_parent_is_absent():
    clips = [clip("x", "train", parents=["p"]), clip("y", "test", parents=["p"])]
    report = audit_leakage(clips)
    assert kinds(report) == [("source", "p", {"train": ("x",), "test": ("y",)})]
    assert report.orphans == 2


def test_a_parent_is_known_by_its_audio_under_another_id():
    clips = [
        clip("again/a", "test", digest="d"),
        clip("x", "train", parents=["a"], parent_digests=["d"]),
    ]
    (leak,) = audit_leakage(clips).leaks
    assert leak.kind == "source"
    assert leak.clips == {"train": ("x",), "test": ("again/a",)}


def test_equal_audio_in_two_splits_is_a_leak_and_absent_digests_are_counted():
    clips = [clip("a", "train", digest="d"), clip("b", "test", digest="d"), clip("c", "dev")]
    report = audit_leakage(clips)
    assert kinds(report) == [("audio", "d", {"train": ("a",), "test": ("b",)})]
    assert report.undigested == 1


def test_an_invented_voice_and_a_text_may_be_in_several_splits():
    clips = [
        clip("a", "train", text="Das  will SIE"),
        clip("b", "test", text="das will sie", digest="b"),
        clip("x", "train", "espeak:de+f3", parents=["a"], text="other"),
        clip("y", "test", "espeak:de+f3", parents=["b"], text="one"),
        # Edited after it was made, or read back from an export without lineage: still a voice.
        clip("z", "test", "espeak:de+f3"),
    ]
    report = audit_leakage(clips)
    assert report.ok
    assert report.voices == {"espeak:de+f3": {"train": 1, "test": 2}}
    assert (report.texts, report.shared_texts) == (3, ("das will sie",))


def test_lineage_that_goes_in_circles_ends():
    clips = [clip("a", "train", parents=["b"]), clip("b", "test", parents=["a"])]
    (leak,) = audit_leakage(clips).leaks
    assert leak.clips == {"train": ("a",), "test": ("b",)}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SPLITS),
            st.lists(st.integers(0, 30), max_size=2),
        ),
        max_size=14,
    ),
    st.randoms(use_true_random=False),
)
def test_families_are_what_can_be_reached_over_lineage(drawn, shuffled):
    """Against search from every clip; some parents are absent, order is arbitrary."""
    clips = [
        clip(f"{i}", split, parents=[f"{p}" for p in parents if p < i or p > 14])
        for i, (split, parents) in enumerate(drawn)
    ]
    ties = {one.id: set(one.lineage.parents) if one.lineage else set() for one in clips}
    for child, parents in list(ties.items()):
        for parent in parents:
            ties.setdefault(parent, set()).add(child)
    split_of = {one.id: one.split for one in clips}
    wanted = set()
    for start in split_of:
        reached, todo = set(), [start]
        while todo:
            here = todo.pop()
            if here not in reached:
                reached.add(here)
                todo.extend(ties[here])
        family = frozenset(reached & split_of.keys())
        if len({split_of[name] for name in family}) > 1:
            wanted.add(family)
    shuffled.shuffle(clips)
    leaks = audit_leakage(clips).leaks
    assert {frozenset(name for ids in leak.clips.values() for name in ids) for leak in leaks} == (
        wanted
    )
    for leak in leaks:
        for split, ids in leak.clips.items():
            assert all(split_of[name] == split for name in ids)


def test_the_usual_split_of_real_corpora_has_no_leak_and_a_random_one_has(shared: Path):
    from emoforge.augment.corpora.config import SplitConfig
    from emoforge.augment.corpora.splits import assign_splits

    with open(shared / "corpora/manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    clips = [
        clip(row["path"], None, row["speaker"], row["source_sha1"], row["text"]) for row in rows
    ]
    split, _ = assign_splits(clips, SplitConfig(by="speaker"))
    report = audit_leakage(split)
    assert report.ok
    assert report.splits.keys() == set(SPLITS)
    assert len(report.shared_texts) == report.texts  # everybody says the same sentences
    by_turns = [replace(one, split=SPLITS[i % 3]) for i, one in enumerate(clips)]
    crossing = {leak.what for leak in audit_leakage(by_turns).leaks if leak.kind == "speaker"}
    assert crossing == {row["speaker"] for row in rows}


def test_clips_without_a_split_are_listed_and_prove_nothing():
    report = audit_leakage([clip("a", None, "A"), clip("b", None, "A")])
    assert report.ok
    assert report.splits == {}
    assert report.unsplit == ("a", "b")
