"""Bad recordings, whole runs: one sentence for each, and the rest of the work intact."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoforge.augment.corpora import CorpusConfig, read_corpus
from emoforge.augment.importing import Imported, import_corpus
from emoforge.label import BASIC4
from emoforge.progress import Progress
from emoforge.workspace import Workspace

QUIET = Progress(quiet=True)


def tone(seconds: float, rate: int = 16000, channels: int = 1) -> np.ndarray:
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, axis=1)


def write_corpus(folder: Path) -> Path:
    """A corpus in which nearly every recording has something wrong with it."""
    folder.mkdir()
    soundfile.write(folder / "good.wav", tone(1), 16000)
    soundfile.write(folder / "eight_bit.wav", tone(1), 16000, subtype="PCM_U8")
    soundfile.write(folder / "fast.wav", tone(1, 96000), 96000)
    soundfile.write(folder / "seven.wav", tone(1, channels=7), 16000)
    soundfile.write(folder / "blink.wav", tone(0.02), 16000)
    soundfile.write(folder / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(folder / "cut.flac", tone(2), 16000)
    os.truncate(folder / "cut.flac", (folder / "cut.flac").stat().st_size // 2)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is not audio\n" * 50)
    soundfile.write(folder.parent / "outside.wav", tone(1), 16000)
    rows = [
        ("good.wav", "happy"),
        ("eight_bit.wav", "sad"),
        ("fast.wav", "neutral"),
        ("seven.wav", "sad"),
        ("blink.wav", "sad"),
        ("nan.wav", "sad"),
        ("cut.flac", "sad"),
        ("empty.wav", "sad"),
        ("text.wav", "sad"),
        ("missing.wav", "sad"),
        ("../outside.wav", "sad"),
        ("good.wav", "hapy"),
        ("good.wav", "sad"),
    ]
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "emotion", "speaker"))
        table.writerows((*row, f"s{i % 3}") for i, row in enumerate(rows))
    return manifest


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[tuple[Imported, Workspace, Path]]:
    manifest = write_corpus(tmp_path / "corpus")
    corpus = read_corpus(CorpusConfig(name="bad", manifest=str(manifest), root=""), BASIC4)
    with Workspace.open(tmp_path / "workspace", write=True) as workspace:
        yield import_corpus(workspace, corpus, QUIET), workspace, manifest


def test_each_bad_recording_has_its_sentence(
    imported: tuple[Imported, Workspace, Path],
) -> None:
    sentences = {(Path(p.where).name, p.sentence) for p in imported[0].problems}
    for where, what in (
        ("seven.wav", "7 channels"),
        ("blink.wav", "0.020 s long, a clip needs at least 0.1 s"),
        ("nan.wav", "16000 of 16000 samples are not finite"),
        ("cut.flac", "cut off"),
        ("empty.wav", "the file is empty"),
        ("text.wav", "neither libsndfile nor FFmpeg can read this"),
        ("missing.wav", "No such file"),
        ("manifest.csv:12", "outside"),
        ("manifest.csv:13", "did you mean 'happy'?"),
        ("manifest.csv:14", "already"),
    ):
        assert any(w == where and what in s for w, s in sentences), (where, sentences)
    assert len(sentences) == 10


def test_unusual_recordings_are_read(imported: tuple[Imported, Workspace, Path]) -> None:
    found = {Path(clip.path).name: clip for clip in imported[0].clips}
    assert set(found) == {"good.wav", "eight_bit.wav", "fast.wav"}
    assert found["fast.wav"].rate == 96000
    assert found["eight_bit.wav"].duration == 1.0
    assert len({clip.digest for clip in found.values()}) == 3


def test_a_recording_that_changes_is_noticed(
    imported: tuple[Imported, Workspace, Path],
) -> None:
    _, workspace, manifest = imported
    soundfile.write(manifest.parent / "good.wav", tone(1.5), 16000)
    text = manifest.read_text().replace("fast.wav,neutral", "fast.wav,angry")
    manifest.write_text(text)
    config = CorpusConfig(name="bad", manifest=str(manifest), root="")
    again = import_corpus(workspace, read_corpus(config, BASIC4), QUIET)
    sentences = {Path(p.where).name: p.sentence for p in again.problems}
    assert "its audio file changed since this workspace read clip bad/good" in sentences["good.wav"]
    assert "its label or its row changed" in sentences["fast.wav"]
    assert [clip.id for clip in again.clips] == ["bad/eight_bit"]


def emoforge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = "from emoforge.cli import main; main()"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def settings(manifest: Path, workspace: Path) -> list[str]:
    return [
        "corpus=manifest",
        f"corpus.manifest={manifest}",
        f"workspace={workspace}",
        "generators=[signal]",
        "splits=[train,dev,test]",
        "runner.workers=0",
    ]


def test_a_run_over_a_bad_corpus_ends_well(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "corpus")
    run = emoforge("augment", "--json", *settings(manifest, tmp_path / "w"))
    assert run.returncode == 0, run.stderr
    assert '"problems"' in run.stdout
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["generators=[sigal]"], "did you mean 'signal'?"),
        (["corpus=nemmo"], "did you mean 'nemo'?"),
        (["gates.duration.lowst=1"], "there is no setting"),
        (["selector.threshold=2"], "threshold=2"),
        (["scheme=basic5"], "did you mean 'basic4'?"),
        (["scheme=full"], "the judge 'embedded' does not know scheme 'full': known: basic4, wide8"),
        (["corpus.columns.emotion=mood"], "mood"),
        (["seed=seven"], "seed"),
        (["splits=[training]"], "did you mean 'train'?"),
        (["judge.path=nowhere.safetensors"], "nowhere.safetensors"),
        (["nonsense"], "write key=value"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, change: list[str], said: str) -> None:
    manifest = write_corpus(tmp_path / "corpus")
    base = [
        s for s in settings(manifest, tmp_path / "w") if s.split("=")[0] != change[0].split("=")[0]
    ]
    run = emoforge("augment", *base, *change)
    assert run.returncode == 1
    errors = [line for line in run.stderr.splitlines() if line.startswith("emoforge: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in run.stderr


def test_a_workspace_of_another_version_is_refused(tmp_path: Path) -> None:
    with Workspace.open(tmp_path / "w", write=True):
        pass
    import sqlite3

    with sqlite3.connect(tmp_path / "w" / "catalogue.db") as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    database.close()
    run = emoforge("inspect", tmp_path / "w")
    assert run.returncode == 1
    assert "schema 99" in run.stderr
    assert "Traceback" not in run.stderr


def test_two_runs_on_one_workspace(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "corpus")
    with Workspace.open(tmp_path / "w", write=True):
        run = emoforge("augment", *settings(manifest, tmp_path / "w"))
    assert run.returncode == 1
    assert "another run is writing to this workspace" in run.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_stops_the_run_and_keeps_what_was_made(few: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=450k", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        run = emoforge("augment", *settings(few, disk / "w"))
        assert run.returncode == 1
        assert "the disk is full" in run.stderr
        assert "Traceback" not in run.stderr
        shutil.copytree(disk / "w", tmp_path / "w")
    finally:
        subprocess.run(["umount", disk], check=True)
    with Workspace.open(tmp_path / "w") as workspace:
        made = {clip.id: clip for clip in workspace.clips(generated=True)}
    kept = len(made)
    run = emoforge("augment", *settings(few, tmp_path / "w"))
    assert run.returncode == 0, run.stderr
    with Workspace.open(tmp_path / "w") as workspace:
        assert len(list(workspace.clips(generated=True))) == 16 > kept
