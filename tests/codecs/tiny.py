"""A neural codec of any name with random weights, loaded as its real weights would be."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import tiny_a
import tiny_b

from emoforge.codecs import Codec

_MAKERS: Mapping[str, Callable[[Path], Codec]] = {
    "encodec": tiny_a.encodec,
    "encodec_48khz": tiny_a.encodec_48khz,
    "dac": tiny_a.dac,
    "dac_24khz": partial(tiny_a.dac, name="dac_24khz"),
    "dac_16khz": partial(tiny_a.dac, name="dac_16khz"),
    "snac": tiny_a.snac,
    "speechtokenizer": tiny_a.speechtokenizer,
    "transformers": partial(tiny_b.tiny_transformers, "mimi"),
}


def tiny_codec(name: str, folder: Path) -> Codec | None:
    """The registered codec `name` from weights written into `folder`; None if it needs none."""
    return _MAKERS[name](folder) if name in _MAKERS else None
