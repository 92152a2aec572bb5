"""What is learned from recordings: where it goes, and what an earlier call leaves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import emoforge.selection.judges as judges
from emoforge.augment import JudgeTraining, ProfileMeasurement, measure_prosody, train
from emoforge.cli import app
from emoforge.config import compose
from emoforge.errors import ConfigError, CorpusError
from emoforge.progress import Progress

QUIET = Progress(quiet=True)


def test_a_profile_goes_into_a_new_folder(tmp_path: Path) -> None:
    overrides = ["corpus=starter", "workers=1", f"out={tmp_path}/new/profile.yaml"]
    measure_prosody(compose("profile", overrides, ProfileMeasurement), QUIET)
    assert (tmp_path / "new" / "profile.yaml").is_file()


def test_a_place_that_cannot_be_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    overrides = ["corpus=starter", f"out={tmp_path}/file/profile.yaml"]
    with pytest.raises(ConfigError, match="cannot be written"):
        measure_prosody(compose("profile", overrides, ProfileMeasurement), QUIET)


def test_trainings_of_another_recipe_are_not_taken_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[Path] = []

    def evaluate(clips: Any, recipe: Any, out: Path, **options: Any) -> dict[str, Any]:
        places.append(out)
        return {name: {"calibration": {"temperature": 1.0}} for name in recipe.schemes}

    monkeypatch.setattr(judges, "evaluate_judge", evaluate)
    monkeypatch.setattr(judges, "train_judge", lambda *values, **options: None)
    monkeypatch.setattr(judges, "write_card", lambda *values: None)
    overrides = ["corpus=starter", f"out={tmp_path}/judge.safetensors"]
    config = compose("judge_train", overrides, JudgeTraining)
    shorter = replace(config, recipe=config.recipe | {"epochs": 1})
    for one in (config, config, shorter, replace(config, seed=1), replace(config, folds=2)):
        train(one, QUIET)
    assert places[0] == places[1]
    assert len(set(places)) == 4


def test_a_head_is_trained_by_the_command_and_then_asked(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "head.safetensors"
    words = ["recipe=head", f"corpus.manifest={few}", f"out={out}", "--json"]
    shown = CliRunner().invoke(app, ["judge", "train", *words])
    assert shown.exit_code == 0, shown.output
    result = json.loads(shown.stdout)
    assert (result["weights"], result["clips"], result["calibrated"]) == (str(out), 16, True)
    assert result["evaluation"]["basic4"]["held_out_speakers"]["manifest"]["clips"] == 16
    assert result["card"] == str(out.with_name("head.card.json"))
    assert Path(result["card"]).is_file()
    # The embeddings are there: another recipe encodes nothing.
    words = ["recipe=head", "recipe.hidden=8", f"corpus.manifest={few}", f"out={out}"]
    shown = CliRunner().invoke(app, ["judge", "train", *words])
    assert '"encode"' not in shown.stderr
    assert "Held-out speakers, basic4" in shown.stdout
    clip = next(few.parent.glob("*.flac"))
    shown = CliRunner().invoke(app, ["judge", "score", str(clip), f"judge.head={out}", "--json"])
    assert json.loads(shown.stdout)["judged"] == 1


def test_a_head_without_evaluation_says_that_it_is_not_calibrated(
    few: Path, tmp_path: Path
) -> None:
    out = tmp_path / "head.safetensors"
    words = ["recipe=head", f"corpus.manifest={few}", f"out={out}", "evaluate=false"]
    shown = CliRunner().invoke(app, ["judge", "train", *words])
    assert shown.exit_code == 0, shown.output
    assert "uncalibrated" in shown.stdout
    assert not out.with_name("head.card.json").exists()


def test_emotions_that_a_network_cannot_learn_are_named(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "train_judge", lambda *values, **options: None)
    words = ["recipe.schemes=[wide8,basic4]", f"corpus.manifest={few}", "evaluate=false"]
    shown = CliRunner().invoke(app, ["judge", "train", *words, f"out={tmp_path}/x.safetensors"])
    assert shown.exit_code == 0, shown.output
    absent = "no clip to learn calm, disgusted, fearful, surprised from"
    assert shown.stderr.count(absent) == 1
    assert "scheme basic4" not in shown.stderr


def test_what_the_encoder_learned_from_is_said_beside_the_scores(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "head.safetensors"
    words = ["recipe=head", f"corpus.manifest={few}", "corpus.name=emodb", f"out={out}"]
    shown = CliRunner().invoke(app, ["judge", "train", *words])
    assert "emodb: in the encoder's training data, so too good" in shown.stdout
    page = out.with_name("head.card.html").read_text("utf-8")
    assert "The encoder was trained on emodb" in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["recipe=hed"], "there is no recipe 'hed': did you mean 'head'"),
        (["recipe=head", "recipe.epochs=1"], "there is no setting 'recipe.epochs'"),
        (["recipe.hidden=1"], "there is no setting 'recipe.hidden'"),
        (["recipe=head", "judge.head=x"], "judge.head=x: a head is what is to be trained"),
        (["judge=egemaps"], "to train a head for a judge that is there, take recipe=head"),
        (["folds=1"], "folds=1: at least 2"),
        (["out=x.bin"], "out=x.bin: weights are written as .safetensors"),
    ],
)
def test_a_training_that_cannot_be_is_one_sentence(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    overrides = ["corpus=starter", f"out={tmp_path}/judge.safetensors", *words]
    with pytest.raises(ConfigError) as caught:
        train(compose("judge_train", overrides, JudgeTraining), QUIET)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_clip_of_the_recipes_classes_is_one_sentence(few: Path, tmp_path: Path) -> None:
    few.write_text("path,speaker,emotion\nx.wav,a,bored\n".replace("x.wav", _first(few)))
    overrides = [f"corpus.manifest={few}", f"out={tmp_path}/x.safetensors", "recipe=head"]
    with pytest.raises(CorpusError, match="none of 1 clips has an emotion of basic4"):
        train(compose("judge_train", overrides, JudgeTraining), QUIET)


def _first(few: Path) -> str:
    return sorted(path.name for path in few.parent.glob("*.flac"))[0]
