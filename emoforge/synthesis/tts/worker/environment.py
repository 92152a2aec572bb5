"""What a worker's process inherits from this one: not its Python, and only the GPU that it gets."""

import os
from collections.abc import Sequence
from pathlib import Path

from emoforge.errors import ConfigError

_OWN = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def environment(
    python: str, device: str, pythonpath: Sequence[str] = ()
) -> tuple[dict[str, str], str]:
    """Environment variables for a worker, and the device as it is to call it.

    `cpu` hides all GPUs, and `cuda:1` all but the second of those that are visible here, which the
    worker then calls `cuda`: so engines that choose a device by themselves choose the right one.
    Other devices are handed on as they are. Raises ConfigError for a GPU that is not visible.
    """
    variables = {name: value for name, value in os.environ.items() if name not in _OWN}
    variables["PATH"] = os.pathsep.join((str(Path(python).parent), variables.get("PATH", "")))
    variables["PYTHONUTF8"] = "1"
    if pythonpath:
        variables["PYTHONPATH"] = os.pathsep.join(pythonpath)
    kind, _, number = device.partition(":")
    if kind == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = ""
    elif kind == "cuda" and number:
        seen = variables.get("CUDA_VISIBLE_DEVICES")
        variables["CUDA_VISIBLE_DEVICES"] = number if seen is None else _one_of(seen, number)
        device = "cuda"
    return variables, device


def _one_of(visible: str, number: str) -> str:
    names = visible.split(",")
    if not number.isdigit() or int(number) >= len(names):
        raise ConfigError(
            f"device=cuda:{number}: there is no such GPU, CUDA_VISIBLE_DEVICES is '{visible}'"
        )
    return names[int(number)]
