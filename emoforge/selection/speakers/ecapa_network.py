"""The ECAPA-TDNN network (B. Desplanques et al., arXiv 2005.07143), under SpeechBrain's names.

SpeechBrain itself is not needed to run its weights.
"""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

_BANDS = 80
_DILATIONS = (1, 2, 3, 4)


class _Conv(nn.Module):
    """A convolution that keeps the length; beyond the ends is the sound backwards."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            inputs, outputs, kernel, padding="same", dilation=dilation, padding_mode="reflect"
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x)
        return out


class _Tdnn(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = _Conv(inputs, outputs, kernel, dilation)
        self.norm = _Norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(torch.relu(self.conv(x)))
        return out


class _Res2Net(nn.Module):
    """Each part of the channels also hears what came of the part before; the first passes."""

    def __init__(self, width: int, scale: int, kernel: int, dilation: int) -> None:
        super().__init__()
        part = width // scale
        self.blocks = nn.ModuleList(_Tdnn(part, part, kernel, dilation) for _ in range(scale - 1))

    def forward(self, x: Tensor) -> Tensor:
        first, *parts = x.chunk(len(self.blocks) + 1, dim=1)
        heard = [first]
        for i, (block, part) in enumerate(zip(self.blocks, parts, strict=True)):
            heard.append(block(part + heard[-1] if i else part))
        return torch.cat(heard, dim=1)


class _SqueezeExcitation(nn.Module):
    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.conv1 = _Conv(width, squeezed)
        self.conv2 = _Conv(squeezed, width)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.conv2(torch.relu(self.conv1(x.mean(2, keepdim=True))))
        return x * torch.sigmoid(scale)


class _Block(nn.Module):
    def __init__(self, width: int, scale: int, squeezed: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.tdnn1 = _Tdnn(width, width)
        self.res2net_block = _Res2Net(width, scale, kernel, dilation)
        self.tdnn2 = _Tdnn(width, width)
        self.se_block = _SqueezeExcitation(width, squeezed)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(x))))
        return out


class _Pooling(nn.Module):
    """Mean and deviation over time, weighted by attention that knows those of the whole clip."""

    def __init__(self, width: int, attention: int) -> None:
        super().__init__()
        self.tdnn = _Tdnn(3 * width, attention)
        self.conv = _Conv(attention, width)

    def forward(self, x: Tensor) -> Tensor:
        even = torch.full_like(x, 1 / x.shape[2])
        whole = [moment.expand_as(x) for moment in _moments(x, even)]
        weights = self.conv(torch.tanh(self.tdnn(torch.cat([x, *whole], dim=1)))).softmax(2)
        return torch.cat(_moments(x, weights), dim=1)


def _moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    mean = (weights * x).sum(2, keepdim=True)
    variance = (weights * (x - mean).square()).sum(2, keepdim=True)
    return mean, variance.clamp(1e-12).sqrt()


class Network(nn.Module):
    """Mel bands in dB [batch, 80, frames] to embeddings [batch, width]."""

    def __init__(
        self,
        *,
        width: int,
        joined: int,
        kernel: int,
        inner: int,
        scale: int,
        squeezed: int,
        attention: int,
        out: int,
    ) -> None:
        super().__init__()
        first, *others = _DILATIONS
        self.blocks = nn.ModuleList(
            [
                _Tdnn(_BANDS, width, kernel, first),
                *(_Block(width, scale, squeezed, inner, dilation) for dilation in others),
            ]
        )
        self.mfa = _Tdnn(len(others) * width, joined)
        self.asp = _Pooling(joined, attention)
        self.asp_bn = _Norm(2 * joined)
        self.fc = _Conv(2 * joined, out)

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """The network of these weights, ready to use.

        Raises KeyError, AttributeError, IndexError or RuntimeError for weights of another one.
        """
        first = state["blocks.0.conv.conv.weight"]
        part = state["blocks.1.res2net_block.blocks.0.conv.conv.weight"]
        made = cls(
            width=first.shape[0],
            joined=state["mfa.conv.conv.weight"].shape[0],
            kernel=first.shape[2],
            inner=part.shape[2],
            scale=first.shape[0] // part.shape[0],
            squeezed=state["blocks.1.se_block.conv1.conv.weight"].shape[0],
            attention=state["asp.tdnn.conv.conv.weight"].shape[0],
            out=state["fc.conv.weight"].shape[0],
        )
        made.load_state_dict(state)
        return made.eval()

    def forward(self, x: Tensor) -> Tensor:
        heard = []
        for block in self.blocks:
            x = block(x)
            heard.append(x)
        joined = self.mfa(torch.cat(heard[1:], dim=1))
        out: Tensor = self.fc(self.asp_bn(self.asp(joined)))
        return out[:, :, 0]
