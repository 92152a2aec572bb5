"""What every registered exporter keeps: whole or nothing, the same bytes, bad clips alone."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile

from emoforge.augment.export import Exporter
from emoforge.clip import SPLITS, Clip, Lineage
from emoforge.component import create, registered
from emoforge.errors import ExportError
from emoforge.label import BASIC4, Label

NAMES = sorted(registered("exporter"))


@pytest.fixture(params=NAMES)
def exporter(request: pytest.FixtureRequest) -> Exporter:
    return cast(Exporter, create("exporter", request.param))


def make(folder: Path, count: int = 6, seconds: float = 0.2) -> list[Clip]:
    folder.mkdir()
    clips = []
    for i in range(count):
        path = folder / f"{i}.wav"
        noise = np.random.default_rng(i).integers(-9000, 9000, round(16000 * seconds), np.int16)
        soundfile.write(path, noise, 16000)
        clip = Clip(
            id=f"corpus/{i}",
            path=str(path),
            duration=seconds,
            rate=16000,
            label=Label.of(BASIC4.classes[i % 4], BASIC4),
            speaker=f"speaker {i}",
            corpus="corpus",
            text=f"text {i}",
            split=SPLITS[i % 3],
            licence="CC0 1.0",
        )
        if i % 2:
            made = Lineage(
                parents=(f"corpus/{i - 1}",),
                parent_digests=("",),
                component="signal",
                component_version=3,
                params={"snr": 10.5},
                emoforge="0.1.0",
            )
            clip = replace(clip, lineage=made)
        clips.append(clip)
    return clips


def content(folder: Path) -> dict[str, str]:
    """Digest of every file by its relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def alone(out: Path) -> bool:
    """Whether nothing of an unfinished export lies beside it."""
    return not [path.name for path in out.parent.iterdir() if path.name.startswith(f".{out.name}")]


def test_the_same_clips_give_the_same_bytes_wherever_they_lie(exporter, tmp_path):
    first = exporter.write(make(tmp_path / "here"), tmp_path / "a")
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = [
        replace(clip, path=clip.path.replace("/here/", "/there/"))
        for clip in make(tmp_path / "here")
    ]
    second = exporter.write(moved, tmp_path / "b" / "deep")
    assert content(first.path) == content(second.path) != {}
    # Nothing of this machine travels along.
    for path in first.path.rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes()


def test_the_cards_say_what_is_in_it(exporter, tmp_path):
    exported = exporter.write(make(tmp_path / "source"), tmp_path / "set")
    assert (exported.clips, exported.problems) == (6, ())
    card = json.loads((exported.path / "emoforge.json").read_text("utf-8"))
    assert card["format"]["name"] == exporter.name == exported.format
    assert card["counts"] == exported.counts
    assert card["counts"] == {
        "train": {"angry": {"real": 1}, "sad": {"signal": 1}},
        "dev": {"angry": {"real": 1}, "happy": {"signal": 1}},
        "test": {"happy": {"signal": 1}, "neutral": {"real": 1}},
    }
    assert (card["clips"], card["synthetic"], card["licences"]) == (6, 3, {"CC0 1.0": 6})
    assert card["generators"] == {
        "signal": [{"version": 3, "weights": "", "emoforge": "0.1.0", "clips": 3}]
    }
    assert sorted(card["entries"]) == sorted(path.name for path in exported.path.iterdir())
    page = (exported.path / "README.md").read_text("utf-8")
    assert "3 of its 6 clips are synthetic speech" in page
    assert "license: cc0-1.0" in page
    assert exporter.usage.splitlines()[0] in page
    assert json.loads(json.dumps(exported.to_dict()))["clips"] == 6


def test_a_bad_clip_fails_alone(exporter, tmp_path):
    good = make(tmp_path / "source")
    text = tmp_path / "text.wav"
    text.write_text("not audio")
    bad = {
        "missing": replace(good[0], id="missing", path="/nowhere/x.wav"),
        "text": replace(good[0], id="text", path=str(text)),
        "no split": replace(good[0], id="no split", split=None),
        "other scheme": replace(good[0], id="other scheme", label=Label.of("happy")),
        "half a pair": replace(good[0], id="half a pair", speaker="\ud800"),
    }
    mixed = [good[0], *bad.values(), good[0], *good[1:]]
    exported = exporter.write(mixed, tmp_path / "set")
    assert exported.clips == 6
    reasons = dict(exported.problems)
    assert reasons.keys() == {*bad, good[0].id}
    assert "/nowhere/x.wav" in reasons["missing"]
    assert "text.wav" in reasons["text"]
    assert "split" in reasons["no split"]
    assert "basic4" in reasons["other scheme"]
    assert "character" in reasons["half a pair"]
    assert "same id" in reasons[good[0].id]
    clean = content(exporter.write(good, tmp_path / "clean").path)
    cards = ("emoforge.json", "README.md")  # these say that clips were left out
    found = content(exported.path)
    assert {k: v for k, v in found.items() if k not in cards} == {
        k: v for k, v in clean.items() if k not in cards
    }


def test_nothing_to_export_is_an_error(exporter, tmp_path):
    with pytest.raises(ExportError, match="no clip to export"):
        exporter.write([], tmp_path / "set")
    lost = [replace(clip, path="/nowhere/x") for clip in make(tmp_path / "source")]
    with pytest.raises(ExportError, match="no clip to export; the first of 6: /nowhere/x"):
        exporter.write(lost, tmp_path / "set")
    assert not (tmp_path / "set").exists()
    assert alone(tmp_path / "set")


def test_only_an_earlier_export_is_replaced(exporter, tmp_path):
    clips = make(tmp_path / "source")
    out = tmp_path / "set"
    out.mkdir()
    exporter.write(clips, out)  # an empty folder is as good as none
    once = content(out)
    other = cast(Exporter, create("exporter", NAMES[NAMES.index(exporter.name) - 1]))
    other.write(clips, out)
    exporter.write(clips, out)
    assert content(out) == once
    assert alone(out)

    (out / ".git").mkdir()
    with pytest.raises(ExportError, match=r"holds '\.git', which the export there did not write"):
        exporter.write(clips, out)
    (out / ".git").rmdir()
    assert content(out) == once

    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.tex").write_text("years of work")
    (foreign / "emoforge.json").write_text("[]")
    with pytest.raises(ExportError, match="no export of emoforge"):
        exporter.write(clips, foreign)
    assert (foreign / "chapter.tex").read_text() == "years of work"
    with pytest.raises(ExportError, match="is a file"):
        exporter.write(clips, foreign / "chapter.tex")


def test_an_interrupted_export_leaves_the_earlier_one(exporter, tmp_path):
    clips = make(tmp_path / "source")
    out = tmp_path / "set"
    exporter.write(clips, out)
    once = content(out)

    def interrupted() -> Iterator[Clip]:
        yield from clips[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exporter.write(interrupted(), out)
    assert content(out) == once
    assert alone(out)


def test_what_a_killed_export_left_is_cleared_and_a_running_one_is_not(exporter, tmp_path):
    clips = make(tmp_path / "source")
    out = tmp_path / "set"
    left = tmp_path / ".set.emoforge-partial"
    (left / "data").mkdir(parents=True)
    (left / "data" / "half.flac").write_bytes(b"half")
    handle = os.open(left, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(ExportError, match="another export"):
        exporter.write(clips, out)
    assert (left / "data" / "half.flac").exists()
    os.close(handle)
    exporter.write(clips, out)
    assert alone(out)
    assert not list(out.rglob("half.flac"))


FULL_DISK = """
import json, resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_exporters import NAMES, make
from emoforge.component import create
from emoforge.errors import ExportError
folder = Path(sys.argv[2])
clips = make(folder / "source", 40)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
found = {}
for name in NAMES:
    for limit in (0, 2000, 12_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            create("exporter", name).write(clips, folder / name / str(limit))
            found[f"{name}/{limit}"] = ""
        except ExportError as error:
            found[f"{name}/{limit}"] = str(error)
print(json.dumps(found))
"""


def test_a_full_disk_is_one_error_and_nothing_stays(tmp_path):
    """No file may grow beyond a limit: none at all, metadata or audio, tables and shards."""
    result = subprocess.run(
        [sys.executable, *("-W", "error", "-c", FULL_DISK), Path(__file__).parent, tmp_path],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.stderr == ""  # no traceback, nor an error that Python could not raise
    found = json.loads(result.stdout)
    assert found.keys() == {f"{name}/{limit}" for name in NAMES for limit in (0, 2000, 12_000)}
    for case, error in found.items():
        out = tmp_path / case
        # At the last limit only tables and shards, which hold many clips, outgrow it.
        if error or not case.endswith("/12000") or case.startswith(("parquet", "webdataset")):
            assert error == (
                f"{out}: the disk is full, nothing was exported; free some space and run the "
                "same command again"
            )
            assert not out.exists()
        assert alone(out)


def test_memory_does_not_grow_with_the_corpus(exporter, tmp_path):
    """Only a few clips are taken before they are written."""
    source = make(tmp_path / "source")
    taken = done = 0

    def stream() -> Iterator[Clip]:
        nonlocal taken
        for i in range(60):
            taken += 1
            yield replace(source[i % 6], id=f"{i}")

    ahead = []

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        ahead.append(taken - done)

    exporter.write(stream(), tmp_path / "set", advance)
    assert done == 60
    assert max(ahead) <= 16
    assert ahead[-1] == 0
