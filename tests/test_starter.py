"""The starter corpus: what it says it is, and made again to the last bit."""

import csv
import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import emoforge
from emoforge.audio import loudness, probe, read

FOLDER = Path(emoforge.__file__).parent / "starter"
SCRIPT = FOLDER.parent.parent / "tools" / "make_starter_corpus.py"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with open(FOLDER / "manifest.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    pytest.importorskip("pyopenjtalk", reason="pyopenjtalk-plus is in the extra tts")
    spec = importlib.util.spec_from_file_location("make_starter_corpus", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_speaker_says_everything_in_every_emotion(rows: list[dict[str, str]]) -> None:
    said = Counter((row["speaker"], row["emotion"], row["text"]) for row in rows)
    assert len(said) == len(rows) == 60
    assert Counter(row["emotion"] for row in rows) == dict.fromkeys(
        ("angry", "happy", "neutral", "sad"), 15
    )
    splits = {(row["speaker"], row["split"]) for row in rows}
    assert splits == {("mei", "train"), ("takumi", "train"), ("tohoku", "test")}


def test_the_manifest_and_the_folder_agree_and_are_small(rows: list[dict[str, str]]) -> None:
    files = sorted(FOLDER.glob("*.flac"))
    assert [file.name for file in files] == sorted(row["path"] for row in rows)
    assert sum(file.stat().st_size for file in files) < 3_000_000


def test_clips_are_speech_of_ordinary_length_and_level(rows: list[dict[str, str]]) -> None:
    for row in rows:
        path = FOLDER / row["path"]
        header = probe(path)
        assert (header.rate, header.channels) == (16_000, 1)
        assert 1.5 < header.duration < 3, path
        assert -30 < loudness(read(path)) < -20, path


def test_a_voice_makes_the_same_samples_again(
    script: ModuleType, shared: Path, rows: list[dict[str, str]]
) -> None:
    speaker = script.SPEAKERS[0]
    clips = {
        emotion: script.synthesise(shared / "weights" / "hts_voices" / speaker.voice(emotion))
        for emotion in ("neutral", "sad")
    }
    gain = script.level_gain(clips["neutral"])
    for emotion, audios in clips.items():
        for number, audio in enumerate(audios, start=1):
            path = FOLDER / script.file_name(speaker, emotion, number)
            assert script.levelled(audio, gain) == path.read_bytes(), path
