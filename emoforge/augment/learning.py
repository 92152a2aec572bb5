"""What is learned from recordings: judges and emotion profiles."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emoforge.augment.corpora import CorpusConfig, read_corpus
from emoforge.augment.importing import Imported, sound_clips
from emoforge.clip import Clip
from emoforge.component import digest
from emoforge.errors import ConfigError
from emoforge.label import FULL
from emoforge.progress import Progress
from emoforge.selection.judges import Recipe
from emoforge.synthesis import Profile


@dataclass(frozen=True)
class JudgeTraining:
    """What `configs/judge_train.yaml` says.

    out: the weights' file; the card is written beside it.
    evaluate: measure the recipe on held-out speakers and corpora first: `folds` and more
        trainings, but a temperature and a card.
    jobs: trainings at a time while measuring; None: one a core.
    """

    corpus: CorpusConfig
    out: str
    recipe: Recipe = field(default_factory=Recipe)
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
    """Train a judge on a corpus; returns where its weights are and what was measured.

    An interrupted call continues: trainings whose weights lie in `<out>.runs` are not made again
    for the same recipe, seed, folds and clips.
    """
    from emoforge.selection.judges import evaluate_judge, train_judge, write_card

    progress = progress or Progress()
    out = Path(config.out)
    if out.suffix != ".safetensors":
        raise ConfigError(f"out={config.out}: weights are written as .safetensors")
    _make_place(out)
    clips = _clips(config.corpus, progress).clips
    evaluation: dict[str, Any] = {}
    if config.evaluate:
        evaluation = evaluate_judge(
            clips,
            config.recipe,
            out.with_suffix(".runs") / _identity(config, clips),
            folds=config.folds,
            seed=config.seed,
            jobs=config.jobs or len(os.sched_getaffinity(0)),
            progress=progress,
        )
    train_judge(
        clips,
        config.recipe,
        out,
        seed=config.seed,
        temperatures={
            name: evaluation[name]["calibration"]["temperature"]
            for name in config.recipe.schemes
            if config.evaluate
        },
        device=config.device,
        progress=progress,
    )
    if config.evaluate:
        write_card(out, evaluation, {})
    return {"weights": str(out), "clips": len(clips), "evaluation": evaluation}


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


def _identity(config: JudgeTraining, clips: Sequence[Clip]) -> str:
    said = [(clip.id, clip.digest, clip.speaker, clip.label.to_dict()) for clip in clips]
    return digest(dataclasses.asdict(config.recipe), config.seed, config.folds, said)[:12]


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
