"""The sentences that emoforge brings, in several languages."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from emoforge.errors import ConfigError, nearest

LICENCE = "CC0-1.0"
"""Of the sentences: they were written for emoforge."""

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Sentences:
    """The sentences of one language.

    language: BCP 47 tag. neutral: what can be said in any emotion.
    congruent: canonical emotion → what says with its words what the voice is to say; under
        `neutral` what is matter of fact.
    """

    language: str
    neutral: tuple[str, ...]
    congruent: Mapping[str, tuple[str, ...]]


def languages() -> tuple[str, ...]:
    """Languages that have sentences, BCP 47 tags in order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@functools.cache
def sentences(language: str) -> Sentences:
    """The sentences of a language; `en-US` has those of `en`.

    Raises ConfigError with the nearest language that has some.
    """
    base = language.lower().partition("-")[0]
    if base not in languages():
        raise ConfigError(f"there are no sentences in '{language}': {nearest(base, languages())}")
    found = yaml.safe_load((_FOLDER / f"{base}.yaml").read_text("utf-8"))
    congruent = {emotion: tuple(those) for emotion, those in found["congruent"].items()}
    return Sentences(base, tuple(found["any"]), congruent)
