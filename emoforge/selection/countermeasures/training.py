"""Training a countermeasure: clips, a recipe and a seed in, the same weights out."""

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emoforge.component import digest
from emoforge.errors import ConfigError
from emoforge.progress import Progress
from emoforge.selection.countermeasures.countermeasure import (
    Countermeasure,
    Frames,
    excerpt,
    frames_of,
    placed,
)
from emoforge.selection.countermeasures.error_rates import Mask, eer
from emoforge.selection.countermeasures.lcnn import LCNN, built, loss
from emoforge.selection.countermeasures.recipe import CountermeasureRecipe

_VERSION = 1
"""Raised whenever the same clips would give other weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Clips to learn from and to choose by.

    ids: of the clips, with what was done to them. frames: LFCC [t_i, 60] of each. spoof: bool [n].
    """

    ids: Sequence[str]
    frames: Sequence[Frames]
    spoof: Mask

    def take(self, rows: Mask) -> "Examples":
        """The clips of a mask [n]."""
        at = np.flatnonzero(rows).tolist()
        return Examples([self.ids[i] for i in at], [self.frames[i] for i in at], self.spoof[at])


@dataclass(frozen=True, slots=True)
class _Best:
    """The best epoch so far: by EER on the dev clips, then by loss there."""

    error: float
    loss: float
    epoch: int


def train_countermeasure(
    name: str,
    train: Examples,
    dev: Examples,
    recipe: CountermeasureRecipe,
    out: Path,
    *,
    start: Countermeasure | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress,
) -> Countermeasure:
    """Train from random weights, or go on from `start`; the epoch that is best on dev is kept.

    Writes `out` (safetensors) and a JSON beside it; a file that the same clips, recipe, seed and
    start gave is read instead, and a training that was stopped goes on after its last epoch.
    Without a start, `recipe.epochs` at most, fewer when dev gets no better for `recipe.patience`.
    With one, exactly `recipe.more`, and the start itself is among those that are chosen from.

    Both classes must be in both sets. Raises ConfigError if `out` cannot be written, or for a
    device that is not there.
    """
    identity = digest(
        _VERSION, asdict(recipe), seed, train.ids, dev.ids, start.about["identity"] if start else ""
    )
    if out.exists():
        found = Countermeasure.load(out, device)
        if found.about["identity"] == identity:
            return found
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # it adds up in one order
    try:
        network, best, epochs = _fit(
            name, train, dev, recipe, start, seed, device, identity, out.with_suffix(".part"),
            progress,
        )  # fmt: skip
    finally:
        torch.set_num_threads(before)
    about = {
        "identity": identity,
        "name": name,
        "recipe": asdict(recipe),
        "seed": seed,
        "clips": {"bonafide": int((~train.spoof).sum()), "spoof": int(train.spoof.sum())},
        "epochs": epochs,
        "best_epoch": best.epoch,
        "dev_eer": best.error,
        "dev_loss": best.loss,
    }
    made = Countermeasure(network, recipe.seconds, about)
    made.save(out)
    out.with_suffix(".part").unlink(missing_ok=True)
    return made


def _fit(
    name: str,
    train: Examples,
    dev: Examples,
    recipe: CountermeasureRecipe,
    start: Countermeasure | None,
    seed: int,
    device: str,
    identity: str,
    checkpoint: Path,
    progress: Progress,
) -> tuple[LCNN, _Best, int]:
    if start is None:
        network = built(_generator(seed, "weights"))
        _standardise(network, train.frames)
        epochs, rate, patience = recipe.epochs, recipe.rate, recipe.patience
    else:
        network = copy.deepcopy(start.network)
        epochs, rate, patience = recipe.more, recipe.more_rate, recipe.more
    network = placed(network, device)
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=recipe.weight_decay)
    best, kept, done = _Best(math.inf, math.inf, 0), _weights(network), 0
    if start is not None:
        best = _measured(network, dev, recipe, 0)
    state = _resumed(checkpoint, identity, device)
    if state:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        best, kept, done = _Best(*state["best"]), state["kept"], state["done"]
    with progress.stage(name, epochs) as advance:
        advance(done)
        while done < epochs and done - best.epoch < patience:
            _epoch(network, optimiser, train, recipe, rate, done, epochs, seed)
            done += 1
            found = _measured(network, dev, recipe, done)
            if (found.error, found.loss) < (best.error, best.loss):
                best, kept = found, _weights(network)
            _save(
                checkpoint,
                {
                    "identity": identity,
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "best": [best.error, best.loss, best.epoch],
                    "kept": kept,
                    "done": done,
                },
            )
            advance(1)
    network.load_state_dict(kept)
    return network.eval(), best, done


def _epoch(
    network: LCNN,
    optimiser: torch.optim.Optimizer,
    train: Examples,
    recipe: CountermeasureRecipe,
    rate: float,
    epoch: int,
    epochs: int,
    seed: int,
) -> None:
    rng = _generator(seed, "epoch", epoch)
    length = frames_of(recipe.seconds)
    device = network.mean.device
    spoof = torch.from_numpy(train.spoof)
    share = torch.where(spoof, 1 / spoof.sum(), 1 / (~spoof).sum()).double()
    steps = max(1, len(train.ids) // recipe.batch)
    order = torch.multinomial(share, steps * recipe.batch, replacement=True, generator=rng)
    network.train()
    for k in range(steps):
        done = (epoch * steps + k) / (epochs * steps)
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * done))
        chosen = order[k * recipe.batch : (k + 1) * recipe.batch]
        places = torch.rand(len(chosen), generator=rng).tolist()
        frames = torch.stack(
            [
                _cropped(train.frames[i], place, length)
                for i, place in zip(chosen.tolist(), places, strict=True)
            ]
        )
        error = loss(network(frames.to(device), rng), spoof[chosen].to(device))
        optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _cropped(clip: Frames, place: float, length: int) -> Tensor:
    """Any `length` frames of a clip; one that is shorter begins anywhere, and is repeated."""
    room = len(clip) - length + 1 if len(clip) >= length else len(clip)
    return excerpt(clip, int(place * room), length)


def _measured(network: LCNN, dev: Examples, recipe: CountermeasureRecipe, epoch: int) -> _Best:
    scores = Countermeasure(network, recipe.seconds, {}).scores(dev.frames)
    # Both classes weigh the same, as in training.
    wrong = np.logaddexp(0, np.where(dev.spoof, scores, -scores))
    balanced = (wrong[dev.spoof].mean() + wrong[~dev.spoof].mean()) / 2
    return _Best(eer(scores[~dev.spoof], scores[dev.spoof]), float(balanced), epoch)


def _standardise(network: LCNN, clips: Sequence[Frames]) -> None:
    """Mean and deviation of each coefficient over the training clips."""
    count = sum(map(len, clips))
    mean = sum(clip.astype(np.float64).sum(0) for clip in clips) / count
    square = sum(np.square(clip.astype(np.float64)).sum(0) for clip in clips) / count
    scale = np.sqrt(np.maximum(square - np.square(mean), 1e-8))
    network.mean.copy_(torch.from_numpy(np.asarray(mean)))
    network.scale.copy_(torch.from_numpy(np.asarray(scale)))


def _weights(network: LCNN) -> dict[str, Tensor]:
    return {name: values.detach().clone() for name, values in network.state_dict().items()}


def _generator(*key: Any) -> torch.Generator:
    return torch.Generator().manual_seed(int(digest("countermeasure", *key)[:15], 16))


def _resumed(checkpoint: Path, identity: str, device: str) -> dict[str, Any] | None:
    """What a training of these clips and settings left; None where there is none."""
    if not checkpoint.exists():
        return None
    state: dict[str, Any] = torch.load(checkpoint, map_location=device, weights_only=True)
    return state if state["identity"] == identity else None


def _save(checkpoint: Path, state: dict[str, Any]) -> None:
    partial = checkpoint.with_name(f".{checkpoint.name}")
    try:
        torch.save(state, partial)
        partial.replace(checkpoint)
    except OSError as error:
        raise ConfigError(f"{checkpoint}: cannot be written ({error.strerror})") from error
