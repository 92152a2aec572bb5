"""HTS Engine in process: labels in, samples out, with voices of one speaker mixed.

The engine mixes voices of one structure by weights (T. Yoshimura et al., "Speaker interpolation
for HMM-based speech synthesis system", J. Acoust. Soc. Jpn. (E) 21(4), 2000). The wrapper in
pyopenjtalk knows one voice alone, so the functions of its library are called here.
"""

import ctypes
import os
import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from emoforge.audio import Audio
from emoforge.errors import AudioError, RequirementError

# From HTS_engine.h 1.10, in words of 8 bytes: the structure HTS_Engine takes 53; the number of
# its samples stands at 48 and the pointer to them at 52. More room costs nothing.
_WORDS, _COUNT, _SPEECH = 128, 48, 52
_LOADED = 16


def say(labels: Sequence[str], voices: Sequence[Path], weights: Sequence[float]) -> Audio:
    """Speak full-context labels with a mix of `.htsvoice` files of the same speaker.

    weights: one a voice, ≥ 0: a negative one would make variances negative. They are divided by
    their sum. (1, 0) gives the samples of the first voice alone. The result depends on nothing
    but the arguments and the files. Safe in threads.

    Raises RequirementError if the voices cannot be loaded together, AudioError if nothing is
    said.
    """
    if min(weights) < 0 or not any(weights):
        raise ValueError(f"weights must be ≥ 0 and not all 0, got {list(weights)}")
    return _engine(tuple(voices)).say(labels, weights)


class _Engine:
    """One HTS Engine with its voices."""

    def __init__(self, voices: Sequence[Path]) -> None:
        self._library = _library()
        self._memory = (ctypes.c_uint64 * _WORDS)()
        self._lock = threading.Lock()
        self._library.HTS_Engine_initialize(self._memory)
        names = (ctypes.c_char_p * len(voices))(*map(os.fsencode, voices))
        if not self._library.HTS_Engine_load(self._memory, names, len(voices)):
            shown = " and ".join(map(str, voices))
            raise RequirementError(f"{shown}: HTS Engine cannot load this as voices of one kind")

    def __del__(self) -> None:
        self._library.HTS_Engine_clear(self._memory)

    def say(self, labels: Sequence[str], weights: Sequence[float]) -> Audio:
        library, engine = self._library, self._memory
        lines = (ctypes.c_char_p * len(labels))(*(label.encode() for label in labels))
        with self._lock:
            for voice, weight in enumerate(weights):
                library.HTS_Engine_set_duration_interpolation_weight(engine, voice, weight)
                for stream in range(library.HTS_Engine_get_nstream(engine)):
                    library.HTS_Engine_set_parameter_interpolation_weight(
                        engine, voice, stream, weight
                    )
                    library.HTS_Engine_set_gv_interpolation_weight(engine, voice, stream, weight)
            try:
                if not library.HTS_Engine_synthesize_from_strings(engine, lines, len(labels)):
                    raise AudioError("HTS Engine cannot speak these labels")
                spoken = self._samples()
            finally:
                library.HTS_Engine_refresh(engine)
        if not np.any(spoken):
            raise AudioError("HTS Engine says nothing for these labels")
        rate = library.HTS_Engine_get_sampling_frequency(engine)
        return Audio((spoken / 32768).astype(np.float32), rate)

    def _samples(self) -> Any:
        """A copy of what was said, float64, in 16-bit steps."""
        count = self._library.HTS_Engine_get_nsamples(self._memory)
        if self._memory[_COUNT] != count:
            raise RequirementError("pyopenjtalk has another HTS Engine than 1.10, which is needed")
        speech = ctypes.cast(self._memory[_SPEECH], ctypes.POINTER(ctypes.c_double))
        return np.ctypeslib.as_array(speech, (count,)).copy()


@lru_cache(_LOADED)
def _engine(voices: tuple[Path, ...]) -> _Engine:
    return _Engine(voices)


@cache
def _library() -> ctypes.CDLL:
    import pyopenjtalk.htsengine

    library = ctypes.CDLL(pyopenjtalk.htsengine.__file__)
    engine, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_char_p)
    for name, result, *arguments in (
        ("initialize", None),
        ("load", ctypes.c_bool, text, size),
        ("clear", None),
        ("set_duration_interpolation_weight", None, size, ctypes.c_double),
        ("set_parameter_interpolation_weight", None, size, size, ctypes.c_double),
        ("set_gv_interpolation_weight", None, size, size, ctypes.c_double),
        ("synthesize_from_strings", ctypes.c_bool, text, size),
        ("get_nstream", size),
        ("get_nsamples", size),
        ("get_sampling_frequency", size),
        ("refresh", None),
    ):
        function = getattr(library, f"HTS_Engine_{name}")
        function.restype, function.argtypes = result, [engine, *arguments]
    return library
