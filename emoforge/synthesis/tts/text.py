"""Texts as engines can read them, and how long they take to say."""

import re
import unicodedata

from emoforge.errors import SkipClip

LONGEST_TEXT = 1000
"""Longer texts are left alone, characters: about a minute of speech."""

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>")


def speakable(text: str | None, language: str) -> str:
    """A text as all engines can read it: one line, without emoji and control characters.

    Raises SkipClip for one that is empty, has mark-up, has nothing to say, or is too long.
    """
    given = " ".join((text or "").split())
    if not given:
        raise SkipClip("has no text")
    if found := _MARKUP.search(given):
        raise SkipClip(f"its text has mark-up ({found[0][:40]}), which engines would read out")
    plain = "".join(c for c in given if unicodedata.category(c) not in _UNREADABLE)
    plain = " ".join(plain.split())
    if not any(c.isalnum() for c in plain):
        raise SkipClip(f"its text '{given[:40]}' has neither letters nor digits")
    if len(plain) > LONGEST_TEXT:
        raise SkipClip(f"its text of {len(plain)} characters is longer than {LONGEST_TEXT}")
    return plain


# Other symbols (emoji among them), unassigned, private, surrogate, format and control characters.
_UNREADABLE = frozenset(("So", "Sk", "Cn", "Co", "Cs", "Cf", "Cc"))

# Seconds a character takes espeak-ng at its normal speed, by language where it was measured
# (corpus and everyday sentences) and by writing system elsewhere.
_LETTER = {"de": 0.06, "en": 0.063, "es": 0.063, "fr": 0.045, "ja": 0.12, "pl": 0.074}
_SCRIPT = {"CJK": 0.22, "HIRAGANA": 0.12, "KATAKANA": 0.12, "HANGUL": 0.16, "DEVANAGARI": 0.12}
_ANY_LETTER = 0.068
_START, _DIGIT, _SYMBOL, _CLAUSE = 0.12, 0.35, 0.6, 0.2


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
