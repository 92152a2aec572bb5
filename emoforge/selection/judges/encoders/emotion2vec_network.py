"""emotion2vec's network: the audio encoder of data2vec 2.0, with the names of its weights.

Z. Ma et al., "emotion2vec: Self-supervised pre-training for speech emotion representation",
Findings of ACL 2024 (arXiv 2312.15185); A. Baevski et al., "Efficient self-supervised learning
with contextualized target representations", ICML 2023 (arXiv 2212.07525). Inference only: no
masking, no dropout, no decoder, no teacher.
"""

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

# What the published models have in common; a configuration that says otherwise is another network.
_FIXED: Mapping[str, object] = {
    "layer_norm_first": False,
    "norm_affine": True,
    "modalities.audio.extractor_mode": "layer_norm",
    "modalities.audio.conv_pos_pre_ln": False,
    "modalities.audio.use_alibi_encoder": True,
    "modalities.audio.learned_alibi": False,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network.

    width: of the embedding; heads: of attention; prenet, depth: blocks before and after what the
    modalities of data2vec share; hidden: units of a block's MLP; convolutions: (channels, kernel,
    stride) from the waveform to frames; position_layers, position_kernel, position_groups: of the
    convolutions that tell a frame its surroundings; extra: learned tokens before the frames;
    normalise: the waveform is brought to mean 0 and variance 1; scales: shape of the learned
    scales of the distance bias.
    """

    width: int
    heads: int
    prenet: int
    depth: int
    hidden: int
    epsilon: float
    convolutions: tuple[tuple[int, int, int], ...]
    position_layers: int
    position_kernel: int
    position_groups: int
    extra: int
    normalise: bool
    scales: tuple[int, int]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """From `model_conf` of a published `config.yaml`.

        Raises KeyError, TypeError or ValueError for what does not describe this network.
        """
        for key, wanted in _FIXED.items():
            value: Any = settings
            for part in key.split("."):
                value = value[part]
            if value != wanted:
                raise ValueError(f"{key} is {value}, that of a published emotion2vec is {wanted}")
        audio = settings["modalities"]["audio"]
        heads, width = int(settings["num_heads"]), int(settings["embed_dim"])
        if int(audio["num_alibi_heads"]) != heads or width % heads:
            raise ValueError(f"{heads} heads do not fit the bias or the width of {width}")
        prenet, depth = int(audio["prenet_depth"]), int(settings["depth"])
        layers = int(audio["conv_pos_depth"])
        return cls(
            width=width,
            heads=heads,
            prenet=prenet,
            depth=depth,
            hidden=int(width * settings["mlp_ratio"]),
            epsilon=float(settings["norm_eps"]),
            convolutions=_convolutions(audio["feature_encoder_spec"]),
            position_layers=layers,
            position_kernel=max(3, int(audio["conv_pos_width"]) // layers),
            position_groups=int(audio["conv_pos_groups"]),
            extra=int(audio["num_extra_tokens"]),
            normalise=bool(settings["normalize"]),
            scales=(
                prenet + depth if audio["learned_alibi_scale_per_layer"] else 1,
                heads if audio["learned_alibi_scale_per_head"] else 1,
            ),
        )

    @property
    def shortest(self) -> int:
        """Samples of one frame."""
        samples = 1
        for _, kernel, stride in reversed(self.convolutions):
            samples = (samples - 1) * stride + kernel
        return samples

    def frames(self, lengths: Tensor) -> Tensor:
        """Frames of clips of so many samples."""
        for _, kernel, stride in self.convolutions:
            lengths = (lengths - kernel) // stride + 1
        return lengths


def _convolutions(text: str) -> tuple[tuple[int, int, int], ...]:
    """Evaluate sums and repetitions of lists of three integers, `[(512, 3, 2)] * 4 + …`: no code.

    Raises ValueError for anything else.
    """

    def value(node: ast.expr) -> list[tuple[int, int, int]]:
        match node:
            case ast.BinOp(left, ast.Add(), right):
                return value(left) + value(right)
            case ast.BinOp(left, ast.Mult(), ast.Constant(int(times))) if times <= 16:
                return value(left) * times
            case ast.List(items):
                layers = [ast.literal_eval(item) for item in items]
                if all(len(layer) == 3 and all(int(n) > 0 for n in layer) for layer in layers):
                    return [(int(c), int(k), int(s)) for c, k, s in layers]
        raise ValueError(f"'{text}' is not a list of convolutions")

    try:
        layers = value(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError) as error:
        raise ValueError(f"'{text}' is not a list of convolutions") from error
    if not layers:
        raise ValueError("there is no convolution")
    return tuple(layers)


class Emotion2Vec(nn.Module):
    """Waveforms to an embedding and, where the weights have a classifier, logits.

    classes: of the classifier; 0: there is none, and no logits.
    """

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.shape = shape
        # Names of modules are those of the published weights.
        self.modality_encoders = nn.ModuleDict({"AUDIO": _Front(shape)})
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.depth))
        self.proj = nn.Linear(shape.width, classes) if classes else None

    def forward(self, clips: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Clips float32 [n] to embeddings [b, width] and logits [b, classes].

        An embedding is the mean over a clip's frames; it is the same in any company.
        """
        waves = pad_sequence(list(clips), batch_first=True)
        lengths = torch.tensor([len(clip) for clip in clips], device=waves.device)
        front: Any = self.modality_encoders["AUDIO"]
        frames = self.shape.frames(lengths)
        own = torch.arange(int(frames.max()), device=waves.device) < frames[:, None]
        x = front.embedded(self._normalised(waves, lengths), own)
        heard = functional.pad(own, (self.shape.extra, 0), value=True)
        distance = _distance(int(frames.max()), self.shape, x)
        scales = front.alibi_scale.clamp_min(0)
        for number, block in enumerate([*front.context_encoder["blocks"], *self.blocks]):
            if number < len(scales):  # there is one for each block, or one for all
                bias = (distance * scales[number]).masked_fill(~heard[:, None, None], -math.inf)
            x = block(x, bias)
        x = x[:, self.shape.extra :].masked_fill(~own[:, :, None], 0)
        embeddings = x.sum(1) / frames[:, None]
        return embeddings, self.proj(embeddings) if self.proj else embeddings[:, :0]

    def _normalised(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Mean 0 and variance 1 over each clip's own samples; the padding is 0 and stays so."""
        if not self.shape.normalise:
            return waves
        own = torch.arange(waves.shape[1], device=waves.device) < lengths[:, None]
        mean = waves.sum(1, keepdim=True) / lengths[:, None]
        centred = (waves - mean).masked_fill(~own, 0)
        variance = centred.square().sum(1, keepdim=True) / lengths[:, None]
        return centred / (variance + 1e-5).sqrt()


class _Front(nn.Module):
    """What data2vec calls the modality's encoder, up to the first block of attention."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.extra_tokens = nn.Parameter(torch.zeros(1, shape.extra, width))
        layers, heads = shape.scales
        self.alibi_scale = nn.Parameter(torch.ones(layers, 1, heads, 1, 1))
        before = [1, *(channels for channels, _, _ in shape.convolutions)]
        self.local_encoder = nn.ModuleDict(
            {
                "conv_layers": nn.ModuleList(
                    nn.ModuleDict(
                        {
                            "0": nn.Conv1d(channels_in, channels, kernel, stride, bias=False),
                            "2": nn.ModuleDict({"1": nn.LayerNorm(channels)}),
                        }
                    )
                    for channels_in, (channels, kernel, stride) in zip(
                        before, shape.convolutions, strict=False
                    )
                )
            }
        )
        self.project_features = nn.ModuleDict(
            {"1": nn.LayerNorm(before[-1]), "2": nn.Linear(before[-1], width)}
        )
        kernel = shape.position_kernel
        self.relative_positional_encoder = nn.ModuleDict(
            {
                str(layer + 1): nn.ModuleDict(
                    {
                        "0": nn.Conv1d(
                            width,
                            width,
                            kernel,
                            padding=kernel // 2,
                            groups=shape.position_groups,
                        )
                    }
                )
                for layer in range(shape.position_layers)
            }
        )
        self.context_encoder = nn.ModuleDict(
            {
                "norm": nn.LayerNorm(width, eps=shape.epsilon),
                "blocks": nn.ModuleList(_Block(shape) for _ in range(shape.prenet)),
            }
        )

    def embedded(self, waves: Tensor, own: Tensor) -> Tensor:
        """Waveforms [b, n] to [b, extra + frames, width]; own: [b, frames], False in padding."""
        x = waves[:, None]
        layers: Any = self.local_encoder["conv_layers"]
        for layer in layers:
            x = layer["2"]["1"](layer["0"](x).transpose(1, 2)).transpose(1, 2)
            x = functional.gelu(x)
        projection: Any = self.project_features
        x = projection["2"](projection["1"](x.transpose(1, 2)))
        positions, places = x, x.shape[1]
        encoder: Any = self.relative_positional_encoder
        for layer in encoder.values():
            # A clip alone is followed by zeros.
            positions = positions.masked_fill(~own[:, :, None], 0)
            # A kernel of even length gives a frame too many.
            positions = layer["0"](positions.transpose(1, 2))[:, :, :places].transpose(1, 2)
            positions = functional.gelu(functional.layer_norm(positions, positions.shape[-1:]))
        x = torch.cat([self.extra_tokens.expand(len(x), -1, -1), x + positions], 1)
        normalised: Tensor = self.context_encoder["norm"](x)
        return normalised


class _Block(nn.Module):
    """Attention and MLP, each normalised after it is added."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norm1 = nn.LayerNorm(width, eps=shape.epsilon)
        self.attn = nn.ModuleDict(
            {"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)}
        )
        self.norm2 = nn.LayerNorm(width, eps=shape.epsilon)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, shape.hidden), "fc2": nn.Linear(shape.hidden, width)}
        )

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x: [b, places, width]; bias: [b, heads, places, places], −∞ where nothing is heard."""
        batch, places, width = x.shape
        query, key, value = (
            self.attn["qkv"](x).reshape(batch, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        )
        heard = functional.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))
        x = self.norm1(x + self.attn["proj"](heard.transpose(1, 2).reshape(batch, places, width)))
        inner = functional.gelu(self.mlp["fc1"](x))
        normalised: Tensor = self.norm2(x + self.mlp["fc2"](inner))
        return normalised


def _distance(frames: int, shape: Shape, like: Tensor) -> Tensor:
    """Bias [heads, places, places] that falls with the distance of two frames; 0 for extra tokens.

    O. Press et al., "Train short, test long: Attention with linear biases", ICLR 2022, made
    symmetric in time.
    """
    at = torch.arange(frames, device=like.device)
    slopes = torch.tensor(_slopes(shape.heads), device=like.device)
    bias = -slopes[:, None, None] * (at[None] - at[:, None]).abs()
    return functional.pad(bias, (shape.extra, 0, shape.extra, 0))


def _slopes(heads: int) -> list[float]:
    """A geometric series for a power of two; for other numbers, that of the power below, and
    every second one of the series of twice as many."""
    power = 2 ** int(math.log2(heads))
    series = [2 ** (-8 * (head + 1) / power) for head in range(power)]
    return series if power == heads else series + _slopes(2 * power)[::2][: heads - power]
