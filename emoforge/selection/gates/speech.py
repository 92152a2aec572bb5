"""Gates on how much speech there is: any at all, and as much as the text takes.

Limits are set as in `signal`: on the 2,828 clips of RAVDESS, EmoDB and nEMO.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emoforge.audio import Audio, speech_level
from emoforge.component import Requirement
from emoforge.selection.gates.gate import Gate, Given
from emoforge.selection.gates.text import speech_seconds
from emoforge.selection.voice_activity import (
    FRAME_S,
    REQUIRES,
    load_voice_activity,
    speech_probability,
)


@dataclass(frozen=True)
class Speech(Gate):
    """Seconds that the Silero VAD hears as speech (probability over 0.5).

    Real speech: 0.4 s and more (1st percentile of RAVDESS), 0.8 s and more elsewhere; 0.35 % of
    the 2,828 clips are rejected, all of them sobs and screams in RAVDESS. Noise from white to
    brown, hum, chords, melodies, beeps, clicks and silence: none; a buzz with the resonances of a
    vowel: 0.06 s. Of 56 HTS clips 4 % are rejected: it misses some that say but one word.
    """

    name: ClassVar[str] = "speech"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "s"
    requires: ClassVar[tuple[Requirement, ...]] = REQUIRES

    lowest: float = 0.15

    def setup(self) -> None:
        load_voice_activity()

    def measure(self, candidate: Audio, given: Given) -> float:
        return FRAME_S * float(np.count_nonzero(speech_probability(candidate) > 0.5))

    def reject(self, value: float) -> str | None:
        if value >= self.lowest:
            return None
        return f"{value:.3f} s of it is speech, under {self.lowest:.3f} s"


@dataclass(frozen=True)
class Pace(Gate):
    """Active speech (ITU-T P.56: without pauses) as a ratio of what the text usually takes.

    See `speech_seconds` for that. A shorter duration that was promised is a faster tempo that was
    planned: speech between the two has the ratio 1, shorter speech that to the promise. Too little
    is a text that was cut off, too much one that was added to. None without a text, or in scripts
    whose pace was not measured.

    Real speech: 0.75 to 1.67 (1st and 99th percentile), 0.7 % is rejected; three HTS voices, 65
    Japanese sentences: 0.95 to 1.30. Rejected is 94 % of speech that is half as long, 37 % at 0.7
    of its length, 5 % at 0.85 (90, 32 and 5 % where what espeak-ng takes is promised); 88 % of what
    is twice as long, 26 % of half as long again.
    """

    name: ClassVar[str] = "pace"
    version: ClassVar[int] = 2
    unit: ClassVar[str] = ""

    lowest: float = 0.7
    highest: float = 1.75

    def measure(self, candidate: Audio, given: Given) -> float | None:
        usual = speech_seconds(given.promise.text or "", given.promise.language)
        if usual is None:
            return None
        spoken = speech_level(candidate)[1] * candidate.duration
        planned = min(usual, given.promise.duration)
        return spoken / min(max(spoken, planned), usual)

    def reject(self, value: float) -> str | None:
        value = round(value, 3)  # as the sentence says it
        if self.lowest <= value <= self.highest:
            return None
        return (
            f"the speech lasts {value:.3f} of what its text usually takes, "
            f"outside {self.lowest:.3f} to {self.highest:.3f}"
        )
