"""A trained countermeasure: LFCC frames of clips in, one score each out; and its file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emoforge.component import canonical_json
from emoforge.errors import ConfigError, RequirementError
from emoforge.selection.countermeasures.front_end import HOP, RATE
from emoforge.selection.countermeasures.lcnn import LCNN

FORMAT = 1
Frames = npt.NDArray[np.float16] | npt.NDArray[np.float32]
_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Countermeasure:
    """about: what it was trained on and how, plain JSON values; `seconds` of a clip at a time."""

    network: LCNN
    seconds: float
    about: Mapping[str, Any]

    def scores(self, clips: Sequence[Frames]) -> npt.NDArray[np.float64]:
        """Log-odds of bona fide at even odds [n], of clips [t_i, 60]; higher is more bona fide.

        A clip longer than `seconds` is heard in as many evenly spaced parts as cover it; its score
        is their mean.
        """
        length = frames_of(self.seconds)
        parts = [(i, start) for i, clip in enumerate(clips) for start in _starts(clip, length)]
        heard = np.empty(len(parts))
        device = self.network.mean.device
        self.network.eval()
        with torch.inference_mode():
            for at in range(0, len(parts), _BATCH):
                batch = [excerpt(clips[i], start, length) for i, start in parts[at : at + _BATCH]]
                heard[at : at + len(batch)] = self.network(torch.stack(batch).to(device)).cpu()
        owner = np.array([i for i, _ in parts], np.int64)
        counts = np.bincount(owner, minlength=len(clips))
        return np.bincount(owner, heard, len(clips)) / counts

    def save(self, path: Path) -> None:
        """Write safetensors, and beside them (`.json`) what it is; each appears whole or not.

        Raises ConfigError if the place cannot be written.
        """
        from safetensors.torch import save

        state = self.network.state_dict()
        weights = {name: values.detach().cpu().contiguous() for name, values in state.items()}
        header = {"format": FORMAT, "seconds": self.seconds, "about": dict(self.about)}
        try:
            _write(path.with_suffix(".json"), json.dumps(header, indent=1).encode() + b"\n")
            _write(path, save(weights, {"countermeasure": canonical_json(header)}))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "Countermeasure":
        """Read what `save` wrote; raises RequirementError if it is absent or damaged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {})["countermeasure"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if header["format"] != FORMAT:
                raise RequirementError(
                    f"{path}: a countermeasure of format {header['format']}, this emoforge reads "
                    f"format {FORMAT}"
                )
            with torch.device("meta"):
                network = LCNN()
            network.load_state_dict(weights, assign=True)
            seconds, about = float(header["seconds"]), dict(header["about"])
        except OSError as error:
            raise RequirementError(
                f"{path}: a countermeasure cannot be read ({error.strerror or error})"
            ) from error
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RequirementError(
                f"{path}: not a countermeasure, or damaged; delete it and train it again"
            ) from error
        return cls(placed(network, device), seconds, about)


def placed(network: LCNN, device: str) -> LCNN:
    """The network on a device; raises ConfigError for one that this machine does not have."""
    try:
        network.to(device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"device '{device}' cannot be used here ({reason})") from error
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def frames_of(seconds: float) -> int:
    """LFCC frames in so many seconds."""
    return round(seconds * RATE / HOP)


def excerpt(clip: Frames, start: int, length: int) -> Tensor:
    """`length` frames [length, 60] float32 from a start; the clip is repeated where it ends."""
    return torch.from_numpy(clip[(start + np.arange(length)) % len(clip)].astype(np.float32))


def _starts(clip: Frames, length: int) -> Iterator[int]:
    parts = -(-len(clip) // length)
    for k in range(parts):
        yield round(k * (len(clip) - length) / (parts - 1)) if parts > 1 else 0


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)
