"""Heads: from an encoder's embedding to a distribution over emotions, trained in seconds."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from emoforge.component import canonical_json
from emoforge.errors import ConfigError, CorpusError, RequirementError
from emoforge.label import SCHEMES, Scheme
from emoforge.selection.judges.features import one_thread
from emoforge.selection.judges.recipe import HeadRecipe

FORMAT = 1
_VALUES = 2**24
"""Embedding values that are heard at a time: 64 MB, however many clips there are."""
_BATCH = 256
_RATE = 0.01
_FARTHEST = 4.0
"""Standard deviations from the mean; a value beyond them counts as this far. Measurements such as
openSMILE's are heavy-tailed, and one wild value must not decide alone."""

Embeddings = npt.NDArray[np.float32]
"""[n, parts, width]"""


class _Network(nn.Module):
    """[b, parts, width] to logits [b, classes]; standardises by the training set's statistics.

    scale: the inverse standard deviations; 0 for what did not vary, and so tells nothing.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, parts: int, width: int, classes: int, recipe: HeadRecipe) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(parts, width))
        self.register_buffer("scale", torch.ones(parts, width))
        self.pooling = recipe.pooling
        if recipe.pooling == "weights":
            self.weights = nn.Parameter(torch.zeros(parts))
        elif recipe.pooling == "attention":
            self.attention = nn.Sequential(nn.Linear(width, 64), nn.Tanh(), nn.Linear(64, 1))
        pooled = 2 * width if recipe.pooling == "attention" else width
        hidden = [nn.Linear(pooled, recipe.hidden), nn.ReLU()] if recipe.hidden else []
        self.layers = nn.Sequential(*hidden, nn.Linear(recipe.hidden or pooled, classes))

    def forward(self, parts: Tensor) -> Tensor:
        """Logits of standardised embeddings."""
        if self.pooling == "weights":
            pooled = torch.einsum("bpw,p->bw", parts, self.weights.softmax(0))
        elif self.pooling == "attention":
            share = self.attention(parts).softmax(1)
            centre = (parts * share).sum(1)
            spread = ((parts - centre[:, None]).square() * share).sum(1).clamp_min(1e-6).sqrt()
            pooled = torch.cat([centre, spread], 1)
        else:
            pooled = parts.mean(1)
        logits: Tensor = self.layers(pooled)
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One trained head. temperature: logits are divided by it before the softmax."""

    scheme: Scheme
    network: _Network
    temperature: float = 1.0

    def logits(self, embeddings: Embeddings) -> npt.NDArray[np.float32]:
        """Logits [n, classes], before the temperature; -inf for a class it could not learn."""
        rows = max(1, _VALUES // (embeddings.shape[1] * embeddings.shape[2]))
        found = np.empty((len(embeddings), len(self.scheme.classes)), np.float32)
        with torch.inference_mode(), one_thread():
            for i in range(0, len(embeddings), rows):
                chunk = _standardised(embeddings[i : i + rows], self.network)
                found[i : i + rows] = self.network(torch.from_numpy(chunk)).numpy()
        return found

    def probabilities(self, embeddings: Embeddings) -> npt.NDArray[np.float32]:
        """Probabilities [n, classes]."""
        return (torch.from_numpy(self.logits(embeddings)) / self.temperature).softmax(1).numpy()


def class_weights(counts: npt.NDArray[np.float64], beta: float) -> npt.NDArray[np.float64]:
    """(1−β)/(1−βⁿ) for classes of n clips each (see `HeadRecipe`), scaled to a mean of 1.

    A class of less than one clip, as soft labels can have it, weighs as one of one clip.
    """
    balance = (1 - beta) / (1 - beta ** np.maximum(counts, 1.0))
    return np.asarray(balance / balance.mean(), np.float64)


def fit_head(
    embeddings: Embeddings,
    targets: npt.NDArray[np.float32],
    scheme: Scheme,
    recipe: HeadRecipe,
    *,
    seed: int = 0,
    partial: bool = False,
) -> Head:
    """Train a head from scratch by soft-label cross-entropy; deterministic given the seed.

    A linear head on the mean of the parts has one optimum, and gets there by L-BFGS whatever the
    seed; all others are learned in random batches by Adam.

    targets: [n, classes], each row a distribution.
    partial: a class without any example gets probability 0, in place of an error.
    Raises CorpusError for a class of the scheme without any example, and for embeddings that are
    not finite.
    """
    absent = targets.sum(0) == 0
    if absent.any() and not (partial and len(targets)):
        names = [name for name, gone in zip(scheme.classes, absent, strict=True) if gone]
        raise CorpusError(
            f"no clip to learn {', '.join(names)} from: every class of scheme {scheme.name} "
            "needs one; add clips, or take a scheme without it"
        )
    # A sum costs no memory; NaN and infinity show in it.
    if not np.isfinite(embeddings.sum(dtype=np.float64)):
        raise CorpusError("some embeddings are not finite (NaN or infinite); encode them again")
    count, parts, width = embeddings.shape
    balance = class_weights(targets.sum(0, dtype=np.float64), recipe.beta)
    importance = targets * balance
    importance = importance * (count / importance.sum())
    with torch.random.fork_rng([]), one_thread():
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` would seed GPUs too
        network = _Network(parts, width, len(scheme.classes), recipe)
        _measure(network, embeddings)
        x = torch.from_numpy(_standardised(embeddings, network))
        y = torch.from_numpy(importance.astype(np.float32))
        # Far from possible, and yet finite: 0 · -inf is not a number.
        mask = torch.from_numpy(np.where(absent, np.float32(-1e4), np.float32(0)))
        matrices = [values for values in network.parameters() if values.ndim > 1]

        def loss(rows: Tensor | slice) -> Tensor:
            chosen = y[rows]
            surprise = -(chosen * (network(x[rows]) + mask).log_softmax(1)).sum() / len(chosen)
            size = torch.stack([values.square().sum() for values in matrices]).sum()
            total: Tensor = surprise + 0.5 * recipe.penalty * width / count * size
            return total

        if recipe.pooling == "mean" and not recipe.hidden:
            x = x.mean(1, keepdim=True)
            _descend(network, loss, recipe.steps)
        else:
            _wander(network, loss, recipe.steps, count)
        with torch.no_grad():
            last = network.layers[-1]
            assert isinstance(last, nn.Linear)
            last.bias[torch.from_numpy(absent)] = -torch.inf
            last.weight[torch.from_numpy(absent)] = 0
    return Head(scheme, network.eval())


def _standardised(embeddings: Embeddings, network: _Network) -> Embeddings:
    result: Embeddings = embeddings - network.mean.numpy()
    result *= network.scale.numpy()
    return np.clip(result, -_FARTHEST, _FARTHEST, out=result)


def _measure(network: _Network, embeddings: Embeddings) -> None:
    """Set the statistics that the network standardises by."""
    mean = embeddings.mean(0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for i in range(0, len(embeddings), 1024):
        squares += np.square(embeddings[i : i + 1024] - mean).sum(0)
    spread = np.sqrt(squares / len(embeddings))
    varies = spread > 1e-5 * np.abs(mean) + 1e-12
    network.mean.copy_(torch.from_numpy(mean))
    network.scale.copy_(torch.from_numpy(varies / np.where(varies, spread, 1)))


def _descend(network: _Network, loss: Callable[[slice], Tensor], steps: int) -> None:
    """Minimise a convex loss over all clips by L-BFGS, from zero."""
    for values in network.parameters():
        nn.init.zeros_(values)
    optimiser = torch.optim.LBFGS(
        network.parameters(),
        max_iter=steps,
        tolerance_grad=1e-5,
        tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(slice(None))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]


def _wander(network: _Network, loss: Callable[[Tensor], Tensor], steps: int, count: int) -> None:
    """Minimise a loss over random batches by Adam; the rate falls as a cosine."""
    optimiser = torch.optim.Adam(network.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    order = torch.zeros(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < min(_BATCH, count):
            order = torch.randperm(count)
        rows, order = order[:_BATCH], order[_BATCH:]
        optimiser.zero_grad()
        loss(rows).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


@dataclass(frozen=True, eq=False)
class Heads:
    """A file of heads, one a scheme, for the embeddings of one encoder.

    encoder: the encoder's key (`Judge.encoder`); about: recipe, data, licences, what was measured.
    """

    encoder: str
    heads: Mapping[str, Head]
    recipe: HeadRecipe
    about: Mapping[str, Any]

    @property
    def schemes(self) -> Sequence[str]:
        return tuple(self.heads)

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(v.numel() for head in self.heads.values() for v in head.network.parameters())

    @cached_property
    def digest(self) -> str:
        """BLAKE2b-128 of the weights and of what they are for."""
        return hashlib.blake2b(self._file(), digest_size=16).hexdigest()

    def distributions(self, embeddings: Embeddings) -> dict[str, npt.NDArray[np.float32]]:
        """Scheme → probabilities [n, classes]; raises ConfigError for another shape."""
        head = next(iter(self.heads.values()))
        wanted = tuple(head.network.mean.shape)
        if embeddings.shape[1:] != wanted:
            raise ConfigError(
                f"the head takes embeddings of shape {wanted}, got {embeddings.shape[1:]}; "
                "they are of other weights or other options"
            )
        return {name: head.probabilities(embeddings) for name, head in self.heads.items()}

    def _file(self) -> bytes:
        from safetensors.torch import save

        header = {
            "format": FORMAT,
            "encoder": self.encoder,
            "schemes": {name: head.scheme.classes for name, head in self.heads.items()},
            "temperatures": {name: head.temperature for name, head in self.heads.items()},
            "recipe": dataclasses.asdict(self.recipe),
            "about": dict(self.about),
        }
        weights = {
            f"{name}.{key}": values.contiguous()
            for name, head in self.heads.items()
            for key, values in head.network.state_dict().items()
        }
        return bytes(save(weights, {"head": canonical_json(header)}))

    def save(self, path: Path) -> None:
        """Write the safetensors file under a temporary name, then rename it."""
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(self._file())
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; raises RequirementError if it is absent, damaged or no head."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if "judge" in metadata:
                raise RequirementError(
                    f"{path}: the weights of a whole judge, not of a head; use it as judge.path"
                )
            header = json.loads(metadata["head"])
            if header["format"] != FORMAT:
                raise RequirementError(
                    f"{path}: a head of format {header['format']}, this emoforge reads {FORMAT}"
                )
            own = header["recipe"]
            recipe = HeadRecipe(**{**own, "schemes": tuple(own["schemes"])})
            warmth = header["temperatures"]
            heads = {
                name: _head(path, Scheme(name, tuple(classes)), weights, recipe, warmth[name])
                for name, classes in header["schemes"].items()
            }
            return cls(header["encoder"], heads, recipe, header["about"])
        except OSError as error:
            raise RequirementError(
                f"{path}: the head cannot be read ({error.strerror or error})"
            ) from error
        except (
            SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError
        ) as error:  # fmt: skip
            raise RequirementError(
                f"{path}: not a judge's head, or damaged; train it again "
                "(emoforge judge train recipe=head)"
            ) from error


def _head(
    path: Path, scheme: Scheme, weights: Mapping[str, Tensor], recipe: HeadRecipe, warmth: float
) -> Head:
    """One head of a file; raises KeyError, RuntimeError or ValueError where it is damaged."""
    if scheme != SCHEMES.get(scheme.name, scheme):
        raise RequirementError(
            f"{path}: the head's scheme {scheme.name} has the classes {', '.join(scheme.classes)}, "
            f"this emoforge's has {', '.join(SCHEMES[scheme.name].classes)}; train it again"
        )
    state = {
        # A copy, for sums over memory that is not aligned differ in the last digit.
        key.removeprefix(f"{scheme.name}."): values.clone()
        for key, values in weights.items()
        if key.startswith(f"{scheme.name}.")
    }
    if not all(values.isfinite().all() for values in state.values()) or not warmth > 0:
        raise ValueError("not finite")
    parts, width = state["mean"].shape
    with torch.device("meta"):
        network = _Network(parts, width, len(scheme.classes), recipe)
    network.load_state_dict(state, assign=True)
    return Head(scheme, network.eval(), float(warmth))
