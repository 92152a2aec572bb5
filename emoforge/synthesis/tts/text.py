"""Texts as engines can read them, and how long they take to say."""

import re
import unicodedata
from functools import lru_cache

from emoforge.errors import SkipClip

LONGEST_TEXT = 1000
"""Longer texts are left alone, characters: about a minute of speech."""

_MARKUP = re.compile(
    r"<[/?!]?[a-zA-Z-][^<>]*>"  # SSML and HTML: tags, comments, declarations
    r"|&(?:[a-zA-Z]+|#\d+|#[xX][\da-fA-F]+);"  # their entities
)


@lru_cache(maxsize=4096)  # a corpus that is built says few texts, each many times
def speakable(text: str | None, language: str) -> str:
    """A text as all engines can read it: one line, NFC, without emoji and control characters.

    Digits, currencies and signs such as % stay: engines read them in their language.
    Raises SkipClip for one that is empty, has mark-up, has nothing to say, is too long, or is
    not written in the letters of its language.
    """
    given = " ".join((text or "").split())
    if not given:
        raise SkipClip("has no text")
    if len(given) > LONGEST_TEXT:
        raise SkipClip(f"its text of {len(given)} characters is longer than {LONGEST_TEXT}")
    kept = "".join(c if _readable(c) else " " * _parts_words(c) for c in given)
    joined = "".join(c for i, c in enumerate(kept) if c not in _JOINERS or _joins(kept, i))
    plain = unicodedata.normalize("NFC", " ".join(joined.split()))
    if found := _MARKUP.search(plain):
        raise SkipClip(f"its text has mark-up ({found[0][:40]}), which engines would read out")
    if not any(c.isalnum() for c in plain):
        raise SkipClip(f"its text '{given[:40]}' has neither letters nor digits")
    _check_script(plain, language)
    return plain


_LATIN = (
    "af ca cs cy da de en es et eu fi fr ga gl hr hu id is it la lt lv ms mt nb nl nn no pl pt ro "
    "sk sl sq sv sw tr vi"
)
_SCRIPTS = {
    **dict.fromkeys(_LATIN.split(), ("LATIN",)),
    **dict.fromkeys(["be", "bg", "mk", "ru", "uk"], ("CYRILLIC",)),
    **dict.fromkeys(["ar", "fa", "ur"], ("ARABIC",)),
    **dict.fromkeys(("cmn", "yue", "zh"), ("CJK",)),
    "el": ("GREEK",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK"),
    "ko": ("HANGUL",),
}
"""Language → first words of the Unicode names of its letters, where it has one script."""


def _check_script(text: str, language: str) -> None:
    """Raise SkipClip for a text most of whose letters are not its language's."""
    scripts = _SCRIPTS.get(language.lower().partition("-")[0])
    letters = [unicodedata.name(c, "").split(" ")[0] for c in text if c.isalpha()]
    if scripts and 2 * sum(one in scripts for one in letters) < len(letters):
        raise SkipClip(f"its text '{text[:40]}' is not in the letters of '{language}'")


# Persian and the scripts of India join, or part, letters within a word by these.
_JOINERS = "\u200c\u200d"
# Unassigned, private, surrogate, format and control characters, and frames around others (20E3).
_UNREADABLE = frozenset(("Cn", "Co", "Cs", "Cf", "Cc", "Sk", "Me"))


def _readable(c: str) -> bool:
    kind = unicodedata.category(c)
    if kind == "So":  # °, №, ™ and ㎞ are read; arrows, boxes and emoji are not
        return c < "\u2190" or "\u3200" <= c <= "\u33ff"
    # FE00 to FE0F say whether a character is shown as an emoji.
    return c in _JOINERS or (kind not in _UNREADABLE and not "\ufe00" <= c <= "\ufe0f")


def _parts_words(c: str) -> bool:
    return unicodedata.category(c) in ("So", "Cc")


def _joins(text: str, at: int) -> bool:
    """Whether a joiner stands within a word, between letters and marks."""
    around = text[at - 1 : at] + text[at + 1 : at + 2]
    return len(around) == 2 and all(unicodedata.category(c)[0] in "LM" for c in around)


# Seconds a character takes espeak-ng at its normal speed, by language where it was measured
# (corpus and everyday sentences) and by writing system elsewhere.
_LETTER = {"de": 0.06, "en": 0.063, "es": 0.063, "fr": 0.045, "pl": 0.074}
_SCRIPT = {"CJK": 0.22, "HIRAGANA": 0.12, "KATAKANA": 0.12, "HANGUL": 0.16, "DEVANAGARI": 0.12}
_ANY_LETTER = 0.068
_START, _DIGIT, _SYMBOL, _CLAUSE = 0.12, 0.35, 0.6, 0.2


@lru_cache(maxsize=4096)
def spoken_seconds(text: str, language: str) -> float:
    """Estimate of how long a text takes to say at espeak-ng's normal speed."""
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
