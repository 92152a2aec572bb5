"""Heads: from an encoder's embedding to a distribution over emotions, trained in seconds."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emoforge.component import canonical_json
from emoforge.errors import ConfigError, CorpusError, RequirementError
from emoforge.label import Scheme

FORMAT = 1
_BATCH = 16384
"""Embeddings heard at a time: bounds memory."""

Embeddings = npt.NDArray[np.float32]
"""[n, parts, width]"""


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """How a head is trained.

    pooling: how an embedding's parts become one. `mean`; `weights`: one learned weight a part,
        for the layers of an encoder; `attention`: weights that depend on the embedding, and the
        weighted standard deviation beside the mean, for segments in time (K. Okabe et al.,
        "Attentive statistics pooling", Interspeech 2018).
    hidden: units of the hidden layer of an MLP; 0: a linear head.
    beta: classes of n clips weigh (1−β)/(1−βⁿ) (Y. Cui et al., "Class-balanced loss", CVPR 2019,
        as EMO-SUPERB, arXiv 2402.13018, uses it); 0: all alike.
    steps, batch, learning_rate, weight_decay, dropout: of AdamW; the rate falls as a cosine.
    """

    schemes: tuple[str, ...] = ("basic4",)
    pooling: Literal["mean", "weights", "attention"] = "mean"
    hidden: int = 0
    beta: float = 0.999
    steps: int = 300
    batch: int = 256
    learning_rate: float = 0.01
    weight_decay: float = 0.1
    dropout: float = 0.0


class _Network(nn.Module):
    """[b, parts, width] to logits [b, classes]; standardises by the training set's statistics."""

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
        layers: list[nn.Module] = [nn.Dropout(recipe.dropout)]
        if recipe.hidden:
            layers += [nn.Linear(pooled, recipe.hidden), nn.ReLU(), nn.Dropout(recipe.dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(recipe.hidden or pooled, classes))

    def forward(self, embeddings: Tensor) -> Tensor:
        parts = (embeddings - self.mean) * self.scale
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
        """Logits [n, classes], before the temperature."""
        with torch.inference_mode():
            return np.concatenate(
                [
                    self.network(torch.from_numpy(embeddings[i : i + _BATCH])).numpy()
                    for i in range(0, len(embeddings), _BATCH)
                ]
                or [np.zeros((0, len(self.scheme.classes)), np.float32)]
            )

    def probabilities(self, embeddings: Embeddings) -> npt.NDArray[np.float32]:
        """Probabilities [n, classes]."""
        scaled = torch.from_numpy(self.logits(embeddings)) / self.temperature
        return scaled.softmax(1).numpy()


def fit_head(
    embeddings: Embeddings,
    targets: npt.NDArray[np.float32],
    scheme: Scheme,
    recipe: HeadRecipe,
    *,
    seed: int = 0,
    weights: npt.NDArray[np.float32] | None = None,
) -> Head:
    """Train a head from scratch by soft-label cross-entropy; deterministic given the seed.

    targets: [n, classes], each row a distribution; weights: [n], importance of each clip.
    Raises CorpusError for a class of the scheme without any example, and for embeddings that are
    not finite. A class may be absent on purpose: see `present`.
    """
    names = [scheme.classes[c] for c in np.flatnonzero(targets.sum(0) == 0)]
    if names:
        raise CorpusError(
            f"no clip to learn {', '.join(names)} from: every class of scheme {scheme.name} "
            "needs one; add clips, or take a scheme without it"
        )
    if not np.isfinite(embeddings).all():
        raise CorpusError("some embeddings are not finite (NaN or infinite); encode them again")
    count, parts, width = embeddings.shape
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = _Network(parts, width, len(scheme.classes), recipe)
        x, y = torch.from_numpy(embeddings), torch.from_numpy(targets).float()
        network.mean.copy_(x.mean(0))
        network.scale.copy_(1 / x.std(0, correction=0).clamp_min(1e-6))
        effective = torch.from_numpy(targets.sum(0)).double()
        balance = torch.ones(len(effective), dtype=torch.float64)
        if recipe.beta:
            balance = (1 - recipe.beta) / (1 - recipe.beta**effective)
        importance = y.double() @ (balance / balance.mean())
        if weights is not None:
            importance = importance * torch.from_numpy(weights)
        importance = importance.float()
        optimiser = torch.optim.AdamW(
            network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
        order = torch.zeros(0, dtype=torch.long)
        network.train()
        for _ in range(recipe.steps):
            if len(order) < min(recipe.batch, count):
                order = torch.randperm(count)
            rows, order = order[: recipe.batch], order[recipe.batch :]
            surprise = functional.cross_entropy(network(x[rows]), y[rows], reduction="none")
            loss = (surprise * importance[rows]).sum() / importance[rows].sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return Head(scheme, network.eval())


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
        """Read what `save` wrote; raises RequirementError if it is absent or damaged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {})["head"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if header["format"] != FORMAT:
                raise RequirementError(
                    f"{path}: a head of format {header['format']}, this emoforge reads {FORMAT}"
                )
            own = header["recipe"]
            recipe = HeadRecipe(**{**own, "schemes": tuple(own["schemes"])})
            heads = {}
            for name, classes in header["schemes"].items():
                state = {
                    key.removeprefix(f"{name}."): values
                    for key, values in weights.items()
                    if key.startswith(f"{name}.")
                }
                parts, width = state["mean"].shape
                with torch.device("meta"):
                    network = _Network(parts, width, len(classes), recipe)
                network.load_state_dict(state, assign=True)
                heads[name] = Head(
                    Scheme(name, tuple(classes)), network.eval(), header["temperatures"][name]
                )
            return cls(header["encoder"], heads, recipe, header["about"])
        except OSError as error:
            raise RequirementError(
                f"{path}: the head cannot be read ({error.strerror or error})"
            ) from error
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RequirementError(
                f"{path}: not a judge's head, or damaged; train it again "
                "(emoforge judge train recipe=head)"
            ) from error
