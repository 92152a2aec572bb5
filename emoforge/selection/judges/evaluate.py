"""How well a recipe hears people whom it has not met: the numbers of a judge's card."""

from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import torch

from emoforge.clip import Clip
from emoforge.label import scheme
from emoforge.pool import process_pool
from emoforge.progress import Progress
from emoforge.selection.judges.features import RATE, heard_frames
from emoforge.selection.judges.model import Model
from emoforge.selection.judges.recipe import Recipe
from emoforge.selection.judges.tested import Logits, Tested, speaker_folds, summary
from emoforge.selection.judges.train import train_judge


def evaluate_judge(
    clips: Sequence[Clip],
    recipe: Recipe,
    out: Path,
    *,
    folds: int = 5,
    unseen: Sequence[int] = (),
    seed: int = 0,
    jobs: int = 1,
    progress: Progress,
) -> dict[str, Any]:
    """Measure a recipe with every speaker held out once, and with every corpus left out once.

    out: folder for the weights of the runs; a run whose weights are there is not made again.
    unseen: folds on whose speakers no choice of the recipe was based; they are reported apart.
    Returns plain JSON values, by scheme: UAR and macro-F1 per corpus over its classes with
    95 % intervals from a bootstrap over speakers, the temperature, and calibration.
    Raises CorpusError for a single speaker.
    """
    schemes = [scheme(name) for name in recipe.schemes]
    clips = [clip for clip in clips if any(clip.label.project(s) for s in schemes)]
    folds = min(folds, len({clip.speaker for clip in clips}))
    fold_of = speaker_folds(clips, folds)
    held_out = [[clip for clip in clips if fold_of[clip.speaker] == k] for k in range(folds)]
    corpora = list(dict.fromkeys(clip.corpus for clip in clips))
    left_out = {name: [clip for clip in clips if clip.corpus == name] for name in corpora}
    runs = {f"fold-{k}": test for k, test in enumerate(held_out)}
    if len(corpora) > 1:
        runs |= {f"without-{name}": test for name, test in left_out.items()}
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: out / f"{name}.safetensors" for name in runs}
    pending = [name for name in runs if not weights[name].exists()]
    with (
        progress.stage("evaluate", len(pending)) as advance,
        process_pool(jobs) as pool,
    ):
        started = []
        for name in pending:
            tested = {clip.id for clip in runs[name]}
            train = [clip for clip in clips if clip.id not in tested]
            started.append(pool.submit(_train, train, recipe, weights[name], seed))
        for finished in as_completed(started):
            finished.result()
            advance(1)
    heard = {name: _hear(weights[name], test) for name, test in runs.items()}
    report: dict[str, Any] = {"folds": folds, "seed": seed, "fold_of_speaker": fold_of}
    for s in schemes:
        answers = {name: Tested.of(test, heard[name][s.name], s) for name, test in runs.items()}
        report[s.name] = summary(
            [answers[f"fold-{k}"] for k in range(folds)],
            {name: answers[f"without-{name}"] for name in corpora if f"without-{name}" in runs},
            s,
            unseen,
        )
    return report


def _train(clips: Sequence[Clip], recipe: Recipe, out: Path, seed: int) -> None:
    train_judge(clips, recipe, out, seed=seed, progress=Progress(quiet=True))


def _hear(weights: Path, clips: Sequence[Clip]) -> dict[str, Logits]:
    """Logits by scheme name, [n, classes]."""
    model = Model.load(weights)
    samples = (torch.from_numpy(clip.read(RATE).samples) for clip in clips)
    heard = model.hear([heard_frames(x, model.features) for x in samples])
    return {s.name: torch.stack([h.logits[s.name] for h in heard]).numpy() for s in model.schemes}
