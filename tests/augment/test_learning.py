"""What is learned from recordings: where it goes, and what an earlier call leaves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import emoforge.selection.judges as judges
from emoforge.augment import JudgeTraining, ProfileMeasurement, measure_prosody, train
from emoforge.config import compose
from emoforge.errors import ConfigError
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
    shorter = replace(config, recipe=replace(config.recipe, epochs=1))
    for one in (config, config, shorter, replace(config, seed=1), replace(config, folds=2)):
        train(one, QUIET)
    assert places[0] == places[1]
    assert len(set(places)) == 4
