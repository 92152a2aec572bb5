"""Layers of speech encoders, forward only, laid out for the device that they run on.

Clips are packed: frames of all clips of a batch stand in one array [frames, width], without
padding, since every layer but attention and convolution works on frames alone.

On a processor in float32 the matrix products go through oneDNN with weights packed once, as
PyTorch's own compiler does for frozen models: on AMD processors MKL, which PyTorch takes
otherwise, reached half of its speed (93 against 220 GFLOP/s a core).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor
from torch.nn import functional

from emoforge.errors import ConfigError, RequirementError

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
    "silu": functional.silu,
    "swish": functional.silu,
    "tanh": torch.tanh,
}
"""As transformers names them."""

_FUSED = {"gelu": ("gelu", "none"), "relu": ("relu", "")}

_BLAS_FRAMES = 200
"""Shorter clips attend faster in PyTorch's own attention than by oneDNN, head by head."""


@dataclass(frozen=True, slots=True, eq=False)
class Tensors:
    """Tensors of a checkpoint whose names begin with `prefix`, by the rest of their names."""

    tensors: Mapping[str, Tensor]
    where: str
    prefix: str = ""

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.tensors

    def __call__(self, name: str) -> Tensor:
        """The tensor as float32; raises RequirementError if it is absent."""
        if name not in self:
            raise RequirementError(
                f"{self.where}: the weights have no '{self.prefix}{name}', so they are not those "
                "of the model that config.json describes; fetch both again"
            )
        return self.tensors[self.prefix + name].detach().float()

    def maybe(self, name: str) -> Tensor | None:
        """None if it is absent."""
        return self(name) if name in self else None

    def under(self, name: str) -> "Tensors":
        """Those whose names begin with `name.`."""
        return Tensors(self.tensors, self.where, f"{self.prefix}{name}.")

    def any(self) -> bool:
        """Whether there is one."""
        return any(name.startswith(self.prefix) for name in self.tensors)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network computes, and in what."""

    device: torch.device
    dtype: torch.dtype = torch.float32
    compiled: bool = False

    @property
    def packs(self) -> bool:
        """Whether oneDNN's packed products are to be had."""
        return (
            self.device.type == "cpu"
            and self.dtype == torch.float32
            and not self.compiled
            and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        )

    @property
    def pads(self) -> bool:
        """Whether attention is quicker over all clips at once, padded, than clip by clip."""
        return self.device.type != "cpu"

    def put(self, tensor: Tensor) -> Tensor:
        """A tensor of weights, there."""
        return tensor.to(self.device, self.dtype).contiguous()


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """By transformers' name; raises ConfigError for one that is not known."""
    if name not in ACTIVATIONS:
        raise ConfigError(
            f"config.json names the activation '{name}', emoforge knows {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]


class Linear:
    """act(x Wᵀ + b) of [n, in]; weight: [out, in]."""

    def __init__(self, place: Place, weight: Tensor, bias: Tensor | None, act: str = "") -> None:
        self._bias = None if bias is None else place.put(bias)
        self._act = activation(act) if act else None
        self._fused = _FUSED.get(act, ("none", "")) if place.packs else None
        if self._fused and act in _FUSED:
            self._act = None
        weight = place.put(weight)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight) if place.packs else weight

    @classmethod
    def of(cls, place: Place, tensors: Tensors, name: str, act: str = "") -> "Linear":
        """From `name.weight` and, where there is one, `name.bias`."""
        return cls(place, tensors(f"{name}.weight"), tensors.maybe(f"{name}.bias"), act)

    def __call__(self, x: Tensor) -> Tensor:
        if self._fused:
            kind, algorithm = self._fused
            found: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self._weight, self._bias, kind, [], algorithm
            )
        else:
            found = functional.linear(x, self._weight, self._bias)
        return self._act(found) if self._act else found


class Norm:
    """Layer normalisation of [n, width]."""

    def __init__(self, place: Place, tensors: Tensors, name: str, eps: float) -> None:
        self._weight = place.put(tensors(f"{name}.weight"))
        self._bias = place.put(tensors(f"{name}.bias"))
        self._eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self._weight, self._bias, self._eps)


class Convolution:
    """act(convolution) over time, of frames [n, in] to [m, out]; weight: [out, in / groups, k]."""

    def __init__(
        self,
        place: Place,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        act: str = "",
    ) -> None:
        self._stride, self._padding, self._groups = stride, padding, groups
        self._bias = None if bias is None else place.put(bias)
        self._act = activation(act) if act else None
        self._fused = _FUSED.get(act, ("none", "")) if place.packs else None
        if self._fused and act in _FUSED:
            self._act = None
        self._weight = place.put(weight)
        if place.packs:
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(
                self._weight[:, :, None].contiguous(memory_format=torch.channels_last),
                [0, padding], [1, stride], [1, 1], groups, [1, weight.shape[1] * groups, 1, 1024],
            )  # fmt: skip

    def __call__(self, x: Tensor) -> Tensor:
        if self._fused:
            # One row of an image, channels last: no copy, and oneDNN's quickest layout.
            found: Tensor = torch.ops.mkldnn._convolution_pointwise(
                x.t()[None, :, None], self._weight, self._bias,
                [0, self._padding], [1, self._stride], [1, 1], self._groups,
                self._fused[0], [], self._fused[1],
            )[0, :, 0].t()  # fmt: skip
        else:
            found = functional.conv1d(
                x.t()[None], self._weight, self._bias, self._stride, self._padding, 1, self._groups
            )[0].t()
        return self._act(found) if self._act else found


class Layout:
    """Where each clip's frames are among the packed ones; lengths: frames of each clip."""

    def __init__(self, lengths: Sequence[int], place: Place) -> None:
        self.lengths, self.longest = tuple(lengths), max(lengths)
        self.spans = [slice(a, b) for a, b in pairwise(accumulate(lengths, initial=0))]
        self.padded = place.pads and len(lengths) > 1
        if self.padded:
            sizes = torch.tensor(lengths)
            inside = torch.arange(self.longest) < sizes[:, None]
            self._places = inside.flatten().nonzero()[:, 0].to(place.device)
            self.mask = inside.to(place.device)[:, None, None]

    def pad(self, packed: Tensor) -> Tensor:
        """[n, …] to [clips, longest, …], zero where a clip has ended."""
        shape = packed.shape[1:]
        padded = packed.new_zeros(len(self.lengths) * self.longest, *shape)
        return padded.index_copy_(0, self._places, packed).view(-1, self.longest, *shape)

    def pack(self, padded: Tensor) -> Tensor:
        """Inverse of `pad`."""
        return padded.flatten(0, 1)[self._places]


class Attention:
    """Multi-head attention among the frames of each clip.

    tensors: `q_proj`, `k_proj`, `v_proj` and `out_proj`, biases optional.
    """

    def __init__(self, place: Place, tensors: Tensors, heads: int) -> None:
        self._heads, self._packs = heads, place.packs
        weights = [tensors(f"{name}_proj.weight") for name in "qkv"]
        biases = [tensors.maybe(f"{name}_proj.bias") for name in "qkv"]
        scale = (weights[0].shape[0] // heads) ** -0.5
        zeros = torch.zeros(len(weights[0]))
        full = [zeros if bias is None else bias for bias in biases]
        # Scaling the queries' weights once saves scaling every query.
        weights[0], full[0] = weights[0] * scale, full[0] * scale
        self.project = Linear(place, torch.cat(weights), torch.cat(full))
        self.out = Linear.of(place, tensors, "out_proj")

    def __call__(
        self, projected: Tensor, layout: Layout, gate: Tensor | None, relative: Tensor | None
    ) -> Tensor:
        """Queries, keys and values [n, 3 · width] to what `out` takes, [n, width].

        gate [n, heads] times relative [heads, longest, longest] is added to the scores.
        """
        if layout.padded:
            mask = layout.mask
            if gate is not None and relative is not None:
                biased = layout.pad(gate).transpose(1, 2)[..., None] * relative
                mask = biased.masked_fill_(~mask, -torch.inf)
            return layout.pack(self._dense(layout.pad(projected), mask))
        out = projected.new_empty(len(projected), projected.shape[1] // 3)
        for span, length in zip(layout.spans, layout.lengths, strict=True):
            own = projected[span]
            added: Tensor | None = None
            if gate is not None and relative is not None:
                added = gate[span].t()[..., None] * relative[:, :length, :length]
            if self._packs and length >= _BLAS_FRAMES:
                self._by_head(own, out[span], added)
            else:
                out[span] = self._dense(own[None], None if added is None else added[None])[0]
        return out

    def _dense(self, projected: Tensor, added: Tensor | None) -> Tensor:
        """Of clips of one length: [b, t, 3 · width] to [b, t, width]; added: [b, heads, t, t]."""
        split = projected.view(*projected.shape[:2], 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(
            split[0], split[1], split[2], attn_mask=added, scale=1.0
        )
        return heard.transpose(1, 2).flatten(2)

    def _by_head(self, projected: Tensor, out: Tensor, added: Tensor | None) -> None:
        """Of one clip [t, 3 · width] into out [t, width], through oneDNN."""
        multiply = torch.ops.mkldnn._linear_pointwise
        queries, keys, values = projected.chunk(3, 1)
        size = out.shape[1] // self._heads
        for head in range(self._heads):
            own = slice(head * size, (head + 1) * size)
            scores = multiply(queries[:, own], keys[:, own].contiguous(), None, "none", [], "")
            if added is not None:
                scores += added[head]
            weights = scores.softmax(1)
            out[:, own] = multiply(weights, values[:, own].t().contiguous(), None, "none", [], "")


class TransformerLayer:
    """Attention and two linear layers, each beside what it is added to.

    stable: normalises what goes into either (large models); else what comes out (base models).
    gate: of a relative position bias, from frames [n, width] to [n, heads].
    """

    def __init__(
        self,
        place: Place,
        attention: Attention,
        norm: Norm,
        wide: Linear,
        narrow: Linear,
        final: Norm,
        *,
        stable: bool,
        gate: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._attention, self._stable, self._gate = attention, stable, gate
        self._norm, self._wide, self._narrow, self._final = norm, wide, narrow, final
        self._before: Callable[[Tensor], tuple[Tensor, Tensor | None]] = self._projected
        self._after: Callable[[Tensor, Tensor], Tensor] = self._fed
        if place.compiled:
            self._before = torch.compile(self._projected, dynamic=True)
            self._after = torch.compile(self._fed, dynamic=True)

    def __call__(self, hidden: Tensor, layout: Layout, relative: Tensor | None) -> Tensor:
        """Packed frames [n, width] to the same shape; relative: see `Attention`."""
        projected, gate = self._before(hidden)
        return self._after(hidden, self._attention(projected, layout, gate, relative))

    def _projected(self, hidden: Tensor) -> tuple[Tensor, Tensor | None]:
        if self._stable:
            hidden = self._norm(hidden)
        return self._attention.project(hidden), self._gate(hidden) if self._gate else None

    def _fed(self, hidden: Tensor, attended: Tensor) -> Tensor:
        hidden = hidden + self._attention.out(attended)
        if self._stable:
            return hidden + self._narrow(self._wide(self._final(hidden)))
        hidden = self._norm(hidden)
        return self._final(hidden + self._narrow(self._wide(hidden)))
