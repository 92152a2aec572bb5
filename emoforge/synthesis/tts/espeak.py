"""The `espeak` generator: the clip's text, spoken by espeak-ng with an emotion's prosody."""

import importlib.metadata
import importlib.util
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emoforge.audio import Audio, level_db
from emoforge.clip import Clip
from emoforge.component import Family, Generator, Params, Promise, Requirement, digest
from emoforge.errors import ConfigError, SkipClip, nearest
from emoforge.label import Label
from emoforge.synthesis.prosody import (
    Controls,
    check_amounts,
    load_profile,
    shared_emotions,
    transfer,
)
from emoforge.synthesis.tts.libespeak import data_problem, say, voice_for, voices

LONGEST_TEXT = 1000
"""Longer texts are left alone, characters: about a minute of speech."""
NEUTRAL_DB = -32.0
"""Level of neutral speech, dB re full scale: leaves room for anger, some 16 dB above it."""

_VARIANTS = {
    "female": tuple(f"f{i}" for i in range(1, 6)),
    "male": tuple(f"m{i}" for i in range(1, 9)),
}
_KANJI = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_EMOTION = ("keep", "random")


@dataclass(frozen=True)
class Espeak(Generator):
    """Speaks with espeak-ng, then shapes the prosody by the emotion profile with WORLD.

    emotion: `keep` speaks with the clip's own emotion, `random` with one drawn from those that
        the profile and the clip's scheme have.
    strength: range of the drawn share of the profile's shift from neutral.
    variation: share of the emotion's spread that is drawn on top.
    profile: a profile's YAML file; by default the one that emoforge ships.
    """

    emotion: str = "keep"
    strength: Sequence[float] = (0.7, 1.3)
    variation: float = 0.5
    profile: str = ""

    name: ClassVar[str] = "espeak"
    version: ClassVar[int] = 1
    family: ClassVar[Family] = "tts"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("pyworld"),
        Requirement("espeakng_loader", extra="tts", check=data_problem),
    )

    def __post_init__(self) -> None:
        if self.emotion not in _EMOTION:
            raise ConfigError(
                f"espeak: no emotion '{self.emotion}': {nearest(self.emotion, _EMOTION)}"
            )
        check_amounts(self.name, self.strength, self.variation)
        load_profile(self.profile)  # an error in it comes before the run, not within

    @property
    def weights(self) -> str:
        """espeak-ng's voices change with its version."""
        if importlib.util.find_spec("espeakng_loader") is None:
            return ""
        return digest("espeakng-loader", importlib.metadata.version("espeakng-loader"))

    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        text, voice = _text(clip), _voice(clip)
        profile = load_profile(self.profile)
        emotions = shared_emotions(profile, clip.label.scheme)
        emotion = clip.emotion if self.emotion == "keep" else str(rng.choice(emotions))
        if emotion not in emotions:
            raise SkipClip(f"the emotion profile has no '{emotion}'")
        known = _VARIANTS.get((clip.gender or "").lower())
        variant = rng.choice(known or [v for group in _VARIANTS.values() for v in group])
        strength = round(float(rng.uniform(self.strength[0], self.strength[1])), 4)
        controls = profile.draw("neutral", emotion, strength, self.variation, rng)
        return {
            "text": text,
            "voice": f"{voice}+{variant}",
            "emotion": emotion,
            "strength": strength,
            "controls": controls.to_dict(),
        }

    def promise(self, clip: Clip, params: Params) -> Promise:
        return Promise(
            label=Label.of(params["emotion"], clip.label.scheme),
            speaker=f"espeak:{params['voice']}",
            duration=spoken_seconds(params["text"], clip.language or "")
            / params["controls"]["rate"],
            text=clip.text,
            language=clip.language,
            gender="female" if params["voice"].rpartition("+")[2].startswith("f") else "male",
        )

    def apply(self, clip: Clip, params: Params) -> Audio:
        spoken = say(params["text"], params["voice"])
        # WORLD's cost grows with the rate, and espeak-ng has nothing above its own.
        spoken = spoken.resampled(min(spoken.rate, clip.rate))
        gain = 10 ** ((NEUTRAL_DB - level_db(spoken.samples)) / 20)
        neutral = Audio(spoken.samples * np.float32(gain), spoken.rate)
        return transfer(neutral, Controls(**params["controls"])).resampled(clip.rate)


def _text(clip: Clip) -> str:
    text = (clip.text or "").strip()
    if not text:
        raise SkipClip("has no text")
    if not any(c.isalnum() for c in text):
        raise SkipClip(f"its text '{text[:40]}' has neither letters nor digits")
    if len(text) > LONGEST_TEXT:
        raise SkipClip(f"its text of {len(text)} characters is longer than {LONGEST_TEXT}")
    if (clip.language or "").lower().startswith("ja") and _KANJI.search(text):
        raise SkipClip("espeak reads Japanese in kana only, the text has kanji")
    return text


def _voice(clip: Clip) -> str:
    if not clip.language:
        raise SkipClip("has no language")
    voice = voice_for(clip.language)
    if voice is None:
        raise SkipClip(
            f"espeak has no voice for language '{clip.language}': "
            f"{nearest(clip.language, voices())}"
        )
    return voice


# Seconds a character takes espeak-ng at its normal speed, by language where it was measured
# (corpus and everyday sentences) and by writing system elsewhere.
_LETTER = {"de": 0.06, "en": 0.063, "es": 0.063, "fr": 0.045, "ja": 0.12, "pl": 0.074}
_SCRIPT = {"CJK": 0.22, "HIRAGANA": 0.12, "KATAKANA": 0.12, "HANGUL": 0.16, "DEVANAGARI": 0.12}
_ANY_LETTER = 0.068
_START, _DIGIT, _SYMBOL, _CLAUSE = 0.12, 0.35, 0.6, 0.2


def spoken_seconds(text: str, language: str) -> float:
    """Estimate of how long espeak-ng takes for a text, without speaking it."""
    letter = _LETTER.get(language.lower().partition("-")[0])
    seconds = _START
    for c in text:
        kind = unicodedata.category(c)
        if kind == "Nd":
            seconds += _DIGIT
        elif kind[0] == "L":
            seconds += letter or _SCRIPT.get(unicodedata.name(c, "").split(" ")[0], _ANY_LETTER)
        elif kind in ("So", "Sm", "Sc"):
            seconds += _SYMBOL
    pauses = len(re.findall(r"[,;:.!?、。]+(?=\s*\w)", text))
    return seconds + _CLAUSE * pauses
