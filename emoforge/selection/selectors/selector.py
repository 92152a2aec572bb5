"""What every selector offers: judged candidates in, a choice with its reasons out."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.component import Component
from emoforge.selection.pool import Mask, Material
from emoforge.workspace import Decision


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What a selector decided on the candidates of its material, row by row.

    keep: bool [n]. probability: float32 [n], of the carried label, as the selector sees it.
    reasons: int8 [n], places in `words`: short fixed words to count by. sentence: row → the
    reason in full, made when it is asked for.
    """

    keep: Mask
    probability: npt.NDArray[np.float32]
    reasons: npt.NDArray[np.int8]
    words: Sequence[str]
    sentence: Callable[[int], str]

    def decisions(self, ids: Sequence[str]) -> Iterator[Decision]:
        """One decision a candidate, in the order of the rows."""
        for row, candidate in enumerate(ids):
            yield Decision(
                candidate,
                bool(self.keep[row]),
                self.words[self.reasons[row]],
                self.sentence(row),
                float(self.probability[row]),
            )


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One finished round of a selector that works in rounds. keep: bool [n]; log: plain JSON."""

    number: int
    keep: Mask
    log: Mapping[str, Any]


class Selector(Component):
    """Decides over all judged candidates at once."""

    @abstractmethod
    def select(
        self,
        material: Material,
        *,
        seed: int = 0,
        done: Sequence[Round] = (),
        note: Callable[[Round], None] = lambda _: None,
    ) -> Choice:
        """Decide on every candidate; deterministic given the seed.

        done: rounds that an interrupted call finished; it goes on after them, to the same result.
        note: called with every round that is finished.
        """
