"""espeak-ng in process: text in, samples out, the same ones every time.

espeak-ng keeps the state of its oscillators and its noise in static variables that neither
`espeak_Terminate` nor its random seed resets, so that a text sounds a little different depending
on what was said before. A freshly loaded library does not have that state: it is loaded and
unloaded around each text, which takes about 2 ms.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from emoforge.audio import Audio
from emoforge.errors import AudioError, RequirementError

# From espeak-ng/speak_lib.h.
_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_OK = 0
_LONGEST_PATH = 150
# Voices of espeak-ng 1.52 whose pronunciation dictionary does not come with it.
_MUTE = frozenset({"fo", "kaa", "xex"})

_lock = threading.Lock()
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def say(text: str, voice: str) -> Audio:
    """Speak `text`, which is plain and has no markup, with a voice such as `de` or `en-us+f3`.

    The result depends on nothing but the arguments and espeak-ng's version. Raises AudioError
    if nothing is audible, or if espeak-ng does not have the voice.
    """
    chunks: list[bytes] = []

    def collect(samples: int | None, count: int, _events: int) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _Callback(collect)
    data = _printable(text).encode("utf-8")
    with _library() as (library, rate):
        library.espeak_SetSynthCallback(callback)
        library.espeak_ng_SetRandSeed(1)  # it starts from the clock
        if library.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise AudioError(f"espeak has no voice '{voice}'")
        if library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None) != _OK:
            raise AudioError(f"espeak could not speak the text '{text[:40]}'")
    samples = np.frombuffer(b"".join(chunks), np.int16).astype(np.float32) / np.float32(32768)
    if not np.any(samples):
        raise AudioError(f"espeak says nothing for the text '{text[:40]}'")
    return Audio(samples, rate)


def data_problem() -> str | None:
    """Why espeak-ng cannot use its data here, or None: it cuts paths that are too long."""
    import espeakng_loader

    path = espeakng_loader.get_data_path()
    if len(path.encode()) <= _LONGEST_PATH:
        return None
    return f"a shorter path than {path}, at most {_LONGEST_PATH} bytes (move the environment)"


@cache
def voices() -> dict[str, str]:
    """Language tag (lower case) → the name of espeak-ng's first choice for it."""
    best: dict[str, tuple[int, str]] = {}
    with _library() as (library, _):
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        listed = library.espeak_ListVoices(None)
        for at in _while_set(lambda i: listed[i]):
            voice = listed[at].contents
            # Some tags that voices list cannot select them; the names of their files all can.
            name = voice.identifier.decode().rpartition("/")[2]
            for priority, tag in [] if name in _MUTE else _tags(voice.languages):
                # The lower the number, the better the voice fits the tag.
                if tag not in best or priority < best[tag][0]:
                    best[tag] = (priority, name)
    return {tag: name for tag, (_, name) in best.items()}


def voice_for(language: str) -> str | None:
    """Voice for a BCP 47 tag: its own, else that of its language, else None."""
    tag = language.replace("_", "-").lower()
    while tag:
        if tag in voices():
            return voices()[tag]
        tag = tag.rpartition("-")[0]
    return None


def _tags(address: int) -> list[tuple[int, str]]:
    """espeak-ng's list of (priority byte, tag, 0), ended by priority 0."""
    tags = []
    while priority := ctypes.string_at(address, 1)[0]:
        tag = ctypes.string_at(address + 1)
        tags.append((priority, tag.decode().lower()))
        address += 2 + len(tag)
    return tags


def _while_set(item: Callable[[int], Any]) -> Iterator[int]:
    at = 0
    while item(at):
        yield at
        at += 1


def _printable(text: str) -> str:
    """Without control characters: espeak-ng takes them for commands (0x01) or the end (0x00)."""
    return "".join(c if c.isprintable() else " " for c in text)


@contextmanager
def _library() -> Iterator[tuple[Any, int]]:
    """A freshly loaded espeak-ng and its sampling rate, for this thread alone."""
    import _ctypes

    import espeakng_loader

    data_path = espeakng_loader.get_data_path().encode()
    with _lock:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        try:
            library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
            rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data_path, _DO_NOT_EXIT)
            if rate <= 0:
                raise RequirementError(f"espeak-ng cannot use its data in {data_path.decode()}")
            yield library, rate
        finally:
            library.espeak_Terminate()
            _ctypes.dlclose(library._handle)
