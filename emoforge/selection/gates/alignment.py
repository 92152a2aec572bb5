"""The gate `alignment`: whether English speech says its text, by forced alignment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio, level_db, pcm16
from emoforge.component import Requirement
from emoforge.selection.gates.gate import Gate, Given
from emoforge.selection.gates.text import base_language, words
from emoforge.selection.voice_activity import (
    FRAME_S,
    REQUIRES,
    load_voice_activity,
    speech_probability,
)

_RATE, _HOP = 16000, 160
_LEVEL_DB = -26.0
_MARGIN_S = 0.3
_FIT = -4.0
"""Log likelihood ratio of a frame, to the best of the models alive, that a word must reach."""
_SHORTEST_S = 0.15


@dataclass(frozen=True)
class Alignment(Gate):
    """Share of the speech that lies in words which sound like it, 0 to 1; English alone.

    PocketSphinx aligns the words in their order, with pauses between them; where that is not
    possible (the end is missing) the share is 0. Speech is what the Silero VAD takes for it.
    None in other languages, with less than 0.15 s of speech, and for a text with a word that the
    dictionary (CMUdict, 134,860 entries) does not have, such as a number in digits or a rare name:
    how that sounds is not known.

    Real speech of RAVDESS (326 clips): 0.94 in the median, 1.5 % is rejected. Rejected is 91 % of
    it where it is cut off at 0.7 of its length, 93 % where half of another sentence follows, 99 %
    with a text that has no word in common, 84 % with RAVDESS's other sentence, which has four of
    six. Speech must sound like recordings: of 17 sentences by espeak-ng 18 to 82 % are rejected,
    more or fewer by its voice.
    """

    name: ClassVar[str] = "alignment"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("pocketsphinx", "tts"), *REQUIRES)

    lowest: float = 0.7

    def setup(self) -> None:
        load_voice_activity()
        _decoder()

    def measure(self, candidate: Audio, given: Given) -> float | None:
        if base_language(given.promise.language) != "en":
            return None
        said = _in_dictionary(words(given.promise.text or ""))
        probability = speech_probability(candidate)
        speech = np.repeat(probability > 0.5, round(_RATE * FRAME_S))[::_HOP]
        if not said or np.count_nonzero(speech) * _HOP < _SHORTEST_S * _RATE:
            return None
        heard = np.flatnonzero(probability > 0.2) * FRAME_S
        start = round(max(0.0, heard[0] - _MARGIN_S) * _RATE / _HOP)
        end = round((heard[-1] + FRAME_S + _MARGIN_S) * _RATE / _HOP)
        samples = candidate.resampled(_RATE).samples[start * _HOP : end * _HOP]
        gain = np.float32(10 ** ((_LEVEL_DB - level_db(samples)) / 20))
        return _explained(pcm16(samples * gain), said, speech[start:end])

    def reject(self, value: float) -> str | None:
        if value >= self.lowest:
            return None
        return f"{value:.0%} of the speech sounds like the text, under {self.lowest:.0%}"


def _in_dictionary(said: Sequence[str]) -> list[str]:
    """The words as the dictionary writes them; none if it lacks one."""
    found = [word for word in said if _decoder().lookup_word(word)]
    return found if len(found) == len(said) else []


def _explained(
    samples: npt.NDArray[np.int16], said: Sequence[str], speech: npt.NDArray[np.bool_]
) -> float:
    decoder = _decoder()
    decoder.reinit_feat()  # else the mean of the clips before would count
    decoder.set_align_text(" ".join(said))
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return 0.0
    within = np.zeros(len(speech), dtype=bool)
    for word in decoder.seg():
        frames = word.end_frame - word.start_frame + 1
        # The likelihood of a long word that does not fit is too small for a float: 0.
        fits = word.ascore > 0 and math.log(word.ascore) / frames > _FIT
        if fits and not word.word.startswith("<"):
            within[word.start_frame : word.end_frame + 1] = True
    return float(np.count_nonzero(within & speech) / np.count_nonzero(speech))


@cache
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(lm=None, samprate=_RATE, loglevel="FATAL")
