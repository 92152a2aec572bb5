"""The embedded judge's network: strided 2-D convolutions, attentive statistics, two heads."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from emoforge.selection.judges.recipe import NetworkSettings

GRID = 16
"""Frame counts that the network takes are multiples of this.

A clip is padded to the next one, alone or not, so its padding never depends on its neighbours.
"""

_TIME_STRIDE = 4

_DYNAMIC_RANGE = 6 * math.log(10)
"""60 dB, as a natural logarithm of power."""


class Heard(NamedTuple):
    """What the network makes of a batch: logits by scheme name, and the embedding [b, d]."""

    logits: dict[str, Tensor]
    embedding: Tensor


class Network(nn.Module):
    """Log-mel frames in, logits and embedding out."""

    def __init__(self, mels: int, classes: dict[str, int], settings: NetworkSettings) -> None:
        """`classes`: number of classes of each scheme, one head each."""
        super().__init__()
        sizes = (1, *settings.channels)
        self.convolutions = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(
                        sizes[i],
                        sizes[i + 1],
                        kernel_size=3 if i else 5,
                        stride=(2, 2 if i < 2 else 1),
                        padding=1 if i else 2,
                        bias=False,
                    ),
                    nn.BatchNorm2d(sizes[i + 1]),
                    nn.ReLU(inplace=True),
                )
                for i in range(len(settings.channels))
            )
        )
        bands = mels
        for _ in settings.channels:
            bands = (bands + 1) // 2
        hidden = settings.hidden
        self.project = nn.Sequential(
            nn.Conv1d(sizes[-1] * bands, hidden, 1, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()
        )
        self.context = nn.Sequential(
            nn.Conv1d(hidden, hidden, 3, padding=1, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()
        )
        self.attention = nn.Sequential(
            nn.Conv1d(hidden, 64, 1), nn.Tanh(), nn.Conv1d(64, hidden, 1)
        )
        self.embed = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(2 * hidden, settings.embedding),
            nn.BatchNorm1d(settings.embedding),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(settings.embedding, count) for name, count in classes.items()}
        )

    def forward(self, frames: Tensor, lengths: Tensor) -> Heard:
        """frames: [b, t, mels], t a multiple of GRID; lengths: [b], frames that are not padding."""
        images = frames.transpose(1, 2)[:, None].contiguous(memory_format=torch.channels_last)
        states = self.project(self.convolutions(images).flatten(1, 2))
        states = states + self.context(states)
        steps = torch.arange(states.shape[2], device=frames.device)
        heard = steps < ((lengths + _TIME_STRIDE - 1) // _TIME_STRIDE)[:, None]
        # Attentive statistics pooling with a weight for each channel: K. Okabe et al. 2018
        # (arXiv 1803.10963), B. Desplanques et al. 2020 (arXiv 2005.07143).
        scores = self.attention(states).float().masked_fill(~heard[:, None], -1e4)
        weights, states = scores.softmax(2), states.float()
        mean = (weights * states).sum(2)
        spread = ((weights * states.square()).sum(2) - mean.square()).clamp_min(1e-5).sqrt()
        embedding = self.embed(torch.cat([mean, spread], 1))
        kept = self.dropout(embedding)
        return Heard(
            {name: head(kept).float() for name, head in self.heads.items()}, embedding.float()
        )


def normalised(log_mels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Batch of one padded length: frames [b, t, mels] and lengths [b] from log-mels [t_i, mels].

    What lies more than 60 dB below a clip's loudest band is raised to there, so that digital
    silence sounds like a quiet room; then the clip's mean is taken off, so that level is moot.
    """
    lengths = torch.tensor([len(x) for x in log_mels])
    longest = -(-int(lengths.max()) // GRID) * GRID
    rows = []
    for x in log_mels:
        x = torch.maximum(x, x.max() - _DYNAMIC_RANGE)
        rows.append(functional.pad((x - x.mean()) / 3, (0, 0, 0, longest - len(x))))
    return torch.stack(rows), lengths
