"""The engine `espeak`: espeak-ng's neutral voices with an emotion's prosody, in 120 languages."""

import importlib.metadata
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from emoforge.audio import Audio
from emoforge.component import Requirement, digest
from emoforge.errors import EmoforgeError, SkipClip
from emoforge.synthesis.prosody import Controls, transfer
from emoforge.synthesis.tts import openjtalk
from emoforge.synthesis.tts.engine import Engine, Utterance, Voice
from emoforge.synthesis.tts.libespeak import data_problem, say, voice_for, voices

# Of espeak-ng's variants those that say whether they are a woman or a man; without robots,
# whispers and echoes, those that sound as another one does, and three that speak a tenth to a sixth
# faster than all others (Andrea, anika, antonio).
_VARIANTS = {
    "female": (
        "f1", "f2", "f3", "f4", "f5", "Alicia", "Annie", "aunty", "belinda",
        "grandma", "linda", "steph", "steph2",
    ),
    "male": (
        "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "Andy", "Denis", "Diogo", "Henrique",
        "Lee", "michel", "miguel", "sandro", "travis", "victor",
    ),
}  # fmt: skip
_KANJI = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True)
class Espeak(Engine):
    """Speaks with espeak-ng, then shapes the prosody by the emotion profile with WORLD.

    A voice is a language and a variant, such as `en-us+f3`. espeak-ng reads Japanese in kana
    only: where pyopenjtalk is installed, Open JTalk reads the kanji for it.
    """

    name: ClassVar[str] = "espeak"
    version: ClassVar[int] = 2
    seeded: ClassVar[bool] = False
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("pyworld"),
        Requirement("espeakng_loader", extra="tts", check=data_problem),
    )

    def setup(self) -> None:
        """Load WORLD and espeak-ng; raises RequirementError."""
        self.check_requirements()
        transfer(say("Hello.", "en"), Controls())

    @property
    def weights(self) -> str:
        """espeak-ng's voices change with its version."""
        if importlib.util.find_spec("espeakng_loader") is None:
            return ""
        return digest("espeakng-loader", importlib.metadata.version("espeakng-loader"))

    @property
    def languages(self) -> Sequence[str]:
        """Tags of all that espeak-ng comes with."""
        return sorted(voices())

    def supports(self, language: str) -> bool:
        return voice_for(language) is not None

    def voices(self, language: str) -> Sequence[Voice]:
        found = voice_for(language)
        return _variants(found) if found else ()

    def check(self, text: str, language: str) -> None:
        if _KANJI.search(text) and _is_japanese(language) and openjtalk.version() is None:
            raise SkipClip(
                "espeak reads Japanese in kana only, the text has kanji "
                "(with Python package 'pyopenjtalk-plus' it would read them)"
            )

    def draw(self, voice: str, rng: np.random.Generator) -> dict[str, Any]:
        """The version of the dictionary that reads Japanese, for it changes what is said."""
        version = openjtalk.version() if _is_japanese(voice) else None
        return {"open_jtalk": version} if version else {}

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | EmoforgeError]:
        return [_say(one) for one in utterances]


def _say(one: Utterance) -> Audio | EmoforgeError:
    try:
        text = openjtalk.kana(one.text) if "open_jtalk" in one.params else one.text
        return say(text, one.voice)
    except EmoforgeError as error:
        return error


def _is_japanese(tag: str) -> bool:
    return re.split("[-_+]", tag.lower(), maxsplit=1)[0] == "ja"


@cache
def _variants(voice: str) -> tuple[Voice, ...]:
    return tuple(
        Voice(f"{voice}+{variant}", gender)
        for gender, variants in _VARIANTS.items()
        for variant in variants
    )
