"""Drawing tokens for a batch of rows as each row would draw them alone.

`torch.multinomial` draws one of n tokens as a race: token i arrives at E_i / p_i, with E_i from
the exponential distribution, and the first wins. Here every row has a generator of its own for
its E_i. A row's p_i differ in the last digits with the batch that it is in, which can change the
winner only where the first two arrive at almost the same time: such rows are named, so that they
can be drawn again alone.
"""

from collections.abc import Sequence
from typing import Any

PHOTO_FINISH = 1e-4
"""Relative distance of the first two below which rounding could have decided."""


def race(seeds: Sequence[int], stop: int) -> Any:
    """A context in which `torch.multinomial` of one sample a row is drawn so.

    stop: the token that ends a row; what is drawn for it later does not count. The context has
    `doubtful`, the rows (as a list) in which rounding could have decided.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Race(TorchFunctionMode):
        def __init__(self) -> None:
            super().__init__()
            self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
            self.close = torch.zeros(len(seeds), dtype=torch.bool)
            self.ended = torch.zeros(len(seeds), dtype=torch.bool)

        @property
        def doubtful(self) -> list[int]:
            return [int(row) for row in torch.nonzero(self.close)]

        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is not torch.multinomial:
                return function(*args, **(kwargs or {}))
            chances = args[0].float().cpu()
            delays = torch.stack(
                [torch.empty(chances.shape[1]).exponential_(generator=g) for g in self.generators]
            )
            speeds, tokens = (chances / delays).topk(2, dim=1)
            close = speeds[:, 1] > (1 - PHOTO_FINISH) * speeds[:, 0]
            self.close |= close & ~self.ended
            self.ended |= tokens[:, 0] == stop
            return tokens[:, :1].to(args[0].device)

    return Race()
