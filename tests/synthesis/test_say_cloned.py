"""Voices of recordings, from the command line and in a corpus that is built."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_coqui import yourtts
from typer.testing import CliRunner

from emoforge.audio import probe
from emoforge.augment.corpus_builder.script import Scriptwriter
from emoforge.augment.corpus_builder.texts import load_texts
from emoforge.augment.job import RecipeConfig
from emoforge.cast import Cast
from emoforge.cli import app
from emoforge.clip import Clip
from emoforge.component import create, rng_for
from emoforge.errors import AudioError
from emoforge.label import BASIC4, Label
from emoforge.synthesis import Engine


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


def test_a_corpus_of_graded_clones_is_given_neutral_clips_too(model: Path) -> None:
    engine = create("generator", "yourtts", {"model": str(model), "strength": [0.7, 1.3]})
    assert isinstance(engine, Engine)
    clips = [
        Clip(
            id=f"c/{emotion}-{n}", path="x.flac", duration=2.0, rate=16000, corpus="c",
            label=Label.of(emotion, BASIC4), speaker="ann", split="train", language="en",
            digest=f"{emotion}{n}",
        )
        for emotion in ("angry", "neutral")
        for n in range(2)
    ]  # fmt: skip
    recipe = RecipeConfig("test", 3, ["angry"])
    texts = load_texts("neutral", clips)
    writer = Scriptwriter(recipe, BASIC4, Cast.of(clips), texts, ["train"], 0)
    made = writer.write([engine])
    assert made.problems == []
    for slot in made.slots:
        assert {clip.emotion for clip in slot.clip.references} == {"angry", "neutral"}
        assert slot.generator.plan(slot.clip, rng_for(1))["emotion"] == "angry"
