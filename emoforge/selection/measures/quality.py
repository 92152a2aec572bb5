"""Measures of one sound alone: quality as networks predict it that learned from listeners.

Their weights are not shipped. Each measure says where they come from and under which licence.
"""

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from emoforge.audio import Audio
from emoforge.component import INCIDENTAL, Requirement
from emoforge.errors import AudioError, RequirementError
from emoforge.hub import weights_digest
from emoforge.selection.measures.measure import Measure, Result, silent
from emoforge.selection.measures.spectrum import Floats, decibels, magnitudes, mel_filters

_RATE = 16000
_HOP = 160


@dataclass(frozen=True)
class Quality(Measure):
    """A prediction of listeners' scores. model: folder with the published weights."""

    model: str = field(default="", metadata=INCIDENTAL)

    source: ClassVar[str]
    """Where the weights come from, and their licence."""

    @property
    @abstractmethod
    def files(self) -> Sequence[str]:
        """Weights in the folder that are used."""

    @cached_property
    def _paths(self) -> list[Path]:
        """Raises RequirementError saying where the weights are had, if they are not there."""
        folder = Path(self.model).expanduser()
        paths = [folder / name for name in self.files]
        missing = [name for name, path in zip(self.files, paths, strict=True) if not path.is_file()]
        if not self.model or missing:
            problem = f"has no {missing[0]}" if self.model else "is not given"
            raise RequirementError(
                f"the folder with the weights of '{self.name}' {problem}: "
                f"set measures.{self.name}.model=DIR (gates.{self.name}.model=DIR for the gate) "
                f"to one with {', '.join(self.files)} "
                f"from {self.source}"
            )
        return paths

    @property
    def weights(self) -> str:
        """Digest of the weights; raises RequirementError if there are none."""
        return weights_digest(self._paths)

    def prepare(self, original: Audio) -> None:
        """Nothing: the other sound is measured alone."""

    def compare(self, prepared: None, other: Audio) -> Mapping[str, float]:
        """NaN for digital silence; AudioError for what is too short."""
        if silent(other):
            return self.none()
        values = self._scores(other)
        return {
            result.name: float(value) for result, value in zip(self.results, values, strict=True)
        }

    @abstractmethod
    def _scores(self, audio: Audio) -> Sequence[float]:
        """One number for each of `results`."""


def _mos(name: str, title: str) -> Result:
    return Result(name, title, "MOS", "higher", "quality", alone=True)


@dataclass(frozen=True)
class Dnsmos(Quality):
    """DNSMOS: P.808 overall quality, and P.835 signal, background and overall; MOS, about 1 to 5.

    C. Reddy et al., arXiv 2010.15258 and 2110.01763, at 16 kHz. The networks hear 9.01 s, every
    second anew: shorter clips are repeated until they fill it, as the authors have it. Level
    counts in P.835, hardly in P.808. They learned from noise suppressors, not from codecs.
    """

    name: ClassVar[str] = "dnsmos"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "github.com/microsoft/DNS-Challenge, folder DNSMOS (CC BY 4.0)"
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("onnxruntime", "measures"),)
    results: ClassVar[tuple[Result, ...]] = (
        _mos("dnsmos_p808", "DNSMOS P.808"),
        _mos("dnsmos_sig", "DNSMOS signal"),
        _mos("dnsmos_bak", "DNSMOS background"),
        _mos("dnsmos_ovrl", "DNSMOS overall"),
    )

    _LENGTH: ClassVar[int] = 144160
    # The networks' outputs to MOS, lowest power first, as published with them.
    _CURVES: ClassVar[Sequence[Sequence[float]]] = (
        (0.0052439, 1.22083953, -0.08397278),
        (-0.39604546, 1.60915514, -0.13166888),
        (0.04602535, 1.11546468, -0.06766283),
    )

    @property
    def files(self) -> Sequence[str]:
        """The networks of P.808 and of P.835."""
        return "DNSMOS/model_v8.onnx", "DNSMOS/sig_bak_ovr.onnx"

    @cached_property
    def _networks(self) -> list[Any]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        sessions = []
        for path in self._paths:
            try:
                sessions.append(
                    onnxruntime.InferenceSession(
                        str(path), options, providers=["CPUExecutionProvider"]
                    )
                )
            except Exception as error:  # its errors have no base of their own
                raise RequirementError(f"{path}: damaged, it is no ONNX network") from error
        return sessions

    def setup(self) -> None:
        """Load the networks; raises RequirementError if they are damaged."""
        _ = self._networks

    def _scores(self, audio: Audio) -> Sequence[float]:
        samples = audio.resampled(_RATE).samples
        while len(samples) < self._LENGTH:  # doubled, so that the joints are where the authors'
            samples = np.concatenate([samples, samples])
        starts = range(int(len(samples) // _RATE - 9.01) + 1)  # whole seconds count, theirs too
        parts = [samples[start * _RATE :][: self._LENGTH] for start in starts]
        overall, scales = self._networks
        p808 = [overall.run(None, {"input_1": _p808_mels(part)[None]})[0][0, 0] for part in parts]
        p835 = np.concatenate([scales.run(None, {"input_1": part[None]})[0] for part in parts])
        curved = [
            np.polynomial.Polynomial(curve)(p835[:, i].astype(np.float64)).mean()
            for i, curve in enumerate(self._CURVES)
        ]
        return [np.mean(p808, dtype=np.float64), *curved]


def _p808_mels(samples: Floats) -> Floats:
    """120 log-mel bands below the loudest point, from -1 to 1: [900, 120]."""
    power = np.square(magnitudes(samples[:-_HOP], 321, _HOP)) @ mel_filters(_RATE, 321, 120)
    return np.asarray((decibels(power, 1e-10, float(power.max())) + 40) / 40, np.float32)


@dataclass(frozen=True)
class DnsmosPro(Quality):
    """DNSMOS Pro: MOS, about 1 to 5, the mean of the distribution that it predicts.

    F. Cumlin et al., Interspeech 2024, at 16 kHz; clips are repeated to 10 s, or cut, as in its
    training. A gain changes it.

    corpus: the listeners it learned from; of BVCC they heard speech that was synthesised and
    converted, of VCC2018 converted, of NISQA transmitted.
    """

    corpus: Literal["BVCC", "NISQA", "VCC2018"] = "BVCC"

    name: ClassVar[str] = "dnsmospro"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "github.com/fcumlin/DNSMOSPro, folder runs (MIT)"
    results: ClassVar[tuple[Result, ...]] = (_mos("dnsmospro", "DNSMOS Pro"),)

    _LENGTH: ClassVar[int] = 10 * _RATE

    @property
    def files(self) -> Sequence[str]:
        """The network that learned from `corpus`."""
        return (f"{self.corpus}/model_best.pt",)

    @cached_property
    def _network(self) -> Any:
        import torch

        (path,) = self._paths
        try:
            with warnings.catch_warnings():
                # torch wants other formats from now on; these weights are published in this one.
                warnings.simplefilter("ignore", DeprecationWarning)
                load: Any = torch.jit.load
                return load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError) as error:
            raise RequirementError(f"{path}: damaged, it is no TorchScript network") from error

    def setup(self) -> None:
        """Load the network; raises RequirementError if it is damaged."""
        _ = self._network

    def _scores(self, audio: Audio) -> Sequence[float]:
        import torch

        samples = np.resize(audio.resampled(_RATE).samples, self._LENGTH)
        spectrum = np.log10(np.clip(magnitudes(samples, 320, _HOP), 1e-7, 1e7))
        with torch.inference_mode():
            return [self._network(torch.from_numpy(spectrum)[None, None])[0, 0]]


@dataclass(frozen=True)
class Nisqa(Quality):
    """NISQA v2: overall quality, and how free of noise, breaks, coloration and wrong level; 1 to 5.

    G. Mittag et al., Interspeech 2021 (arXiv 2104.09494), at the clip's own rate, by the network
    of `torchmetrics`. It learned from telephone and conference speech up to 48 kHz: a clip of
    16 kHz is heard as one without its upper bands. Level counts.
    """

    name: ClassVar[str] = "nisqa"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "github.com/gabrielmittag/NISQA, folder weights (CC BY-NC-SA 4.0)"
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("torchmetrics", "measures"),)
    results: ClassVar[tuple[Result, ...]] = (
        _mos("nisqa", "NISQA"),
        _mos("nisqa_noisiness", "NISQA noisiness"),
        _mos("nisqa_discontinuity", "NISQA discontinuity"),
        _mos("nisqa_coloration", "NISQA coloration"),
        _mos("nisqa_loudness", "NISQA loudness"),
    )

    _SEGMENT: ClassVar[int] = 15
    _STEP: ClassVar[int] = 4
    _MOST: ClassVar[int] = 1300

    @property
    def files(self) -> Sequence[str]:
        """The network of MOS and dimensions."""
        return ("nisqa.tar",)

    @cached_property
    def _network(self) -> Any:
        import pickle

        import torch
        from torchmetrics.functional.audio.nisqa import _NISQADIM

        (path,) = self._paths
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
            network = _NISQADIM(loaded["args"])
            network.load_state_dict(loaded["model_state_dict"])
        except (RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise RequirementError(f"{path}: damaged, or not the weights of NISQA v2") from error
        return network.eval()

    def setup(self) -> None:
        """Load the network; raises RequirementError for other weights."""
        _ = self._network

    def _scores(self, audio: Audio) -> Sequence[float]:
        import torch

        hop, window, size = int(audio.rate * 0.01), int(audio.rate * 0.02), 4096
        if len(audio.samples) < max(self._SEGMENT * hop, size // 2 + 1):
            raise AudioError(f"a clip of {audio.duration:.3f} s is too short for NISQA")
        linear = magnitudes(audio.samples, size, hop, window, mirror=True)
        mels = linear @ mel_filters(audio.rate, size, 48, 20000.0)
        levels = decibels(np.square(mels), 1e-8)
        segments = np.lib.stride_tricks.sliding_window_view(levels, self._SEGMENT, axis=0)
        chosen = np.ascontiguousarray(segments[:: self._STEP])
        if len(chosen) > self._MOST:
            raise AudioError(f"a clip of {audio.duration:.0f} s is too long for NISQA")
        with torch.inference_mode():
            scores = self._network(torch.from_numpy(chosen)[None], torch.tensor([len(chosen)]))
        return [float(value) for value in scores[0]]
