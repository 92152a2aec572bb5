"""Gates on the signal, for whatever a generator made; cheap, so always measured.

Default limits are set by what was measured on the 2,828 clips of real emotional speech that
emoforge is tested on (RAVDESS, EmoDB, nEMO), which all pass, and on broken audio, which does
not; each gate states the figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar

import numpy as np
import soundfile

from emoforge.audio import Audio, encode_flac, speech_level
from emoforge.selection.fingerprint import Vector, fingerprint, similarity
from emoforge.selection.gates.gate import Gate, Given
from emoforge.selection.pitch import periodicity

STEP = 2.0**-15
"""One step of 16-bit audio."""


@dataclass(frozen=True)
class Finite(Gate):
    """Number of samples that are NaN, infinite or beyond ±1,000; none may be.

    The last come from filters and vocoders that diverged. Always measured first: no other gate
    can measure such audio.
    """

    name: ClassVar[str] = "finite"
    version: ClassVar[int] = 1
    always: ClassVar[bool] = True
    unit: ClassVar[str] = "samples"

    def measure(self, candidate: Audio, given: Given) -> float:
        # NaN compares as false.
        return float(np.count_nonzero(~(np.abs(candidate.samples) <= 1000)))

    def reject(self, value: float) -> str | None:
        return f"{value:.0f} samples are NaN, infinite or beyond ±1,000" if value > 0 else None


@dataclass(frozen=True)
class Decodable(Gate):
    """Number of samples that a 16-bit FLAC file loses, adds or moves by over half a step.

    None may be. Samples outside [-1, 1] are moved; up to 1 the last step below it is as good.
    An empty file cannot be decoded and counts as one.
    """

    name: ClassVar[str] = "decodable"
    version: ClassVar[int] = 1
    always: ClassVar[bool] = True
    unit: ClassVar[str] = "samples"

    def measure(self, candidate: Audio, given: Given) -> float:
        if not len(candidate.samples):
            return 1.0
        decoded, rate = soundfile.read(BytesIO(encode_flac(candidate)), dtype="float32")
        if rate != candidate.rate or len(decoded) != len(candidate.samples):
            return float(max(len(candidate.samples), len(decoded)))
        last = np.float32(1 - STEP)
        inside = (candidate.samples > last) & (candidate.samples <= 1)
        wanted = np.where(inside, last, candidate.samples)
        return float(np.count_nonzero(np.abs(decoded - wanted) > 0.5 * STEP))

    def reject(self, value: float) -> str | None:
        if value > 0:
            return f"a 16-bit FLAC file would not give back {value:.0f} samples as they are"
        return None


@dataclass(frozen=True)
class Duration(Gate):
    """Duration as a ratio of what the generator promised.

    The limits are two thirds and its inverse: half a clip, or twice, is out.
    """

    name: ClassVar[str] = "duration"
    version: ClassVar[int] = 1
    always: ClassVar[bool] = True
    unit: ClassVar[str] = ""

    lowest: float = 0.67
    highest: float = 1.5

    def measure(self, candidate: Audio, given: Given) -> float:
        return candidate.duration / given.promise.duration

    def reject(self, value: float) -> str | None:
        if self.lowest <= value <= self.highest:
            return None
        return (
            f"the duration is {value:.2f} of the expected, "
            f"outside {self.lowest:.2f} to {self.highest:.2f}"
        )


@dataclass(frozen=True)
class Silence(Gate):
    """Share of time without speech: 1 less the activity factor of ITU-T P.56.

    Real speech: 0.04 to 0.57 (1st and 99th percentile, over tight and loose cutting), at most
    0.64.
    """

    name: ClassVar[str] = "silence"
    version: ClassVar[int] = 1
    always: ClassVar[bool] = True
    unit: ClassVar[str] = ""

    highest: float = 0.75

    def measure(self, candidate: Audio, given: Given) -> float:
        return 1 - speech_level(candidate)[1]

    def reject(self, value: float) -> str | None:
        if value <= self.highest:
            return None
        return f"{value:.0%} of the time is silent, over {self.highest:.0%}"


@dataclass(frozen=True)
class Clipping(Gate):
    """Share of samples in flat tops: three or more in a row at the clip's highest level.

    Real speech: none. Speech overdriven tenfold: 0.03 to 0.44.
    """

    name: ClassVar[str] = "clipping"
    version: ClassVar[int] = 1
    always: ClassVar[bool] = True
    unit: ClassVar[str] = ""

    highest: float = 0.001

    def measure(self, candidate: Audio, given: Given) -> float:
        if not len(candidate.samples):
            return 0.0
        size = np.abs(candidate.samples)
        # Quiet 16-bit audio has flat tops by its coarse steps alone.
        top = max(float(size.max()) - 0.5 * STEP, 0.1)
        at_top = np.sign(candidate.samples) * (size >= top)
        run = (at_top[:-2] != 0) & (at_top[:-2] == at_top[1:-1]) & (at_top[1:-1] == at_top[2:])
        flat = np.zeros(len(size), dtype=bool)
        for shift in range(3):
            flat[shift : shift + len(run)] |= run
        return float(np.mean(flat))

    def reject(self, value: float) -> str | None:
        if value <= self.highest:
            return None
        return f"{value:.2%} of the samples are clipped, over {self.highest:.2%}"


@dataclass(frozen=True)
class Level(Gate):
    """Active speech level (ITU-T P.56).

    Real speech: -60.5 (RAVDESS keeps the actors' dynamics) to -12.0 dBFS. 16 bits carry speech
    at -70 dBFS some 26 dB above their own noise.
    """

    name: ClassVar[str] = "level"
    version: ClassVar[int] = 1
    always: ClassVar[bool] = True
    unit: ClassVar[str] = "dBFS"

    lowest: float = -70.0
    highest: float = -6.0

    def measure(self, candidate: Audio, given: Given) -> float:
        return speech_level(candidate)[0]

    def reject(self, value: float) -> str | None:
        if self.lowest <= value <= self.highest:
            return None
        return (
            f"the speech level is {value:.1f} dBFS, "
            f"outside {self.lowest:.1f} to {self.highest:.1f} dBFS"
        )


@dataclass(frozen=True)
class Voiced(Gate):
    """Share of the active time that is voiced (aperiodicity by YIN below 0.35).

    Real speech: 0.22 (breathy and whispered passages) to 1, median 0.76. White to brown noise:
    at most 0.02.
    """

    name: ClassVar[str] = "voiced"
    version: ClassVar[int] = 1
    always: ClassVar[bool] = True
    unit: ClassVar[str] = ""

    lowest: float = 0.2

    def measure(self, candidate: Audio, given: Given) -> float:
        _, aperiodicity, power = periodicity(candidate)
        # As far below the speech level as ITU-T P.56 counts sound as speech.
        active = power > 10 ** ((speech_level(candidate)[0] - 15.9) / 10)
        return float(np.mean(aperiodicity[active] < 0.35)) if active.any() else 0.0

    def reject(self, value: float) -> str | None:
        if value >= self.lowest:
            return None
        return f"{value:.0%} of the speech is voiced, under {self.lowest:.0%}"


@dataclass(frozen=True)
class Duplicate(Gate):
    """Similarity to the parent, from 0 to 1 (see `fingerprint`); `siblings` compares the rest.

    Copies of real clips at another level, 5 ms later or earlier, or in noise 40 dB below the
    speech: 0.59 and above. Two takes of one sentence by one actor in one emotion (150 pairs):
    at most 0.10. In between lie changes at the edge of hearing, such as half a semitone (0.2
    to 0.3).
    """

    name: ClassVar[str] = "duplicate"
    version: ClassVar[int] = 1
    always: ClassVar[bool] = True
    unit: ClassVar[str] = ""

    highest: float = 0.5

    def measure(self, candidate: Audio, given: Given) -> float:
        if given.source is None:
            return 0.0
        return similarity(fingerprint(candidate), fingerprint(given.source))

    def reject(self, value: float) -> str | None:
        if value <= self.highest:
            return None
        return f"the similarity to its parent is {value:.2f}, over {self.highest:.2f}"

    def siblings(
        self, fingerprints: Mapping[str, Vector], passed: Mapping[str, Vector] | None = None
    ) -> dict[str, tuple[str, float]]:
        """Candidates of one parent that repeat an earlier one: id → its id and the similarity.

        Taken in the order of their ids, whatever the order given: each is compared with those
        that were no duplicates themselves, and the most similar one is named. passed: siblings
        that are in already, which come before all others.
        """
        ids = sorted(fingerprints)
        duplicates: dict[str, tuple[str, float]] = {}
        kept: list[str] = sorted(passed or {})
        if not ids:
            return duplicates
        vectors = np.empty((len(kept) + len(ids), len(fingerprints[ids[0]])), np.float32)
        for place, candidate in enumerate(kept):
            vectors[place] = (passed or {})[candidate]
        for candidate in ids:
            vector = fingerprints[candidate]
            if kept:
                distances = np.linalg.norm(vectors[: len(kept)] - vector, axis=1)
                closest = int(np.argmin(distances))
                value = float(2.0 ** -distances[closest])
                if value > self.highest:
                    duplicates[candidate] = (kept[closest], value)
                    continue
            vectors[len(kept)] = vector
            kept.append(candidate)
        return duplicates
