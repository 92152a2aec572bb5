"""Log-mel front end of the embedded judge.

The power spectrogram is kept apart from its mel bands: training perturbs the voice by moving the
bands along the frequency axis, which costs one matrix product instead of resampling the audio.
"""

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from emoforge.selection.judges.recipe import FeatureSettings

RATE = 16000
"""Sampling rate that the judge hears, Hz."""

POWER_FLOOR = 1e-10
"""Added to every mel power, so that digital silence has a logarithm."""

_SILENCE = 3.5 * math.log(10)
_MARGIN = 6


def power_spectrogram(samples: Tensor, settings: FeatureSettings) -> Tensor:
    """Squared magnitudes of 16 kHz samples [..., n]: [..., 1 + n // hop, bins], float32.

    Frames are centred on multiples of the hop; the sound is silent before and after.
    """
    half = settings.fft // 2
    spectrum = torch.stft(
        functional.pad(samples, (half, half)),
        settings.fft,
        settings.hop,
        settings.window,
        torch.hann_window(settings.window, device=samples.device),
        center=False,
        return_complex=True,
    )
    return (spectrum.real.square() + spectrum.imag.square()).transpose(-1, -2)


@functools.cache
def mel_bank(settings: FeatureSettings, scale: float = 1.0) -> Tensor:
    """Triangular bands, each summing to 1: [bins, mels] float32.

    Centres are equally spaced on the mel scale 2595 · log10(1 + f / 700) (O'Shaughnessy 1987),
    then multiplied by `scale`: below 1 the same sound appears higher and its vocal tract shorter.
    """
    ends = torch.tensor([settings.low, settings.high], dtype=torch.float64)
    mel = 2595 * torch.log10(1 + ends / 700)
    points = torch.linspace(float(mel[0]), float(mel[1]), settings.mels + 2, dtype=torch.float64)
    edges = 700 * (10 ** (points / 2595) - 1) * scale
    frequency = torch.linspace(0, RATE / 2, settings.bins, dtype=torch.float64)[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rise, fall = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
    bands = torch.minimum(rise, fall).clamp_min(0)
    return (bands / (bands.sum(0) + 1e-8)).float()


def log_mel(power: Tensor, bank: Tensor) -> Tensor:
    """Natural logarithm of band powers: [..., frames, bins] to [..., frames, mels]."""
    return torch.log(power @ bank + POWER_FLOOR)


def spoken(log_mels: Tensor) -> slice:
    """Frames [frames, mels] without the silence at both ends.

    Silence is what lies 35 dB below the loudest frame; 6 frames (0.1 s) of it stay. How much of
    it a corpus leaves there tells the corpus, not the emotion.
    """
    level = log_mels.logsumexp(1)
    loud = (level > level.max() - _SILENCE).nonzero()
    return slice(max(0, int(loud[0]) - _MARGIN), int(loud[-1]) + 1 + _MARGIN)


def heard_frames(samples: Tensor, settings: FeatureSettings) -> Tensor:
    """What the network hears of 16 kHz samples [n]: log-mels [voices, t, mels], ends cut."""
    banks = torch.stack([mel_bank(settings, math.exp(voice)) for voice in settings.voices])
    log_mels = log_mel(power_spectrogram(samples, settings), banks)
    return log_mels[:, spoken(log_mels[len(banks) // 2])]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: it adds up in one order, and so small a network is faster there.

    On two cores with other work, two threads wait for each other: 145 clips a second became 10.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
