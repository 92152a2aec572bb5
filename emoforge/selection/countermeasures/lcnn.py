"""A light CNN: convolutions whose activation is the larger of two feature maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from emoforge.selection.countermeasures.front_end import WIDTH

_HIDDEN = 160
_DROPOUT = 0.5


class MaxFeatureMap(nn.Module):
    """The larger of each two maps, half of the channels against the other half.

    X. Wu, R. He, Z. Sun, T. Tan, "A light CNN for deep face representation with noisy labels",
    IEEE Transactions on Information Forensics and Security 13(11), 2018.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """[b, 2c, …] to [b, c, …]."""
        first, second = maps.chunk(2, 1)
        # The same as torch.maximum, whose gradient costs as much as the convolution before it.
        return first + functional.relu(second - first)


def _convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(inside, 2 * outside, kernel, stride, padding=kernel // 2)
    return [layer, MaxFeatureMap()]


class LCNN(nn.Module):
    """LFCC frames in, one score out: the log-odds of bona fide at even odds.

    The order of layers is that of G. Lavrentyeva et al., "STC antispoofing systems for the
    ASVspoof2019 challenge", Interspeech 2019, with about half of its channels, a stride in place
    of the first pooling, and the mean over time before the last layers: 0.2 million parameters,
    quick enough for a processor.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.register_buffer("scale", torch.ones(WIDTH))
        self.convolutions = nn.Sequential(
            *_convolution(1, 16, 5, stride=2),
            *_convolution(16, 16, 1),
            nn.BatchNorm2d(16),
            *_convolution(16, 24, 3),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(24),
            *_convolution(24, 24, 1),
            nn.BatchNorm2d(24),
            *_convolution(24, 48, 3),
            nn.MaxPool2d(2),
            *_convolution(48, 48, 1),
            nn.BatchNorm2d(48),
            *_convolution(48, 64, 3),
            nn.BatchNorm2d(64),
            *_convolution(64, 64, 1),
            nn.BatchNorm2d(64),
            *_convolution(64, 64, 3),
            nn.MaxPool2d(2),
        )
        self.embed = nn.Linear(64 * (WIDTH // 16), _HIDDEN)
        self.larger = MaxFeatureMap()
        self.norm = nn.BatchNorm1d(_HIDDEN // 2)
        self.score = nn.Linear(_HIDDEN // 2, 1)

    def forward(self, frames: Tensor, dropout: torch.Generator | None = None) -> Tensor:
        """frames: [b, t, 60], t ≥ 16; gives [b]. dropout: drawn from it in training, on the CPU."""
        standard = (frames - self.mean) / self.scale
        maps = self.convolutions(standard[:, None].contiguous(memory_format=torch.channels_last))
        pooled = maps.mean(2).flatten(1)
        if dropout is not None:
            # nn.Dropout would draw from the global generator.
            kept = torch.rand(pooled.shape, generator=dropout) >= _DROPOUT
            pooled = pooled * kept.to(pooled.device) / (1 - _DROPOUT)
        hidden = self.norm(self.larger(self.embed(pooled)))
        return self.score(hidden)[:, 0]  # type: ignore[no-any-return]


def built(generator: torch.Generator) -> LCNN:
    """A network with random weights (K. He et al. 2015, for the convolutions) of a generator."""
    # Without storage, so that no numbers are drawn from the global generator.
    with torch.device("meta"):
        network = LCNN()
    network.to_empty(device="cpu")
    network.mean.zero_()
    network.scale.fill_(1.0)
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, generator=generator)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.reset_parameters()
    return network


def loss(scores: Tensor, spoof: Tensor) -> Tensor:
    """Mean binary cross-entropy of scores [b]; spoof: bool [b]."""
    return functional.binary_cross_entropy_with_logits(scores, (~spoof).float())
