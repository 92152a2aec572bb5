"""How Japanese text is read, by Open JTalk: labels of phones with their accents, or kana.

It reads kanji, numbers, units, dates and Latin letters. Its dictionary comes in the package
`pyopenjtalk-plus`; Sudachi, with a dictionary of its own, chooses between readings.
"""

import importlib.metadata
import importlib.util
import os
import threading
import unicodedata
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoforge.errors import EmoforgeError

if TYPE_CHECKING:
    from pyopenjtalk.openjtalk import OpenJTalk

_lock = threading.Lock()


class UnreadableError(EmoforgeError):
    """A text, or a part of it, that Open JTalk cannot read."""


def version() -> str | None:
    """Versions of the package and of its two dictionaries, None where it is not installed."""
    if importlib.util.find_spec("pyopenjtalk") is None:
        return None
    packages = ("pyopenjtalk-plus", "sudachidict-core")
    return "/".join(importlib.metadata.version(package) for package in packages)


def labels(text: str) -> list[str]:
    """Full-context labels of HTS, one a phone; raises UnreadableError."""
    import pyopenjtalk

    with _lock:
        found = pyopenjtalk.make_label(_read(text), jtalk=_open())
    if not found:  # such as for a long vowel alone
        raise UnreadableError(f"Open JTalk finds nothing to say in '{text[:40]}'")
    return found


def kana(text: str) -> str:
    """The text in katakana as it is pronounced, with its punctuation; raises UnreadableError."""
    with _lock:
        return "".join(
            # What says nothing keeps its sign; ’ marks a vowel that is not voiced.
            (word["pron"] if word["mora_size"] else word["string"]).replace("’", "")
            for word in _read(text)
        )


def _read(text: str) -> list[Any]:
    """Words with their pronunciation, their accent and how many morae they have."""
    import pyopenjtalk

    # ① and ㌔ are not in the dictionary; 1 and キロ are.
    plain = unicodedata.normalize("NFKC", text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of how it calls Sudachi
        words = pyopenjtalk.run_frontend(plain, jtalk=_open())
    for word in words:
        if not word["mora_size"] and any(c.isalnum() for c in word["string"]):
            raise UnreadableError(f"Open JTalk cannot read '{word['string'][:40]}'")
    if not any(word["mora_size"] for word in words):
        raise UnreadableError(f"Open JTalk finds nothing to say in '{text[:40]}'")
    return words


@cache
def _open() -> "OpenJTalk":
    """Of our own: the package's shared one may hold a dictionary of the user's."""
    import pyopenjtalk
    from pyopenjtalk.openjtalk import OpenJTalk

    dictionary = Path(pyopenjtalk.__file__).parent / "dictionary"
    return OpenJTalk(dn_mecab=os.fsencode(dictionary))
