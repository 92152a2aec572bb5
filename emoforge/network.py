"""What components that are neural networks share: devices, exactness, randomness, weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emoforge.errors import ConfigError, RequirementError

if TYPE_CHECKING:
    import torch


def device_of(name: str) -> "torch.device":
    """A device of this machine, such as `cpu` or `cuda:1`; raises ConfigError."""
    import torch

    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"device '{name}' cannot be used here ({reason}); cpu, cuda, cuda:1 and the like"
        ) from error
    return device


@contextmanager
def computing(device: "torch.device") -> Iterator[None]:
    """Without gradients; convolutions on a GPU in float32 and by fixed algorithms.

    TF32 would round a clip differently in another batch.
    """
    import torch

    with torch.inference_mode():
        if device.type == "cuda":
            with torch.backends.cudnn.flags(allow_tf32=False, benchmark=False, deterministic=True):
                yield
        else:
            yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Global randomness of torch (on the CPU) and numpy as of this seed; afterwards as before.

    For packages that take no generator.
    """
    import torch

    before = np.random.get_state()  # noqa: NPY002 - the state that must not change
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002


def load_state(network: Any, state: Any, file: Path) -> None:
    """Give a network its weights; raises RequirementError if some lack or do not fit.

    What else stands in the file is left alone, as the packages do.
    """
    try:
        lacking = network.load_state_dict(state, strict=False).missing_keys
    except (RuntimeError, TypeError, AttributeError) as error:
        raise _other_weights(network, file) from error
    if lacking:
        raise _other_weights(network, file)


def _other_weights(network: Any, file: Path) -> RequirementError:
    return RequirementError(
        f"{file}: its weights are not those of the {type(network).__name__} that it should hold; "
        "fetch the model again"
    )
