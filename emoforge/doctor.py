"""Which components can run here, and what each missing one needs."""

import importlib.util
import os
import platform
import shutil
from dataclasses import asdict, dataclass
from typing import Any

from emoforge import __version__
from emoforge.component import KINDS, component_class, create, registered
from emoforge.errors import EmoforgeError, RequirementError


@dataclass(frozen=True)
class Health:
    """One component: `missing` names what it needs, and is empty where it can run."""

    kind: str
    name: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """The machine, and every component's health."""

    system: dict[str, str]
    components: tuple[Health, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return asdict(self)


def diagnose() -> Diagnosis:
    """Look at everything that is registered; loads no weights."""
    return Diagnosis(
        {
            "emoforge": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cores": str(len(os.sched_getaffinity(0))),
            "free disk": f"{shutil.disk_usage('.').free / 1e9:.0f} GB",
            "torch": _torch(),
        },
        tuple(_health(kind, name) for kind in KINDS for name in registered(kind)),
    )


def _health(kind: str, name: str) -> Health:
    try:
        needs = component_class(kind, name).requires
    except RequirementError as error:
        return Health(kind, name, (str(error),))
    missing = tuple(text for need in needs if (text := need.missing()))
    return Health(kind, name, missing or _unsettled(kind, name))


def _unsettled(kind: str, name: str) -> tuple[str, ...]:
    """What a component lacks as long as nothing is set, such as where its weights are."""
    try:
        component = create(kind, name, {"kbps": 0.0} if kind == "codec" else {})
        component.check_requirements()
        _ = component.weights
    except EmoforgeError as error:
        return (str(error),)
    return ()


def _torch() -> str:
    if importlib.util.find_spec("torch") is None:
        return "absent"
    import torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return f"{torch.__version__}, {', '.join(devices) or 'CPU only'}"
