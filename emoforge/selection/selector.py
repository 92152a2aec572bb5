"""Choosing which candidates are admitted: judged candidates in, decisions out."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.component import Component
from emoforge.errors import ConfigError
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


@dataclass(frozen=True)
class TopK(Selector):
    """Keep what the judge hears as labelled, the most certain first, up to k a class.

    threshold: least probability of the carried label, in [0, 1].
    budget: kept candidates at most, as a multiple of the real training clips; class c gets
        k_c = round(budget · n_c), so that the kept set follows the real class prior (Bootstrapping,
        arXiv 2409.10985).
    """

    name: ClassVar[str] = "topk"
    version: ClassVar[int] = 2

    threshold: float = 0.5
    budget: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"selector topk: threshold={self.threshold} is not in [0, 1]")
        if self.budget <= 0:
            raise ConfigError(f"selector topk: budget={self.budget} must be above 0")

    def select(
        self,
        material: Material,
        *,
        seed: int = 0,
        done: Sequence[Round] = (),
        note: Callable[[Round], None] = lambda _: None,
    ) -> Choice:
        pool, scheme = material.candidates, material.scheme
        rows = np.arange(len(pool))
        probability = pool.probabilities[rows, pool.emotions]
        heard = pool.probabilities.argmax(1)
        words = ("supported", "unsupported", "uncertain", "surplus")
        reasons = np.zeros(len(pool), np.int8)
        reasons[probability < self.threshold] = words.index("uncertain")
        reasons[heard != pool.emotions] = words.index("unsupported")
        quotas = np.round(self.budget * material.train.counts(len(scheme.classes))).astype(int)
        ranks = np.zeros(len(pool), np.int64)
        for c, quota in enumerate(quotas):
            own = np.flatnonzero((pool.emotions == c) & (reasons == 0))
            own = own[np.argsort(-probability[own], kind="stable")]
            ranks[own] = np.arange(1, len(own) + 1)
            reasons[own[quota:]] = words.index("surplus")

        def sentence(row: int) -> str:
            emotion = scheme.classes[pool.emotions[row]]
            if reasons[row] == words.index("unsupported"):
                return (
                    f"the judge hears {scheme.classes[heard[row]]} "
                    f"({pool.probabilities[row].max():.2f}), not {emotion} "
                    f"({probability[row]:.2f})"
                )
            if reasons[row] == words.index("uncertain"):
                return f"{emotion} has {probability[row]:.2f}, threshold {self.threshold:.2f}"
            return f"rank {ranks[row]} of {emotion}, {quotas[pool.emotions[row]]} wanted"

        return Choice(reasons == 0, probability, reasons, words, sentence)
