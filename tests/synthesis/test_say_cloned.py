"""`emoforge tts say` with the voice of recordings."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_coqui import yourtts
from typer.testing import CliRunner

from emoforge.audio import probe
from emoforge.cli import app
from emoforge.errors import AudioError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return yourtts(tmp_path_factory.mktemp("yourtts"))


def recordings(shared: Path, actor: int, takes: int = 2) -> list[Path]:
    """Angry clips of one actor."""
    folder = shared / "corpora" / "ravdess"
    found = sorted(folder.rglob(f"03-01-05-*-{actor:02}.flac"))
    assert len(found) >= takes
    return found[:takes]


def say(model: Path, out: Path, references: list[Path]) -> dict[str, Any]:
    arguments = ["tts", "say", "Hello there.", "--engine", "yourtts", "--language", "en"]
    for file in references:
        arguments += ["--reference", str(file)]
    arguments += ["--emotion", "angry", "--out", str(out), "--json", f"model={model}"]
    done = CliRunner().invoke(app, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_voice_is_cloned_and_both_emotions_are_told(
    model: Path, shared: Path, tmp_path: Path
) -> None:
    references = recordings(shared, 3)
    said = say(model, tmp_path / "x.wav", references)
    assert said["voice"] == references[0].stem
    assert said["target"] == "angry"
    assert said["licence"] == "CC-BY-NC-ND-4.0"
    assert said["achieved"] in said["heard"]
    assert probe(tmp_path / "x.wav").duration == pytest.approx(said["seconds"], abs=0.01)


def test_recordings_of_two_people_are_refused(model: Path, shared: Path, tmp_path: Path) -> None:
    both = [*recordings(shared, 9), *recordings(shared, 10)]
    with pytest.raises(AudioError, match="more than one voice is heard"):
        say(model, tmp_path / "x.wav", both)
    assert not (tmp_path / "x.wav").exists()
