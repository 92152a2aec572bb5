"""What decides how a judge is trained: plain values that a YAML file can hold."""

from dataclasses import dataclass, field
from typing import Literal

from emoforge.label import SCHEMES


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


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """A head's training, on embeddings of an encoder that stays as it is.

    The loss is the cross-entropy of the label's distribution, with class weights, plus
    penalty · width / (2n) · ‖W‖² for n clips and embeddings of that width: the same strength of
    belief that little is to be heard, however wide the encoder is. The defaults are those that
    heard held-out speakers best on eGeMAPS and on the embedded judge's embeddings of RAVDESS,
    EmoDB and nEMO.

    schemes: one head each.
    pooling: how an embedding's parts become one. `mean`; `weights`: one learned weight a part,
        for the layers of an encoder (S. Yang et al., SUPERB, Interspeech 2021); `attention`:
        weights that depend on the embedding, and the weighted standard deviation beside the
        mean, for segments in time (K. Okabe et al., "Attentive statistics pooling",
        Interspeech 2018).
    hidden: units of the hidden layer of an MLP; 0: a linear head.
    beta: classes of n clips weigh (1−β)/(1−βⁿ) (Y. Cui et al., "Class-balanced loss", CVPR 2019,
        as in EMO-SUPERB, arXiv 2402.13018); 0: all alike.
    steps: of the optimiser, at most.
    """

    schemes: tuple[str, ...] = ("basic4",)
    pooling: Literal["mean", "weights", "attention"] = "mean"
    hidden: int = 0
    beta: float = 0.999
    penalty: float = 0.5
    steps: int = 400

    def __post_init__(self) -> None:
        unknown = [name for name in self.schemes if name not in SCHEMES]
        faults = {
            f"known schemes are {', '.join(SCHEMES)}": unknown or not self.schemes,
            "hidden must be 0 or more": self.hidden < 0,
            "beta must lie in [0, 1)": not 0 <= self.beta < 1,
            "penalty must be above 0": not self.penalty > 0,
            "steps must be 1 or more": self.steps < 1,
        }
        for sentence, fault in faults.items():
            if fault:
                raise ValueError(sentence)
