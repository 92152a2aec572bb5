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
from emoforge.errors import RequirementError
from emoforge.label import Scheme
from emoforge.selection.judges.network import GRID, Heard, Network, normalised
from emoforge.selection.judges.recipe import FeatureSettings, NetworkSettings

FORMAT = 1

_BATCH_FRAMES = 12288
"""Frames heard at a time, about 200 s of speech: bounds memory."""


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

    def hear(self, log_mels: Sequence[Tensor]) -> list[Heard]:
        """Logits [classes] and embedding [d] of each log-mel [t, mels], on the CPU.

        Clips of one padded length are heard together; the answer does not depend on which.
        """
        device = next(self.network.parameters()).device
        heard: dict[int, Heard] = {}
        for indices in _batches([len(x) for x in log_mels]):
            frames, lengths = normalised([log_mels[i] for i in indices])
            # TF32 would round differently in another batch size.
            exact = torch.backends.cudnn.flags(allow_tf32=False) if device.type == "cuda" else None
            with torch.inference_mode(), exact or nullcontext():
                logits, embeddings = self.network(frames.to(device), lengths.to(device))
            logits = {name: values.cpu() for name, values in logits.items()}
            for i, row, embedding in zip(
                indices, range(len(indices)), embeddings.cpu(), strict=True
            ):
                heard[i] = Heard({name: values[row] for name, values in logits.items()}, embedding)
        return [heard[i] for i in range(len(log_mels))]

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
        weights = {k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()}
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(save(weights, {"judge": canonical_json(header)}))
        partial.replace(path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "Model":
        """Read what `save` wrote; raises RequirementError if it is absent or damaged."""
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
            features = FeatureSettings(**header["features"])
            sizes = NetworkSettings(
                **{**header["network"], "channels": tuple(header["network"]["channels"])}
            )
            # Built without storage, so that no random numbers are drawn only to be overwritten.
            with torch.device("meta"):
                network = Network(features.mels, {s.name: len(s.classes) for s in schemes}, sizes)
            network.load_state_dict(weights, assign=True)
            return cls(
                network.to(device).eval(),
                features,
                sizes,
                schemes,
                header["temperatures"],
                header["about"],
            )
        except OSError as error:
            raise RequirementError(
                f"{path}: judge weights cannot be read ({error.strerror or error})"
            ) from error
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RequirementError(
                f"{path}: not a judge's weights, or damaged; train them again or reinstall emoforge"
            ) from error


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indices in groups of one padded length, at most `_BATCH_FRAMES` frames or one clip each."""
    by_length: dict[int, list[int]] = {}
    for i, length in enumerate(lengths):
        by_length.setdefault(-(-length // GRID) * GRID, []).append(i)
    batches = []
    for padded, indices in by_length.items():
        size = max(1, _BATCH_FRAMES // padded)
        batches += [indices[k : k + size] for k in range(0, len(indices), size)]
    return batches
