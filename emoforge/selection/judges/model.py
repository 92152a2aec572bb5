"""A trained judge as one file: the network's weights, and in the header all that it needs."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emoforge.component import canonical_json
from emoforge.errors import ConfigError, RequirementError
from emoforge.label import Scheme
from emoforge.selection.judges.network import GRID, Heard, Network, normalised
from emoforge.selection.judges.recipe import FeatureSettings, NetworkSettings

FORMAT = 1

_BATCH_FRAMES = 8192
"""Frames heard at a time, in all voices: bounds memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network with what turns audio into its input, and its output into probabilities.

    temperatures: by scheme name; logits are divided by it before the softmax.
    about: recipe, data and licence, as plain JSON values.
    """

    network: Network
    features: FeatureSettings
    sizes: NetworkSettings
    schemes: tuple[Scheme, ...]
    temperatures: Mapping[str, float]
    about: Mapping[str, Any]

    def hear(self, clips: Sequence[Tensor]) -> list[Heard]:
        """Logits [classes] and embedding [d] of each clip's log-mels [voices, t, mels].

        Means over the voices, on the CPU. Clips of one padded length are heard together; the
        answer does not depend on which.
        """
        device = next(self.network.parameters()).device
        heard: dict[int, Heard] = {}
        for indices in _batches(clips):
            voices = len(clips[indices[0]])
            frames, lengths = normalised([voice for i in indices for voice in clips[i]])
            # TF32 would round differently in another batch size.
            exact = torch.backends.cudnn.flags(allow_tf32=False) if device.type == "cuda" else None
            with torch.inference_mode(), exact or nullcontext():
                answer = self.network(frames.to(device), lengths.to(device))
            logits = {name: _mean(values, voices) for name, values in answer.logits.items()}
            embeddings = _mean(answer.embedding, voices)
            for row, i in enumerate(indices):
                own = {name: values[row] for name, values in logits.items()}
                heard[i] = Heard(own, embeddings[row])
        return [heard[i] for i in range(len(clips))]

    def save(self, path: Path) -> None:
        """Write the safetensors file under a temporary name, then rename it."""
        from safetensors.torch import save

        header = {
            "format": FORMAT,
            "features": dataclasses.asdict(self.features),
            "network": dataclasses.asdict(self.sizes),
            "schemes": {scheme.name: scheme.classes for scheme in self.schemes},
            "temperatures": dict(self.temperatures),
            "about": dict(self.about),
        }
        # The memory layout is the machine's affair; the file has plain contiguous arrays.
        state = self.network.state_dict()
        weights = {name: values.detach().cpu().contiguous() for name, values in state.items()}
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(save(weights, {"judge": canonical_json(header)}))
        partial.replace(path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "Model":
        """Read what `save` wrote; raises RequirementError if it is absent or damaged.

        Raises ConfigError for a device that this machine does not have.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {})["judge"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if header["format"] != FORMAT:
                raise RequirementError(
                    f"{path}: judge weights of format {header['format']}, "
                    f"this emoforge reads format {FORMAT}"
                )
            schemes = tuple(Scheme(name, tuple(c)) for name, c in header["schemes"].items())
            features = FeatureSettings(**_with_tuples(header["features"]))
            sizes = NetworkSettings(**_with_tuples(header["network"]))
            # Built without storage, so that no random numbers are drawn only to be overwritten.
            with torch.device("meta"):
                network = Network(features.mels, {s.name: len(s.classes) for s in schemes}, sizes)
            network.load_state_dict(weights, assign=True)
            temperatures, about = header["temperatures"], header["about"]
        except OSError as error:
            raise RequirementError(
                f"{path}: judge weights cannot be read ({error.strerror or error})"
            ) from error
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RequirementError(
                f"{path}: not a judge's weights, or damaged; train them again or reinstall emoforge"
            ) from error
        try:
            network.to(device).eval()
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigError(f"device '{device}' cannot be used here ({reason})") from error
        return cls(network, features, sizes, schemes, temperatures, about)


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _batches(clips: Sequence[Tensor]) -> list[list[int]]:
    """Indices in groups of one padded length, at most `_BATCH_FRAMES` frames or one clip each."""
    by_length: dict[int, list[int]] = {}
    for i, clip in enumerate(clips):
        by_length.setdefault(-(-clip.shape[1] // GRID) * GRID, []).append(i)
    batches = []
    for padded, indices in by_length.items():
        size = max(1, _BATCH_FRAMES // (padded * len(clips[0])))
        batches += [indices[k : k + size] for k in range(0, len(indices), size)]
    return batches


def _mean(values: Tensor, voices: int) -> Tensor:
    """Mean over each clip's voices: [clips · voices, d] to [clips, d], on the CPU."""
    return values.view(-1, voices, values.shape[1]).mean(1).cpu()
