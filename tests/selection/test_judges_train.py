"""Training and evaluation of judges, on a few real clips."""

import csv
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from emoforge.clip import Clip
from emoforge.config import build
from emoforge.errors import ConfigError, CorpusError
from emoforge.label import Label, canonical
from emoforge.progress import Advance, Progress
from emoforge.selection.judges import (
    EmbeddedJudge,
    Recipe,
    evaluate_judge,
    read_card,
    train_judge,
    write_card,
)
from emoforge.selection.judges.card import page
from emoforge.selection.judges.evaluate import speaker_folds
from emoforge.selection.judges.examples import load_examples
from emoforge.selection.judges.model import Model
from emoforge.selection.judges.recipe import NetworkSettings, Perturbation
from emoforge.selection.judges.train import fit, perturbed

SMALL = Recipe(
    network=NetworkSettings(channels=(4, 4, 4, 4), hidden=16, embedding=8),
    perturbation=Perturbation(voices=3),
    epochs=2,
    batch=8,
    crop=64,
    precision="float32",
)
QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def clips(shared: Path) -> list[Clip]:
    """Some clips of two speakers of each gender in two corpora."""
    speakers = {"emodb_03", "emodb_10", "emodb_09", "emodb_08"} | {
        f"ravdess_0{n}" for n in range(1, 5)
    }
    with (shared / "corpora" / "manifest.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["speaker"] in speakers][::5]
    return [
        Clip(
            id=row["path"],
            path=str(shared / "corpora" / row["path"]),
            duration=float(row["duration_s"]),
            rate=16000,
            label=Label.of(canonical(row["emotion"])),
            speaker=row["speaker"],
            corpus=row["corpus"],
            gender=row["gender"],
            licence=row["licence"],
        )
        for row in rows
    ]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_recipe_in_the_package_is_the_one_of_its_weights() -> None:
    import yaml

    import emoforge
    from emoforge.selection.judges.embedded import WEIGHTS

    configs = Path(emoforge.__file__).parent / "configs" / "recipe" / "embedded.yaml"
    values = yaml.safe_load(configs.read_text(encoding="utf-8"))
    assert values.pop("name") == "embedded"
    recipe = build(Recipe, values)
    about = Model.load(WEIGHTS).about
    assert json.loads(json.dumps(dataclasses.asdict(recipe))) == about["recipe"]
    assert about["licences"] == ["CC-BY-NC-SA-4.0", "CC0-1.0"]


def test_training_is_repeatable_and_leaves_global_randomness_alone(
    clips: list[Clip], tmp_path: Path
) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for name in ("one", "two"):
        train_judge(clips, SMALL, tmp_path / f"{name}.safetensors", seed=3, progress=QUIET)
    train_judge(clips, SMALL, tmp_path / "other.safetensors", seed=4, progress=QUIET)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    one, two, other = (
        EmbeddedJudge(path=str(tmp_path / f"{name}.safetensors"))
        for name in ("one", "two", "other")
    )
    assert one.weights == two.weights != other.weights
    assert len(one.score([clips[0].read(16000).samples])) == 1
    assert not list(tmp_path.glob("*.part"))


def test_interrupted_training_continues_to_the_same_weights(
    clips: list[Clip], tmp_path: Path
) -> None:
    examples = load_examples(clips, SMALL, QUIET)
    whole = fit(examples, SMALL, 0, None, "cpu", QUIET).state_dict()

    class Stop(Exception):  # noqa: N818 - a signal
        pass

    class StopsAfterOneEpoch(Progress):
        @contextmanager
        def stage(self, name: str, total: int) -> Iterator[Advance]:
            def advance(count: int) -> None:
                if count:
                    raise Stop

            yield advance

    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(Stop):
        fit(examples, SMALL, 0, checkpoint, "cpu", StopsAfterOneEpoch())
    continued = fit(examples, SMALL, 0, checkpoint, "cpu", QUIET).state_dict()
    assert all(torch.equal(whole[name], continued[name]) for name in whole)
    with pytest.raises(ConfigError, match="another recipe"):
        fit(examples, SMALL, 1, checkpoint, "cpu", QUIET)


def test_classes_that_a_corpus_lacks_are_not_held_against_it(clips: list[Clip]) -> None:
    examples = load_examples(clips, SMALL, QUIET)
    emodb = [i for i, clip in enumerate(examples.clips) if clip.corpus == "emodb"]
    assert not examples.allowed["wide8"][emodb, 1].any()  # calm
    assert examples.allowed["basic4"].all()
    assert torch.equal(
        examples.targets["basic4"].sum(1) > 0,
        torch.tensor([c.emotion in ("angry", "happy", "neutral", "sad") for c in examples.clips]),
    )


def test_without_perturbation_a_short_clip_stays_as_it_is(clips: list[Clip]) -> None:
    calm = Perturbation(voice=0, voices=1, tempo=0, equaliser=0, noise=0, masks=0)
    recipe = dataclasses.replace(SMALL, perturbation=calm)
    examples = load_examples(clips[:4], recipe, QUIET)
    frames, lengths = perturbed(examples, torch.arange(4), 512, calm, torch.Generator())
    assert torch.equal(lengths, examples.lengths)
    mean = [frames[i, :n].mean() for i, n in enumerate(lengths.tolist())]
    assert torch.stack(mean).abs().max() < 1e-4


def test_no_usable_clip_is_an_error(clips: list[Clip]) -> None:
    bored = [dataclasses.replace(clips[0], label=Label.of("bored"))]
    with pytest.raises(CorpusError, match="none of 1 clips"):
        load_examples(bored, SMALL, QUIET)


def test_folds_keep_speakers_together_and_genders_apart(clips: list[Clip]) -> None:
    folds = speaker_folds(clips, 2)
    assert folds.keys() == {clip.speaker for clip in clips}
    for corpus in ("emodb", "ravdess"):
        for gender in ("female", "male"):
            mine = {c.speaker for c in clips if c.corpus == corpus and c.gender == gender}
            assert sorted(folds[speaker] for speaker in mine) == [0, 1]


def test_one_speaker_cannot_be_measured_on(clips: list[Clip], tmp_path: Path) -> None:
    alone = [clip for clip in clips if clip.speaker == "emodb_03"]
    with pytest.raises(CorpusError, match=r"are of one speaker \(emodb_03\).*evaluate=false"):
        evaluate_judge(alone, SMALL, tmp_path, progress=QUIET)


def test_there_are_no_more_folds_than_speakers(clips: list[Clip], tmp_path: Path) -> None:
    few = [clip for clip in clips if clip.speaker in ("emodb_03", "emodb_08")]
    recipe = dataclasses.replace(SMALL, epochs=1)
    report = evaluate_judge(few, recipe, tmp_path, folds=5, progress=QUIET)
    assert report["folds"] == 2
    assert report["wide8"]["held_out_speakers"]["emodb"]["speakers"] == 2


def test_evaluation_and_card(clips: list[Clip], tmp_path: Path) -> None:
    recipe = dataclasses.replace(SMALL, epochs=1)
    report = evaluate_judge(clips, recipe, tmp_path, folds=2, unseen=[0], progress=QUIET)
    runs = {path.stem: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    assert runs.keys() == {"fold-0", "fold-1", "without-emodb", "without-ravdess"}
    again = evaluate_judge(clips, recipe, tmp_path, folds=2, unseen=[0], progress=QUIET)
    assert again == report
    assert {p.stem: p.stat().st_mtime_ns for p in tmp_path.glob("*.safetensors")} == runs

    emodb = report["wide8"]["held_out_speakers"]["emodb"]
    assert emodb["classes"] == ["angry", "happy", "neutral", "sad"]
    low, high = emodb["uar"]["interval"]
    assert 0 <= low <= emodb["uar"]["value"] <= high <= 1

    weights = tmp_path / "mine.safetensors"
    temperatures = {
        name: report[name]["calibration"]["temperature"] for name in ("wide8", "basic4")
    }
    train_judge(clips, recipe, weights, temperatures=temperatures, progress=QUIET)
    write_card(weights, report, {"summary": "A test."})
    card = read_card(tmp_path / "mine.card.json")
    assert card is not None
    assert card["evaluation"] == report
    assert f"| emodb | 4 | {emodb['clips']} | 4 |" in page(card)
    assert "emodb" in (tmp_path / "mine.card.html").read_text(encoding="utf-8")
