"""What is learned from recordings: judges and emotion profiles."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from emoforge.augment.corpora import CorpusConfig, read_corpus
from emoforge.augment.importing import Imported, sound_clips
from emoforge.clip import Clip
from emoforge.component import create, digest
from emoforge.config import build
from emoforge.errors import ConfigError, CorpusError, nearest
from emoforge.label import FULL, Scheme, scheme
from emoforge.progress import Progress
from emoforge.selection.judges import HeadRecipe, Judge, Recipe, card_of
from emoforge.synthesis import Profile


@dataclass(frozen=True)
class JudgeTraining:
    """What `configs/judge_train.yaml` says.

    out: the weights' file; the card is written beside it.
    recipe: options, with `name`: `embedded` trains a network from the audio (`judges.Recipe`),
        `head` trains a head on the embeddings of `judge` (`judges.HeadRecipe`).
    judge: options, with `name`, of the judge that the head is for.
    evaluate: measure the recipe on held-out speakers and corpora first: `folds` and more
        trainings, but a temperature and a card.
    device: where the network is trained. jobs: its trainings at a time while measuring; None: one
        a core.
    """

    corpus: CorpusConfig
    out: str
    recipe: dict[str, Any] = field(default_factory=lambda: {"name": "embedded"})
    judge: dict[str, Any] = field(default_factory=lambda: {"name": "embedded"})
    seed: int = 0
    device: str = "cpu"
    evaluate: bool = True
    folds: int = 5
    jobs: int | None = None


@dataclass(frozen=True)
class ProfileMeasurement:
    """What `configs/profile.yaml` says. out: the YAML file. workers: None: one a core."""

    corpus: CorpusConfig
    out: str
    workers: int | None = None


def train(config: JudgeTraining, progress: Progress | None = None) -> dict[str, Any]:
    """Train a judge, or a head for one; returns where the weights are and what was measured.

    An interrupted call continues: what lies in `<out>.runs`, trainings for the same recipe, seed,
    folds and clips and embeddings of the same encoder and clips, is not made again.
    """
    progress = progress or Progress()
    out = Path(config.out)
    if out.suffix != ".safetensors":
        raise ConfigError(f"out={config.out}: weights are written as .safetensors")
    if config.folds < 2:
        raise ConfigError(
            f"folds={config.folds}: at least 2, to learn from one and test on another"
        )
    recipe = _recipe(config.recipe)
    judge = _judge(config.judge, recipe)
    _make_place(out)
    clips = _labelled(_clips(config.corpus, progress).clips, recipe.schemes)
    evaluation = (
        _train_heads(config, judge, recipe, out, clips, progress)
        if isinstance(recipe, HeadRecipe)
        else _train_network(config, recipe, out, clips, progress)
    )
    return {
        "weights": str(out),
        "card": str(card_of(out)) if config.evaluate else None,
        "calibrated": config.evaluate,
        "clips": len(clips),
        "evaluation": evaluation,
    }


def _recipe(options: Mapping[str, Any]) -> Recipe | HeadRecipe:
    own = dict(options)
    name = own.pop("name", "embedded")
    kinds: dict[str, type[Recipe] | type[HeadRecipe]] = {"embedded": Recipe, "head": HeadRecipe}
    if name not in kinds:
        raise ConfigError(f"recipe.name={name}: {nearest(str(name), kinds)}")
    return build(kinds[name], own, prefix="recipe.")


def _judge(options: Mapping[str, Any], recipe: Recipe | HeadRecipe) -> Judge:
    own = dict(options)
    name = own.pop("name", "embedded")
    if isinstance(recipe, Recipe) and (name != "embedded" or own.get("path")):
        raise ConfigError(
            "recipe=embedded trains the network of judge=embedded from nothing; to train a head "
            "for a judge that is there, take recipe=head"
        )
    if own.get("head"):
        raise ConfigError(
            f"judge.head={own['head']}: a head is what is to be trained; leave it out, and name "
            "the new head's file with out=FILE"
        )
    judge = cast(Judge, create("judge", name, own))
    judge.check_requirements()
    return judge


def _labelled(clips: Sequence[Clip], schemes: Sequence[str]) -> list[Clip]:
    """The clips that one of the schemes can label; raises CorpusError if there are none."""
    found = [clip for clip in clips if any(clip.label.project(scheme(name)) for name in schemes)]
    if not found:
        raise CorpusError(f"none of {len(clips)} clips has an emotion of {', '.join(schemes)}")
    return found


def _absent(clips: Sequence[Clip], scheme: Scheme) -> list[str]:
    """The classes of a scheme that no clip has anything of."""
    labels = [label.distribution for clip in clips if (label := clip.label.project(scheme))]
    return [name for c, name in enumerate(scheme.classes) if not any(one[c] for one in labels)]


def _train_heads(
    config: JudgeTraining,
    judge: Judge,
    recipe: HeadRecipe,
    out: Path,
    clips: Sequence[Clip],
    progress: Progress,
) -> dict[str, Any]:
    from emoforge.selection.judges import train_heads

    return train_heads(
        clips,
        judge,
        recipe,
        out,
        runs=out.with_suffix(".runs"),
        evaluate=config.evaluate,
        folds=config.folds,
        seed=config.seed,
        progress=progress,
    )


def _train_network(
    config: JudgeTraining, recipe: Recipe, out: Path, clips: Sequence[Clip], progress: Progress
) -> dict[str, Any]:
    from emoforge.selection.judges import evaluate_judge, train_judge, write_card

    for name in recipe.schemes:
        if absent := _absent(clips, scheme(name)):
            progress.note(
                f"no clip to learn {', '.join(absent)} from: what this judge will say of them "
                f"under scheme {name} means nothing"
            )
    evaluation: dict[str, Any] = {}
    if config.evaluate:
        evaluation = evaluate_judge(
            clips,
            recipe,
            out.with_suffix(".runs") / _identity(config, recipe, clips),
            folds=config.folds,
            seed=config.seed,
            jobs=config.jobs or len(os.sched_getaffinity(0)),
            progress=progress,
        )
    train_judge(
        clips,
        recipe,
        out,
        seed=config.seed,
        temperatures={
            name: evaluation[name]["calibration"]["temperature"]
            for name in recipe.schemes
            if config.evaluate
        },
        device=config.device,
        progress=progress,
    )
    if config.evaluate:
        write_card(out, evaluation, {})
    return evaluation


def measure_prosody(config: ProfileMeasurement, progress: Progress | None = None) -> Profile:
    """Measure the emotion profile of a corpus and write it as YAML."""
    from emoforge.synthesis import measure_profile

    progress = progress or Progress()
    _make_place(Path(config.out))
    profile = measure_profile(
        _clips(config.corpus, progress).clips, workers=config.workers, progress=progress
    )
    profile.save(config.out)
    return profile


def _identity(config: JudgeTraining, recipe: Recipe, clips: Sequence[Clip]) -> str:
    said = [(clip.id, clip.digest, clip.speaker, clip.label.to_dict()) for clip in clips]
    return digest(dataclasses.asdict(recipe), config.seed, config.folds, said)[:12]


def _make_place(out: Path) -> None:
    """Make the folder that `out` goes into: what took long to learn must not be lost at the end."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={out}: cannot be written ({error.strerror})") from error


def _clips(config: CorpusConfig, progress: Progress) -> Imported:
    imported = sound_clips(read_corpus(config, FULL), progress)
    for problem in imported.problems:
        progress.note(f"{problem.where}: {problem.sentence}")
    return imported
