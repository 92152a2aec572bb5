"""WavLM-Large (arXiv 2110.13900), whose features FreeVC and kNN-VC convert: from a local file."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from emoforge.errors import RequirementError
from emoforge.hub import read_weights

if TYPE_CHECKING:
    import torch

NAME = "WavLM-Large.pt"
HOP = 320
"""Samples between frames at 16 kHz: 20 ms."""

_WINDOW = 400
_LAYERS = re.compile(r"[\d\s()\[\],+*]+")


def wavlm_file(converter: str, path: str, folder: Path) -> Path:
    """The file of its weights: `path` if given, else in the model's folder or coqui's cache.

    Raises RequirementError if there is none; nothing is fetched.
    """
    from trainer.io import get_user_data_dir

    places = [folder / NAME, Path(get_user_data_dir("tts")) / "wavlm" / NAME]
    if path:
        places = [Path(path).expanduser()]
    for place in places:
        if place.is_file():
            return place
    raise RequirementError(
        f"'{converter}' needs {NAME} and there is none at {' or '.join(map(str, places))}: it is "
        "an asset of release v0.13.0_models of github.com/coqui-ai/TTS (CC BY-SA 3.0, after "
        f"microsoft/unilm), generators.{converter}.wavlm=… says where it lies"
    )


def read_wavlm(file: Path) -> tuple[Any, dict[str, Any]]:
    """The network without its weights, and these by name; raises RequirementError."""
    from TTS.vc.layers.freevc.wavlm.wavlm import WavLM, WavLMConfig

    checkpoint = read_weights([file])
    settings, state = checkpoint.get("cfg"), checkpoint.get("model")
    if not isinstance(settings, dict) or not isinstance(state, dict):
        raise RequirementError(f"{file}: damaged, a WavLM checkpoint has 'cfg' and 'model'")
    config = WavLMConfig(settings)
    # The package evaluates this text.
    if not _LAYERS.fullmatch(str(config.conv_feature_layers)):
        raise RequirementError(f"{file}: refused, its conv_feature_layers would run code")
    return WavLM(config), state


@contextmanager
def replaced(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """While a network is built: what its module would fetch from the net is `value` instead."""
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)


def whole_frames(wave: "torch.Tensor") -> "torch.Tensor":
    """[1, samples]: zeros after the wave, so that as many frames come as cover it."""
    import torch

    length = -(-len(wave) // HOP) * HOP + _WINDOW - HOP
    return torch.nn.functional.pad(wave, (0, length - len(wave)))[None]
