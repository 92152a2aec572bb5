"""Training a judge: a recipe, clips and a seed in, the same weights out on the same machine."""

import copy
import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emoforge.clip import Clip
from emoforge.component import digest
from emoforge.errors import ConfigError
from emoforge.label import scheme
from emoforge.progress import Progress
from emoforge.selection.judges.examples import Examples, load_examples
from emoforge.selection.judges.features import one_thread
from emoforge.selection.judges.model import Model
from emoforge.selection.judges.network import Heard, Network, normalised
from emoforge.selection.judges.recipe import Perturbation, Recipe

_WARM_UP = 0.15
"""Share of the steps in which the learning rate rises; then it falls as a cosine."""

_SILENT = -23.0
"""Log-power of frames after a clip's end, about that of digital silence."""


def train_judge(
    clips: Sequence[Clip],
    recipe: Recipe,
    out: Path,
    *,
    seed: int = 0,
    temperatures: Mapping[str, float] | None = None,
    device: str = "cpu",
    progress: Progress,
) -> Model:
    """Train on all the clips and write the weights to `out`; an interrupted call continues.

    temperatures: by scheme, as `evaluate_judge` measures them on held-out speakers; 1 if not
        given.
    """
    examples = load_examples(clips, recipe, progress)
    checkpoint = out.with_suffix(".part")
    with one_thread():
        network = fit(examples, recipe, seed, checkpoint, device, progress)
    about = {
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
        "clips": len(examples),
        "speakers": len({(clip.corpus, clip.speaker) for clip in examples.clips}),
        "corpora": dict(Counter(clip.corpus for clip in examples.clips)),
        "licences": sorted({clip.licence for clip in examples.clips if clip.licence}),
    }
    model = Model(
        network,
        recipe.features,
        recipe.network,
        tuple(scheme(name) for name in recipe.schemes),
        {name: (temperatures or {}).get(name, 1.0) for name in recipe.schemes},
        about,
    )
    model.save(out)
    checkpoint.unlink()
    return model


def fit(
    examples: Examples,
    recipe: Recipe,
    seed: int,
    checkpoint: Path | None,
    device: str,
    progress: Progress,
) -> Network:
    """Train a network; with a checkpoint file, continue after the last epoch that it holds.

    Raises ConfigError if the checkpoint is of another recipe, seed or set of clips.
    """
    identity = digest(dataclasses.asdict(recipe), seed, [clip.id for clip in examples.clips])
    with _seeded(_seed(seed, "weights"), device):
        network = Network(
            recipe.features.mels,
            {name: len(scheme(name).classes) for name in recipe.schemes},
            recipe.network,
        ).to(device)
    average: Network = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(
        network.parameters(), weight_decay=recipe.weight_decay, betas=(0.9, 0.99), fused=True
    )
    done = 0
    if checkpoint and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["identity"] != identity:
            raise ConfigError(
                f"{checkpoint}: a training of another recipe, seed or set of clips stopped here; "
                "delete the file to start anew"
            )
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        done = state["done"]
    weights = _sampling_weights(examples)
    per_epoch = max(1, len(examples) // recipe.batch)
    with progress.stage("train", recipe.epochs) as advance:
        advance(done)
        for epoch in range(done, recipe.epochs):
            rng = torch.Generator().manual_seed(_seed(seed, "examples", epoch))
            order = torch.multinomial(
                weights, per_epoch * recipe.batch, replacement=True, generator=rng
            )
            # Dropout draws from the global generator and takes no other.
            with _seeded(_seed(seed, "dropout", epoch), device):
                for k in range(per_epoch):
                    step = epoch * per_epoch + k
                    chosen = order[k * recipe.batch : (k + 1) * recipe.batch]
                    for group in optimiser.param_groups:
                        group["lr"] = _learning_rate(recipe, step, per_epoch * recipe.epochs)
                    _step(network, optimiser, examples, chosen, recipe, rng)
                    decay = min(recipe.averaging, (1 + step) / (10 + step))
                    _average(average, network, decay)
            if checkpoint:
                _save_checkpoint(checkpoint, identity, network, average, optimiser, epoch + 1)
            advance(1)
    return average


def _seed(*key: Any) -> int:
    return int(digest(*key)[:15], 16)


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    """Draw from the global generators of the processor and of this device, and put them back.

    `torch.manual_seed` would seed every other GPU too, for good.
    """
    with torch.random.fork_rng([device] if device != "cpu" else []):
        torch.default_generator.manual_seed(seed)
        if device != "cpu":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return recipe.learning_rate * (0.05 + 0.95 * step / warm)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def _sampling_weights(examples: Examples) -> Tensor:
    """Half-way (square roots) from equal clips to equal corpora and equal classes within them."""
    pairs = [(clip.corpus, clip.emotion) for clip in examples.clips]
    cells, corpora = Counter(pairs), Counter(corpus for corpus, _ in pairs)
    classes = Counter(corpus for corpus, _ in cells)
    return torch.tensor(
        [
            # A class of a handful of clips must not be heard over and over.
            (corpora[c] / classes[c] / max(cells[c, e], 20) / corpora[c]) ** 0.5
            for c, e in pairs
        ],
        dtype=torch.float64,
    )


def _step(
    network: Network,
    optimiser: torch.optim.Optimizer,
    examples: Examples,
    chosen: Tensor,
    recipe: Recipe,
    rng: torch.Generator,
) -> None:
    network.train()
    device = next(network.parameters()).device
    frames, lengths = perturbed(examples, chosen, recipe.crop, recipe.perturbation, rng)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        heard = network(frames.to(device), lengths.to(device))
    loss = _loss(heard, examples, chosen, recipe.label_smoothing)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimiser.step()


def _loss(heard: Heard, examples: Examples, chosen: Tensor, smoothing: float) -> Tensor:
    """Sum over heads of the cross-entropy within the classes that each clip's corpus has."""
    total = torch.zeros(())
    for name, logits in heard.logits.items():
        allowed = examples.allowed[name][chosen].to(logits.device)
        target = examples.targets[name][chosen].to(logits.device)
        known = target.sum(1)  # 0 or 1
        target = target * (1 - smoothing) + smoothing * allowed / allowed.sum(1, keepdim=True)
        surprise = -(target * logits.masked_fill(~allowed, -1e4).log_softmax(1)).sum(1)
        total = total.to(logits.device) + (surprise * known).sum() / known.sum().clamp_min(1)
    return total


def _average(average: Network, network: Network, decay: float) -> None:
    with torch.no_grad():
        pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
        for mean, value in pairs:
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def _save_checkpoint(
    path: Path,
    identity: str,
    network: Network,
    average: Network,
    optimiser: torch.optim.Optimizer,
    done: int,
) -> None:
    partial = path.with_name(f"{path.name}.new")
    torch.save(
        {
            "identity": identity,
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "done": done,
        },
        partial,
    )
    partial.replace(path)


def perturbed(
    examples: Examples, chosen: Tensor, crop: int, how: Perturbation, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw varied crops: frames [b, crop, mels] as the network takes them, and lengths [b]."""

    def uniform(*shape: int, within: float = 1.0) -> Tensor:
        return (2 * torch.rand(*shape, generator=rng) - 1) * within

    count, mels = len(chosen), examples.mels.shape[2]
    frames = torch.full((count, crop, mels), _SILENT)
    lengths = torch.empty(count, dtype=torch.long)
    voices = torch.randint(len(examples.mels), (count,), generator=rng).tolist()
    rates = uniform(count, within=how.tempo).exp().tolist()
    places = torch.rand(count, generator=rng).tolist()
    for row, i in enumerate(chosen.tolist()):
        start, length = int(examples.starts[i]), int(examples.lengths[i])
        stretched = max(1, int(length * rates[row]))
        first = int(places[row] * max(0, stretched - crop))
        lengths[row] = kept = min(stretched, crop)
        clip = examples.mels[voices[row], start : start + length]
        position = ((torch.arange(kept) + first) / rates[row]).clamp(max=length - 1)
        low = position.long()
        part = (position - low)[:, None]
        high = (low + 1).clamp(max=length - 1)
        frames[row, :kept] = torch.lerp(clip[low].float(), clip[high].float(), part)

    real = (torch.arange(crop) < lengths[:, None])[:, :, None]
    band = torch.linspace(-1, 1, mels)
    shapes = torch.randn(3, count, 1, generator=rng) * torch.tensor([0.8, 0.6, 0.5])[:, None, None]
    ripple = torch.cos(6 * band + 2 * math.pi * torch.rand(count, 1, generator=rng))
    curve = shapes[0] * band + shapes[1] * (band.square() - 1 / 3) + shapes[2] * ripple
    frames = frames + how.equaliser * curve[:, None]

    noisy = torch.rand(count, generator=rng) < how.noise
    snr = 10 + 35 * torch.rand(count, generator=rng)
    power = (frames.exp() * real).sum((1, 2)) / (lengths * mels)
    colour = torch.exp(-3 * band * torch.rand(count, 1, generator=rng))
    colour = colour / colour.mean(1, keepdim=True)
    # Power of noise in one band and frame: nearly exponential, less so the wider the band.
    grain = 0.5 - 0.5 * torch.rand(count, crop, mels, generator=rng).clamp_min(1e-6).log()
    level = (noisy * power * 10 ** (-snr / 10))[:, None, None] * colour[:, None] * grain
    frames = torch.logaddexp(frames, (level + 1e-9).log())

    frames, _ = normalised([row[:kept] for row, kept in zip(frames, lengths.tolist(), strict=True)])
    for _ in range(how.masks):
        for axis, size, share in ((2, torch.full((count,), mels), 0.15), (1, lengths, 0.12)):
            width = torch.rand(count, generator=rng) * size * share
            begin = (torch.rand(count, generator=rng) * (size - width))[:, None]
            steps = torch.arange(frames.shape[axis])
            inside = (steps >= begin) & (steps < begin + width[:, None])
            frames = frames.masked_fill(inside[:, None] if axis == 2 else inside[..., None], 0)
    return frames, lengths
