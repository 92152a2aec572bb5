"""wav2vec 2.0 and the models of its build: XLS-R, HuBERT, WavLM, UniSpeech, data2vec-audio.

They differ in where they normalise, in the convolution that tells positions, and in WavLM's gated
relative position bias (arXiv 2110.13900). Tensors are named as transformers names them.

A clip alone and in a batch are the same to rounding, and the same as the unpadded forward pass of
transformers: the convolutions see each clip by itself, and no padding exists.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from emoforge.errors import ConfigError
from emoforge.selection.judges.encoders.layers import (
    Attention,
    Convolution,
    Layout,
    Linear,
    Norm,
    Place,
    Tensors,
    TransformerLayer,
    activation,
)

_CHUNK_FRAMES = 50
"""Frames (of 20 ms) that a processor convolves at a time: what passes stays in its cache."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What config.json says; the defaults are transformers', for what a file leaves out."""

    model_type: str
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-5
    feat_extract_norm: str = "group"
    feat_extract_activation: str = "gelu"
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    conv_pos_kernel_size: int = 19
    do_stable_layer_norm: bool = False
    num_buckets: int = 320
    max_bucket_distance: int = 800

    @classmethod
    def of(cls, config: Mapping[str, Any], where: str) -> "Shape":
        """Raises ConfigError for parts that this encoder does not have (adapters)."""
        for name in ("add_adapter", "adapter_attn_dim"):
            if config.get(name):
                raise ConfigError(
                    f"{where}: its config.json sets {name}, and encoders with adapters are not "
                    "supported; use a checkpoint without them"
                )
        own = {name: config[name] for name in cls.__slots__ if config.get(name) is not None}
        tuples = {name: tuple(v) if isinstance(v, list) else v for name, v in own.items()}
        defaults: dict[str, Any] = {}
        if tuples["model_type"] == "data2vec-audio":
            defaults = {"feat_extract_norm": "layer", "num_conv_pos_embeddings": 5}
        return cls(**{**defaults, **tuples})

    @property
    def hop(self) -> int:
        """Samples between frames."""
        return math.prod(self.conv_stride)

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.num_hidden_layers

    @property
    def shortest(self) -> int:
        """Samples that one frame is made of."""
        return self.samples(1)

    @property
    def longest(self) -> int:
        """Samples that are heard at a time: any number."""
        return sys.maxsize

    def samples(self, frames: int) -> int:
        """Samples that so many frames are made of."""
        for kernel, stride in zip(self.conv_kernel[::-1], self.conv_stride[::-1], strict=True):
            frames = (frames - 1) * stride + kernel
        return frames

    def frames(self, samples: int) -> int:
        """Frames of so many samples."""
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples


class Wav2Vec2:
    """The encoder, on one device."""

    def __init__(self, shape: Shape, tensors: Tensors, place: Place) -> None:
        self._place = place
        self._shape = shape
        self._front = _Front(shape, tensors.under("feature_extractor"), place)
        projection = tensors.under("feature_projection")
        eps = shape.layer_norm_eps
        self._projection_norm = (
            Norm(place, projection, "layer_norm", eps)
            if "layer_norm.weight" in projection
            else None
        )
        self._projection = Linear.of(place, projection, "projection")
        encoder = tensors.under("encoder")
        self._positions = _positions(shape, encoder.under("pos_conv_embed"), place)
        self._norm = Norm(place, encoder, "layer_norm", eps)
        self._relative = (
            _RelativeBias(shape, encoder("layers.0.attention.rel_attn_embed.weight"), place)
            if shape.model_type == "wavlm"
            else None
        )
        gated = shape.model_type == "wavlm"
        self._layers = [
            self._layer(encoder.under(f"layers.{i}"), place, gated)
            for i in range(shape.num_hidden_layers)
        ]

    def _layer(self, tensors: Tensors, place: Place, gated: bool) -> TransformerLayer:
        shape = self._shape
        heads, attention = shape.num_attention_heads, tensors.under("attention")
        return TransformerLayer(
            place,
            Attention(place, attention, heads),
            Norm(place, tensors, "layer_norm", shape.layer_norm_eps),
            Linear.of(place, tensors, "feed_forward.intermediate_dense", shape.hidden_act),
            Linear.of(place, tensors, "feed_forward.output_dense"),
            Norm(place, tensors, "final_layer_norm", shape.layer_norm_eps),
            stable=shape.do_stable_layer_norm,
            gate=_Gate(attention, heads, place) if gated else None,
        )

    def rows(self, samples: int) -> int:
        """Rows that a clip takes among the packed states: its frames."""
        return self._shape.frames(samples)

    def frames(self, samples: int) -> int:
        """Frames that a clip of so many samples has."""
        return self._shape.frames(samples)

    def states(self, clips: Sequence[Tensor]) -> Iterator[Tensor]:
        """Packed hidden states [frames, width] of waveforms [n]: see `Network`."""
        features = [self._front(clip) for clip in clips]
        layout = Layout([len(own) for own in features], self._place)
        hidden = torch.cat(features)
        if self._projection_norm:
            hidden = self._projection_norm(hidden)
        hidden = self._projection(hidden)
        hidden = hidden + torch.cat([self._positions(hidden[span]) for span in layout.spans])
        stable = self._shape.do_stable_layer_norm
        if not stable:
            hidden = self._norm(hidden)
        yield hidden
        relative = self._relative.table(layout.longest) if self._relative else None
        for layer in self._layers:
            hidden = layer(hidden, layout, relative)
            yield hidden
        yield self._norm(hidden) if stable else hidden


class _Front:
    """The convolutions: a waveform [n] to frames [t, channels]."""

    def __init__(self, shape: Shape, tensors: Tensors, place: Place) -> None:
        self._shape, self._place = shape, place
        self._by_group = shape.feat_extract_norm == "group"
        self._norms: list[Norm | None] = []
        self._convolutions = []
        last = "" if not self._by_group else shape.feat_extract_activation
        self._act = activation(shape.feat_extract_activation)
        for i, stride in enumerate(shape.conv_stride):
            own = tensors.under(f"conv_layers.{i}")
            weight, bias = own("conv.weight"), own.maybe("conv.bias")
            if i == 0:
                self._first = Linear(place, weight[:, 0], bias)
                # Folded into a clip's normalisation, in float64.
                self._raw = weight[:, 0].double().to(place.device)
                self._raw_bias = None if bias is None else bias.double().to(place.device)
            else:
                self._convolutions.append(Convolution(place, weight, bias, stride=stride, act=last))
            if self._by_group and i == 0:
                self._scale = own("layer_norm.weight").double().to(place.device)
                self._shift = own("layer_norm.bias").double().to(place.device)
            self._norms.append(None if self._by_group else Norm(place, own, "layer_norm", 1e-5))

    def __call__(self, samples: Tensor) -> Tensor:
        kernel, stride = self._shape.conv_kernel[0], self._shape.conv_stride[0]
        windows = samples.unfold(0, kernel, stride)
        first = self._normalised(windows) if self._by_group else self._first
        windows = windows.to(self._place.dtype)
        total = self._shape.frames(len(samples))
        step = _CHUNK_FRAMES if self._place.device.type == "cpu" else total
        hop = self._shape.hop // stride
        reach = (self._shape.samples(step) - kernel) // stride + 1
        starts = range(0, total, step)
        return torch.cat([self._convolved(first(windows[i * hop :][:reach])) for i in starts])

    def _convolved(self, hidden: Tensor) -> Tensor:
        """Frames of the first convolution through the others."""
        if norm := self._norms[0]:
            hidden = self._act(norm(hidden))
        for convolution, norm in zip(self._convolutions, self._norms[1:], strict=True):
            hidden = convolution(hidden)
            if norm:
                hidden = self._act(norm(hidden))
        return hidden

    def _normalised(self, windows: Tensor) -> Linear:
        """The first convolution with its group norm over the whole clip folded in.

        Of y = w·x over windows x, the mean is w·mean(x) and the variance wᵀ cov(x) w: the norm
        becomes another weight and bias, and the clip need not be held at this rate of frames.
        """
        wide = windows.double()
        mean = wide.mean(0)
        centred = wide - mean
        covariance = centred.t() @ centred / len(wide)
        variance = ((self._raw @ covariance) * self._raw).sum(1)
        scale = self._scale * (variance + 1e-5).rsqrt()
        # The convolution's own bias moves the mean as well, and falls out.
        weight, bias = self._raw * scale[:, None], self._shift - scale * (self._raw @ mean)
        return Linear(
            self._place, weight.float(), bias.float(), self._shape.feat_extract_activation
        )


def _positions(shape: Shape, tensors: Tensors, place: Place) -> Callable[[Tensor], Tensor]:
    """The convolution that tells positions: a clip's frames [t, width] to [t, width]."""
    groups, act = shape.num_conv_pos_embedding_groups, shape.feat_extract_activation
    if shape.model_type == "data2vec-audio":
        return _StackedPositions(shape, tensors, place)
    weight, bias = _unnormed(tensors), tensors("conv.bias")
    kernel = weight.shape[2]
    convolution = Convolution(place, weight, bias, padding=kernel // 2, groups=groups, act=act)
    before: Callable[[Tensor], Tensor] | None = None
    if "batch_norm.weight" in tensors:  # HuBERT, as it was first published
        before = _batch_norm(tensors.under("batch_norm"), place)

    def positions(hidden: Tensor) -> Tensor:
        return convolution(before(hidden) if before else hidden)[: len(hidden)]

    return positions


def _unnormed(tensors: Tensors) -> Tensor:
    """The weight of a convolution under weight norm, by either of torch's names for its parts."""
    if "conv.weight" in tensors:
        return tensors("conv.weight")
    new = "conv.parametrizations.weight.original1" in tensors
    names = ("original0", "original1") if new else ("weight_g", "weight_v")
    middle = "conv.parametrizations.weight" if new else "conv"
    length, direction = (tensors(f"{middle}.{name}") for name in names)
    size: Tensor = direction.norm(dim=(0, 1), keepdim=True)
    # One length for each place of the kernel (dim=2).
    return length * direction / size


def _batch_norm(tensors: Tensors, place: Place) -> Callable[[Tensor], Tensor]:
    scale = tensors("weight") * (tensors("running_var") + 1e-5).rsqrt()
    shift = place.put(tensors("bias") - tensors("running_mean") * scale)
    put = place.put(scale)
    return lambda hidden: hidden * put + shift


class _StackedPositions:
    """Of data2vec: several convolutions, each with a norm without weights."""

    def __init__(self, shape: Shape, tensors: Tensors, place: Place) -> None:
        self._act = activation(shape.feat_extract_activation)
        self._convolutions = [
            Convolution(
                place,
                tensors(f"layers.{i}.conv.weight"),
                tensors(f"layers.{i}.conv.bias"),
                padding=shape.conv_pos_kernel_size // 2,
                groups=shape.num_conv_pos_embedding_groups,
            )
            for i in range(shape.num_conv_pos_embeddings)
        ]

    def __call__(self, hidden: Tensor) -> Tensor:
        length = len(hidden)
        for convolution in self._convolutions:
            hidden = convolution(hidden)[:length]
            hidden = self._act(functional.layer_norm(hidden, hidden.shape[-1:]))
        return hidden


class _RelativeBias:
    """WavLM's bias by distance, shared by all layers."""

    def __init__(self, shape: Shape, weight: Tensor, place: Place) -> None:
        self._weight = place.put(weight)  # [buckets, heads]
        self._buckets, self._farthest = shape.num_buckets // 2, shape.max_bucket_distance

    def table(self, length: int) -> Tensor:
        """[heads, length, length]: row i, column j holds the bias of distance j − i."""
        distance = torch.arange(1 - length, length, device=self._weight.device)
        near = self._buckets // 2
        # Buckets of one distance each up to `near`, growing with its logarithm beyond.
        far = torch.log(distance.abs().float() / near) / math.log(self._farthest / near)
        grown = (near + far * (self._buckets - near)).clamp(max=self._buckets - 1).long()
        bucket = torch.where(distance.abs() < near, distance.abs(), grown)
        values = self._weight[bucket + (distance > 0) * self._buckets].t()
        return values.unfold(1, length, 1).flip(1)


class _Gate:
    """WavLM's gate on the bias, from each frame."""

    def __init__(self, tensors: Tensors, heads: int, place: Place) -> None:
        self._heads = heads
        # The eight outputs are added in two halves of four: so are the weights, once.
        self._weight = place.put(tensors("gru_rel_pos_linear.weight").view(2, 4, -1).sum(1))
        self._bias = place.put(tensors("gru_rel_pos_linear.bias").view(2, 4).sum(1))
        self._constant = place.put(tensors("gru_rel_pos_const").view(heads))

    def __call__(self, hidden: Tensor) -> Tensor:
        """[n, width] to [n, heads]."""
        by_head = hidden.view(len(hidden), self._heads, -1)
        gates = torch.sigmoid(functional.linear(by_head, self._weight, self._bias))
        return gates[..., 0] * (gates[..., 1] * self._constant - 1) + 2
