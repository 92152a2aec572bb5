"""The judge `egemaps`: 88 acoustic features that phoneticians chose, and a head on them."""

import importlib.metadata
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.audio import pcm16
from emoforge.component import Requirement, digest
from emoforge.errors import AudioError, RequirementError
from emoforge.selection.judges.judge import Encoding, Judge, unusable

if TYPE_CHECKING:
    import opensmile

_RATE = 16000
_WINDOW = 960
"""Samples of the longest analysis window, that of the pitch: 60 ms."""


@dataclass(frozen=True)
class EgemapsJudge(Judge):
    """eGeMAPSv02 functionals by openSMILE: pitch, loudness, spectrum and voice quality.

    F. Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set", IEEE Transactions on
    Affective Computing 7(2), 2016. Learned from nothing, so it favours no corpus and no
    generator; it brings no classes, and hears with a `head` only. openSMILE's licence
    allows non-commercial use only.
    """

    name: ClassVar[str] = "egemaps"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("opensmile", "egemaps"),)

    @property
    def rate(self) -> int:
        """16 kHz."""
        return _RATE

    @property
    def encoder_weights(self) -> str:
        """Digest of openSMILE's version and the feature set; RequirementError without openSMILE."""
        try:
            return digest("opensmile", importlib.metadata.version("opensmile"), "eGeMAPSv02")
        except importlib.metadata.PackageNotFoundError as error:
            raise RequirementError(
                "'egemaps' cannot run here, it needs Python package 'opensmile' "
                "(pip install 'emoforge[egemaps]')"
            ) from error

    @property
    def native_schemes(self) -> tuple[str, ...]:
        """None: it needs a head."""
        return ()

    @cached_property
    def _smile(self) -> "opensmile.Smile":
        import opensmile

        return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)

    def setup(self) -> None:
        """Start openSMILE; raises RequirementError if it is not installed."""
        self.check_requirements()
        _ = self._smile

    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        """Measure mono clips at 16 kHz, float32 [n] each, of 60 ms or more; embeddings [1, 88].

        What is undefined in a clip, such as the pitch where nothing is voiced, is 0 (openSMILE's
        way). Samples are rounded to 16 bits and limited at full scale.
        """
        self.setup()
        # openSMILE computes without Python's global lock.
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            return list(threads.map(self._measure, audios))

    def _measure(self, samples: npt.NDArray[np.float32]) -> Encoding | AudioError:
        fault = unusable(samples, _RATE, _WINDOW)
        if fault:
            return fault
        # The Python package's own conversion wraps around at full scale.
        limited = pcm16(samples).astype(np.float32) / np.float32(32768)
        features = np.asarray(self._smile(limited, _RATE), np.float32).reshape(1, -1)
        if not np.isfinite(features).all():
            names = np.array(self._smile.feature_names)[~np.isfinite(features[0])]
            return AudioError(f"openSMILE finds no finite {', '.join(names)} in the clip")
        return Encoding(features)
