"""Gates on quality, as networks predict what listeners would say of it (MOS, about 1 to 5)."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, cast

import numpy as np

from emoforge.audio import Audio
from emoforge.component import INCIDENTAL, Requirement, create
from emoforge.errors import AudioError
from emoforge.selection.gates.gate import Gate, Given
from emoforge.selection.measures import Measure


@dataclass(frozen=True)
class Quality(Gate):
    """One result of the measure of the same name. model: folder with the published weights."""

    model: str = field(default="", metadata=INCIDENTAL)
    lowest: float = 2.0

    unit: ClassVar[str] = "MOS"
    title: ClassVar[str]
    result: ClassVar[str]
    """Which result of the measure it is."""

    @cached_property
    def _measure(self) -> Measure:
        return cast(Measure, create("measure", self.name, {"model": self.model}))

    @property
    def weights(self) -> str:
        """Digest of the weights; raises RequirementError if there are none."""
        return self._measure.weights

    def setup(self) -> None:
        self._measure.setup()

    def measure(self, candidate: Audio, given: Given) -> float | None:
        """None for silence, and for what the network cannot hear: too short or too long."""
        try:
            value = self._measure.compare(None, candidate)[self.result]
        except AudioError:
            return None
        return value if np.isfinite(value) else None

    def reject(self, value: float) -> str | None:
        if value >= self.lowest:
            return None
        return f"its quality by {self.title} is {value:.2f} MOS, under {self.lowest:.2f}"


@dataclass(frozen=True)
class Dnsmos(Quality):
    """DNSMOS overall (P.835), at 16 kHz; see the measure of that name for weights and papers.

    Real speech (15 clips of RAVDESS, EmoDB and nEMO): 2.40 to 3.41.
    """

    name: ClassVar[str] = "dnsmos"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "DNSMOS"
    result: ClassVar[str] = "dnsmos_ovrl"
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("onnxruntime", "measures"),)


@dataclass(frozen=True)
class Nisqa(Quality):
    """NISQA v2, at the candidate's own rate; see the measure of that name.

    Real speech (15 clips of RAVDESS, EmoDB and nEMO): 2.20 to 4.46.
    """

    name: ClassVar[str] = "nisqa"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "NISQA"
    result: ClassVar[str] = "nisqa"
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("torchmetrics", "measures"),)
