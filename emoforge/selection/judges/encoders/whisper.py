"""The encoder of Whisper (arXiv 2212.04356): 30 s of log-mel frames at a time, silence included.

Tensors are named as transformers names them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from emoforge.selection.judges.encoders.layers import (
    Attention,
    Convolution,
    Layout,
    Linear,
    Norm,
    Place,
    Tensors,
    TransformerLayer,
)

_FFT, _HOP, _RATE = 400, 160, 16000


@dataclass(frozen=True, slots=True)
class Shape:
    """What config.json says; the defaults are transformers', for what a file leaves out."""

    d_model: int = 384
    encoder_layers: int = 4
    encoder_attention_heads: int = 6
    activation_function: str = "gelu"
    num_mel_bins: int = 80
    max_source_positions: int = 1500

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        return cls(**{name: config[name] for name in cls.__slots__ if name in config})

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.encoder_layers

    @property
    def shortest(self) -> int:
        """Samples that one frame is made of."""
        return _FFT

    @property
    def longest(self) -> int:
        """Samples that are heard at a time: 30 s."""
        return self.max_source_positions * 2 * _HOP


class Whisper:
    """The encoder, on one device."""

    def __init__(self, shape: Shape, tensors: Tensors, place: Place) -> None:
        self._shape, self._place = shape, place
        self._bank = mel_bank(shape.num_mel_bins).to(place.device)
        self._convolutions = [
            Convolution(
                place,
                tensors(f"{name}.weight"),
                tensors(f"{name}.bias"),
                stride=stride,
                padding=1,
                act="gelu",
            )
            for name, stride in (("conv1", 1), ("conv2", 2))
        ]
        self._positions = place.put(tensors("embed_positions.weight"))
        self._layers = [
            self._layer(tensors.under(f"layers.{i}"), place) for i in range(shape.encoder_layers)
        ]
        self._norm = Norm(place, tensors, "layer_norm", 1e-5)

    def _layer(self, tensors: Tensors, place: Place) -> TransformerLayer:
        return TransformerLayer(
            place,
            Attention(place, tensors.under("self_attn"), self._shape.encoder_attention_heads),
            Norm(place, tensors, "self_attn_layer_norm", 1e-5),
            Linear.of(place, tensors, "fc1", self._shape.activation_function),
            Linear.of(place, tensors, "fc2"),
            Norm(place, tensors, "final_layer_norm", 1e-5),
            stable=True,
        )

    def rows(self, samples: int) -> int:
        """Rows that a clip takes among the packed states: always all."""
        return self._shape.max_source_positions

    def frames(self, samples: int) -> int:
        """Frames that a clip of so many samples fills; what follows them hears silence."""
        return min(-(-samples // (2 * _HOP)), self._shape.max_source_positions)

    def states(self, clips: Sequence[Tensor]) -> Iterator[Tensor]:
        """Packed hidden states of waveforms [n]: see `Network`.

        Each clip has all `max_source_positions` rows.
        """
        layout = Layout([self._shape.max_source_positions] * len(clips), self._place)
        hidden = torch.cat([self._embedded(clip) for clip in clips])
        yield hidden
        for layer in self._layers[:-1]:
            hidden = layer(hidden, layout, None)
            yield hidden
        # Normalised in either of transformers' places for it.
        last = self._norm(self._layers[-1](hidden, layout, None))
        yield from (last, last)

    def _embedded(self, samples: Tensor) -> Tensor:
        hidden = self._mels(samples).to(self._place.dtype)
        for convolution in self._convolutions:
            hidden = convolution(hidden)
        return hidden + self._positions

    def _mels(self, samples: Tensor) -> Tensor:
        """Log-mel frames [t, mels] of a waveform [n] and the silence after it, float32."""
        padded = functional.pad(samples, (0, self._shape.longest - len(samples)))
        hann = torch.hann_window(_FFT, device=samples.device)
        spectrum = torch.stft(padded, _FFT, _HOP, window=hann, return_complex=True)[:, :-1]
        power = spectrum.real.square() + spectrum.imag.square()
        mels = (power.t() @ self._bank).clamp_min(1e-10).log10()
        return (torch.maximum(mels, mels.max() - 8) + 4) / 4


def mel_bank(mels: int) -> Tensor:
    """Triangular bands up to 8 kHz, each of unit area, on Slaney's scale: [bins, mels] float32.

    Slaney (Auditory Toolbox, 1998): 3 mels for 200 Hz up to 1 kHz, 27 for a factor of 6.4 above.
    """
    top = 15 + 27 * math.log(_RATE / 2 / 1000) / math.log(6.4)
    points = torch.linspace(0, top, mels + 2, dtype=torch.float64)
    edges = torch.where(
        points < 15, points * 200 / 3, 1000 * torch.exp((points - 15) * math.log(6.4) / 27)
    )
    frequency = torch.linspace(0, _RATE / 2, _FFT // 2 + 1, dtype=torch.float64)[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rise, fall = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
    return (torch.minimum(rise, fall).clamp_min(0) * 2 / (high - low)).float()
