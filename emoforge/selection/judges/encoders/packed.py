"""Linear layers laid out for oneDNN, for models that only run forward on a processor.

PyTorch multiplies float32 matrices by MKL, which leaves half and more of the speed of some
processors unused (measured on an AMD EPYC with AVX-512: 66 to 91 against 209 to 224 GFLOP/s a
core). oneDNN on weights that were packed once is what PyTorch's own compiler takes for frozen
models; sums are in float32 as before, in another order.
"""

import torch
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """A linear layer for [..., in] float32 on the CPU, forward only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.features = linear.out_features
        self.bias = linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        found: Tensor = torch.ops.mkldnn._linear_pointwise(
            flat, self._packed, self.bias, "none", [], ""
        )
        return found.view(*x.shape[:-1], self.features)


def pack_linears(model: nn.Module) -> None:
    """Replace a model's linear layers in place; leaves them where oneDNN is not to be had."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear and child.weight.dtype == torch.float32:
                setattr(module, name, PackedLinear(child))
