"""What decides how a judge is trained: plain values that a YAML file can hold."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """How audio becomes log-mel frames.

    window, hop, fft: samples at 16 kHz; mels: number of bands; low, high: their range in Hz.
    voices: a clip is heard once with its frequency axis stretched by exp(each of these), and the
        answers are averaged; the middle one is the clip as it is.
    """

    window: int = 640
    hop: int = 256
    fft: int = 1024
    mels: int = 80
    low: float = 50.0
    high: float = 7600.0
    voices: tuple[float, ...] = (-0.15, 0.0, 0.15)

    @property
    def bins(self) -> int:
        """Number of frequency bins of the power spectrogram."""
        return self.fft // 2 + 1


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Sizes of the network.

    channels: one strided convolution each; all halve the bands, the first two also halve time.
    """

    channels: tuple[int, ...] = (16, 48, 96, 128)
    hidden: int = 256
    embedding: int = 192
    dropout: float = 0.3


@dataclass(frozen=True, slots=True)
class Perturbation:
    """How training clips are varied, anew in every epoch.

    voice: the frequency axis is stretched by up to exp(±voice), in `voices` equal steps: other
        pitch and other vocal tract, so that few speakers sound like many.
    tempo: time is stretched by up to exp(±tempo).
    equaliser: standard deviation of random spectral shapes (1: some 3 dB a component).
    noise: probability of added noise at 10 to 45 dB SNR.
    masks: bands and stretches of time that are blanked (SpecAugment, arXiv 1904.08779).
    """

    voice: float = 0.2
    voices: int = 9
    tempo: float = 0.15
    equaliser: float = 1.0
    noise: float = 0.5
    masks: int = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """A judge's training.

    schemes: one head each; a clip without a counterpart in a scheme teaches the other heads.
    epochs: passes over as many clips as there are; fixed, there is no early stopping.
    crop: frames of a training example.
    averaging: decay of the running mean of the weights, which is what is kept.
    precision: `bfloat16` is some 3 times as fast where the processor has it (AMX, CUDA).
    """

    schemes: tuple[str, ...] = ("wide8", "basic4")
    features: FeatureSettings = field(default_factory=FeatureSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    perturbation: Perturbation = field(default_factory=Perturbation)
    epochs: int = 36
    batch: int = 32
    crop: int = 128
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    averaging: float = 0.998
    precision: Literal["float32", "bfloat16"] = "bfloat16"
