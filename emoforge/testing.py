"""Stand-ins for generators and judges: quick, deterministic, and misbehaving on demand.

For tests of what is built on emoforge: of a runner, a pipeline, an own selector.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio
from emoforge.clip import Clip
from emoforge.component import Family, Generator, Params
from emoforge.errors import AudioError, SkipClip
from emoforge.label import BASIC4, Scheme
from emoforge.selection import Encoding, Judge


@dataclass(frozen=True)
class FakeGenerator(Generator):
    """Scales its source; a clip whose id contains one of the texts below meets that fate.

    skip: declined when planning; fail: an expected error; crash: the process dies;
    broken: the audio is NaN. seconds: time that each clip takes.
    """

    name: ClassVar[str] = "fake"
    version: ClassVar[int] = 1
    family: ClassVar[Family] = "signal"

    skip: str | None = None
    fail: str | None = None
    crash: str | None = None
    broken: str | None = None
    seconds: float = 0.0

    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        if self.skip and self.skip in clip.id:
            raise SkipClip("is to be skipped")
        fates = {"fail": self.fail, "crash": self.crash, "broken": self.broken}
        fate = next((name for name, text in fates.items() if text and text in clip.id), "")
        return {"gain": round(rng.uniform(0.3, 0.6), 3), "fate": fate, "seconds": self.seconds}

    def apply(self, clip: Clip, params: Params) -> Audio:
        time.sleep(params["seconds"])
        if params["fate"] == "fail":
            raise AudioError(f"{clip.id}: told to fail")
        if params["fate"] == "crash":
            os._exit(1)
        audio = clip.read()
        gain = np.float32("nan") if params["fate"] == "broken" else np.float32(params["gain"])
        return Audio(audio.samples * gain, audio.rate)


@dataclass(frozen=True)
class FakeJudge(Judge):
    """Hears one emotion in everything, with the given probability."""

    name: ClassVar[str] = "fake"
    version: ClassVar[int] = 1

    emotion: str = "happy"
    probability: float = 0.7
    scheme: ClassVar[Scheme] = BASIC4

    @property
    def rate(self) -> int:
        return 16000

    @property
    def encoder_weights(self) -> str:
        return ""

    @property
    def native_schemes(self) -> tuple[str, ...]:
        return (self.scheme.name,)

    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        others = (1 - self.probability) / (len(self.scheme.classes) - 1)
        heard = tuple(
            self.probability if name == self.emotion else others for name in self.scheme.classes
        )
        return [Encoding(np.zeros((1, 1), np.float32), {self.scheme.name: heard}) for _ in audios]
