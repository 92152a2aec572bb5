"""What gates know of a text: how long it takes to say, what comes twice in it, its words."""

import re
import unicodedata
from collections.abc import Sequence

_EDGES_S = 0.2
"""P.56 counts 0.2 s after the last sound as speech."""
_LETTER_S = {"de": 0.0505, "en": 0.064, "pl": 0.061}
_ANY_LETTER_S = 0.061
_KANA_S = 0.11
_KANJI_S = 1.8 * _KANA_S
_DIGIT_LETTERS = 5
_SMALL = re.compile(r"SMALL (?:[AIUEO]|Y[AUO]|WA)$")
"""Kana that are part of the mora before them; the small TU is a mora."""


def speech_seconds(text: str, language: str | None) -> float | None:
    """Seconds of speech, pauses not counted, that a text usually takes; None where unknown.

    By letters, or in Japanese by morae: 0.2 s and the median time that a letter took in real
    emotional speech (German of EmoDB, Polish of nEMO), a kanji counted as 1.8 morae. English lies
    between the slow actors of RAVDESS, 0.071 s a letter, and espeak-ng, 0.052 s; Japanese between
    HTS voices, 0.120 s a mora, and espeak-ng, 0.099 s. Other languages in Latin, Cyrillic or Greek
    letters count as Polish does, a digit as five letters. Unknown are other scripts, and texts
    without anything to say.
    """
    letter = _LETTER_S.get(base_language(language), _ANY_LETTER_S)
    seconds = 0.0
    for c in unicodedata.normalize("NFKC", text):
        if unicodedata.category(c) == "Nd":
            seconds += _DIGIT_LETTERS * letter if base_language(language) != "ja" else 2 * _KANA_S
        elif c.isalpha():
            name = unicodedata.name(c, "")
            if name.startswith(("LATIN", "CYRILLIC", "GREEK")):
                seconds += letter
            elif name.startswith(("HIRAGANA", "KATAKANA")):
                seconds += 0.0 if _SMALL.search(name) else _KANA_S
            elif name.startswith(("CJK", "IDEOGRAPHIC")) and base_language(language) == "ja":
                seconds += _KANJI_S
            else:
                return None
    return _EDGES_S + seconds if seconds else None


def base_language(language: str | None) -> str:
    """`en` of `en-US`; "" for none."""
    return (language or "").lower().partition("-")[0]


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation; apostrophes within them stay."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain)


def longest_repeat(items: Sequence[object]) -> int:
    """Length of the longest run that stands in a sequence twice, the second after the first."""
    longest = 0
    runs = [0] * (len(items) + 1)
    for i in range(len(items)):
        # Right to left, so that runs[j] is still that of the item before.
        for j in range(len(items) - 1, i, -1):
            runs[j + 1] = min(runs[j] + 1, j - i) if items[i] == items[j] else 0
            longest = max(longest, runs[j + 1])
    return longest


def edits(wanted: Sequence[object], heard: Sequence[object]) -> int:
    """Least number of insertions, deletions and substitutions (V. Levenshtein, 1966)."""
    row = list(range(len(heard) + 1))
    for i, one in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (one != other))
    return row[-1]
