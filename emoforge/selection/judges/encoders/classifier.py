"""The classifiers that checkpoints of audio encoders bring."""

from collections.abc import Mapping

import torch
from torch import Tensor

from emoforge.errors import RequirementError
from emoforge.selection.judges.encoders.layers import Tensors

_LAST = ("classifier.out_proj", "classifier.output", "classifier")


class Classifier:
    """Logits from the means of a clip's frames.

    transformers' own is linear up to the mean (`projector`, mean, `classifier`), so that the mean
    may come first. The custom one of older checkpoints (mean, `classifier.dense`, tanh,
    `classifier.out_proj` or `classifier.output`) has its tanh after it.

    states: numbers of the states that it takes, see `Network.states`: the last, or all
        `hidden_states` in a weighted sum.
    """

    def __init__(
        self, tensors: Tensors, outputs: int, depth: int, where: str, device: torch.device
    ) -> None:
        self._custom = "classifier.dense.weight" in tensors
        first = "classifier.dense" if self._custom else "projector"
        last = next((name for name in _LAST if f"{name}.weight" in tensors), _LAST[-1])
        self._first = [tensors(f"{first}.{part}").to(device) for part in ("weight", "bias")]
        self._last = [tensors(f"{last}.{part}").to(device) for part in ("weight", "bias")]
        if len(self._last[0]) != outputs:
            raise RequirementError(
                f"{where}: the weights' classifier has {len(self._last[0])} outputs, id2label of "
                f"config.json names {outputs}; fetch both again"
            )
        shares = tensors.maybe("layer_weights")
        self._shares = {depth + 1: 1.0}
        if shares is not None:
            self._shares = dict(enumerate(shares.softmax(0).tolist()))
        self.states = frozenset(self._shares)

    def __call__(self, means: Mapping[int, Tensor]) -> Tensor:
        """Logits [clips, outputs] from means [clips, width], float32, by number of the state."""
        mean = torch.stack([share * means[i] for i, share in self._shares.items()]).sum(0)
        hidden = mean @ self._first[0].t() + self._first[1]
        if self._custom:
            hidden = hidden.tanh()
        return hidden @ self._last[0].t() + self._last[1]
