"""Lhotse manifests that Lhotse wrote."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from recipes import Files, Read

from emoforge.errors import CorpusError
from emoforge.label import BASIC4

lhotse = pytest.importorskip("lhotse")


@pytest.fixture
def manifests(tmp_path: Path) -> tuple[Any, Any]:
    """A recording of 3 s with two supervisions, and one of 1 s with one for all of it."""
    for name, seconds in (("long", 3), ("short", 1)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(16000 * seconds), 16000)
    recordings = [lhotse.Recording.from_file(tmp_path / f"{n}.wav") for n in ("long", "short")]
    said = [("u0", "long", 0.0, 1.5), ("u1", "long", 1.5, 1.5), ("u2", "short", 0.0, 1.0)]
    supervisions = [
        lhotse.SupervisionSegment(
            id=name,
            recording_id=recording,
            start=start,
            duration=duration,
            text=f"text of {name}",
            speaker=f"s-{name}",
            gender="Male",
            language="de",
            custom={"emotion": "anger", "votes": {"anger": 3, "happy": 1}, "split": "test"},
        )
        for name, recording, start, duration in said
    ]
    return (
        lhotse.RecordingSet.from_recordings(recordings),
        lhotse.SupervisionSet.from_segments(supervisions),
    )


def check(corpus: Any, root: Path) -> None:
    assert corpus.problems == []
    assert [(c.id, c.path, c.start, c.duration, c.text, c.speaker) for c in corpus.clips] == [
        ("lhotse/u0", f"{root}/long.wav", 0.0, 1.5, "text of u0", "s-u0"),
        ("lhotse/u1", f"{root}/long.wav", 1.5, 1.5, "text of u1", "s-u1"),
        ("lhotse/u2", f"{root}/short.wav", 0.0, 0.0, "text of u2", "s-u2"),
    ]
    for clip in corpus.clips:
        assert (clip.gender, clip.language, clip.split) == ("male", "de", "test")
        assert clip.label.votes == (3, 1, 0, 0)
        assert clip.label.modality == "audio"
    assert [clip.read().duration for clip in corpus.clips] == [1.5, 1.5, 1.0]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_recordings_and_supervisions(
    suffix: str, manifests: tuple[Any, Any], tmp_path: Path, read: Read
) -> None:
    recordings, supervisions = manifests
    recordings.to_file(tmp_path / f"my_recordings_all.{suffix}")
    supervisions.to_file(tmp_path / f"my_supervisions_all.{suffix}")
    check(read("lhotse", BASIC4, root=tmp_path), tmp_path)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_cuts(suffix: str, manifests: tuple[Any, Any], tmp_path: Path, read: Read) -> None:
    recordings, supervisions = manifests
    cuts = lhotse.CutSet.from_manifests(recordings, supervisions)
    # Cuts get ids of their own; the utterance's is the one to keep.
    trimmed = [cut.with_id(cut.supervisions[0].id) for cut in cuts.trim_to_supervisions()]
    lhotse.CutSet.from_cuts(trimmed).to_file(tmp_path / f"cuts.{suffix}")
    check(read("lhotse", BASIC4, root=tmp_path), tmp_path)


def test_cuts_that_are_no_clips(manifests: tuple[Any, Any], tmp_path: Path, read: Read) -> None:
    cuts = lhotse.CutSet.from_manifests(*manifests)
    whole = {cut.recording_id: cut for cut in cuts}
    mixed = whole["short"].append(whole["short"]).with_id("mixed")
    lhotse.CutSet.from_cuts([whole["long"], mixed, whole["short"]]).to_file(tmp_path / "cuts.jsonl")
    corpus = read("lhotse", root=tmp_path)
    assert [Path(c.path).name for c in corpus.clips] == ["short.wav"]
    assert corpus.problems[0].where == f"{tmp_path}/cuts.jsonl:1"
    assert "has 2 supervisions and not one: trim_to_supervisions()" in corpus.problems[0].sentence
    assert corpus.problems[1].where == f"{tmp_path}/cuts.jsonl:2"
    assert "cut 'mixed' is a MixedCut without one recording" in corpus.problems[1].sentence


def test_faults(files: Files, read: Read) -> None:
    source = {"type": "command", "channels": [0], "source": "sox in.wav - |"}
    file = {"type": "file", "channels": [0], "source": "a.wav"}
    recordings = [
        {"id": "r1", "sources": [source], "duration": 1.0},
        {"id": "r2", "sources": [file, file], "duration": 1.0},
    ]
    supervisions = [
        {"id": f"u{n}", "recording_id": f"r{n}", "start": 0, "duration": 1.0, "speaker": "s"}
        for n in (1, 2, 3)
    ]
    root = files(
        {
            "recordings.jsonl": "\n".join(map(json.dumps, recordings)) + "\n{",
            "supervisions.jsonl": "\n".join(map(json.dumps, supervisions)),
        }
    )
    corpus = read("lhotse", root=root)
    assert corpus.clips == []
    assert [(p.where.rpartition("/")[2], p.sentence[:58]) for p in corpus.problems] == [
        ("recordings.jsonl:3", "the line is not JSON: Expecting property name enclosed in "),
        ("supervisions.jsonl:1", "recording 'r1' must be one file or URL, it is: command"),
        ("supervisions.jsonl:2", "recording 'r2' must be one file or URL, it is: file, file"),
        ("supervisions.jsonl:3", "recording 'r3' is in no manifest"),
    ]


def test_nothing_there(tmp_path: Path, read: Read) -> None:
    with pytest.raises(CorpusError, match=r"neither \*cuts\*\.jsonl nor"):
        read("lhotse", root=tmp_path)
    with pytest.raises(CorpusError, match=r"there is no manifest x\.jsonl in"):
        read("lhotse", root=tmp_path, manifest="x.jsonl")
