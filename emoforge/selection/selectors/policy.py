"""What all policies share: from who is supported to who is kept."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.errors import ConfigError
from emoforge.selection.pool import Floats, Material
from emoforge.selection.selectors.directions import Directions
from emoforge.selection.selectors.duplicates import distinct
from emoforge.selection.selectors.farthest import farthest_first
from emoforge.selection.selectors.selector import Choice, Round, Selector

WORDS = (
    "supported", "unsupported", "uncertain", "ambiguous", "surplus", "duplicate", "alike"
)  # fmt: skip
_PLACE = {word: place for place, word in enumerate(WORDS)}


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """Whom a policy finds supported in what was heard.

    words: int8 [n], places in WORDS, 0 for the supported. probability: float32 [n], of the
    carried label; who is more certain comes first. sentence: row → why it is not supported.
    """

    words: npt.NDArray[np.int8]
    probability: Floats
    sentence: Callable[[int], str]


@dataclass(frozen=True, kw_only=True)
class Policy(Selector):
    """Says who is supported; of these, the most certain are kept.

    budget: kept candidates at most, as a multiple of the real training clips; class c gets
        k_c = round(budget · n_c), so that the kept set follows the real class prior (Bootstrapping,
        arXiv 2409.10985).
    matching: the kept set has the real class prior (to less than one clip a class): the class
        with the fewest supported candidates for its k_c limits the others. Else k_c is a bound.
    duplicates: of two kept candidates of a class whose embeddings have a cosine above this, the
        more certain one stays; in [-1, 1], None: no such check. Embeddings are mean-centred.
    diversity: the k_c are chosen among the diversity · k_c most certain by farthest-first
        traversal of their embeddings' directions from the mean, from the most certain one on;
        1 or more, 1: the k_c most certain.
    """

    version: ClassVar[int] = 2

    budget: float = 1.0
    matching: bool = False
    duplicates: float | None = None
    diversity: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.budget < float("inf"):
            self._refuse("budget", "must be above 0")
        if self.duplicates is not None and not -1 <= self.duplicates <= 1:
            self._refuse("duplicates", "is a cosine, in [-1, 1], or null for no check")
        if not 1 <= self.diversity < float("inf"):
            self._refuse("diversity", "must be 1 or more")

    def _refuse(self, option: str, wanted: str) -> None:
        raise ConfigError(f"selector {self.name}: {option}={getattr(self, option)} {wanted}")

    @abstractmethod
    def support(self, material: Material, who: str) -> Support:
        """Whom the candidates' `probabilities` and `members` support; `who` said them."""

    def select(
        self,
        material: Material,
        *,
        seed: int = 0,
        done: Sequence[Round] = (),
        note: Callable[[Round], None] = lambda _: None,
    ) -> Choice:
        return self.choose(material, [self.support(material, "the judge")])

    def choose(self, material: Material, supports: Sequence[Support]) -> Choice:
        """Choose among those that every one of `supports` finds supported, ranked by the last."""
        pool, scheme = material.candidates, material.scheme
        probability = supports[-1].probability
        reasons = np.zeros(len(pool), np.int8)
        refusing = np.zeros(len(pool), np.int8)
        for place, support in reversed(list(enumerate(supports))):
            refused = support.words != 0
            reasons[refused], refusing[refused] = support.words[refused], place
        wanted = self.quotas(material)
        directions = (
            Directions(pool.embeddings)
            if len(pool) and (self.duplicates is not None or self.diversity > 1)
            else None
        )
        ranks = np.zeros(len(pool), np.int64)
        twins: dict[int, tuple[int, float]] = {}
        fronts: list[npt.NDArray[np.int64]] = []
        for c, quota in enumerate(wanted.tolist()):
            own = np.flatnonzero((pool.emotions == c) & (reasons == 0))
            own = own[np.argsort(-probability[own], kind="stable")]
            ranks[own] = np.arange(1, len(own) + 1)
            reasons[own] = _PLACE["surplus"]
            front = own[: self._reach(quota)]
            if directions and self.duplicates is not None:
                front, found = distinct(directions.of, own, self._reach(quota), self.duplicates)
                twins |= found
            fronts.append(front)
        reasons[list(twins)] = _PLACE["duplicate"]
        quotas = self._matched(wanted, fronts)
        for front, quota in zip(fronts, quotas.tolist(), strict=True):
            front = front[: self._reach(quota)]
            places = np.arange(min(quota, len(front)))
            if directions and self.diversity > 1 and quota < len(front):
                places = farthest_first(directions.of(front), quota)
                reasons[front] = _PLACE["alike"]
            reasons[front[places]] = 0

        def sentence(row: int) -> str:
            if reasons[row] in (_PLACE["unsupported"], _PLACE["uncertain"], _PLACE["ambiguous"]):
                return supports[int(refusing[row])].sentence(row)
            if reasons[row] == _PLACE["duplicate"]:
                twin, cosine = twins[row]
                return f"cosine {cosine:.3f} to {pool.ids[twin]}, which is more certain"
            c = int(pool.emotions[row])
            text = f"rank {ranks[row]} of {scheme.classes[c]}, {quotas[c]} wanted"
            if reasons[row] == _PLACE["alike"]:
                return f"{text}; those chosen among the first differ more from one another"
            if quotas[c] < wanted[c]:
                return f"{text} ({wanted[c]} but for the class with the fewest supported)"
            return text

        return Choice(reasons == 0, probability, reasons, WORDS, sentence)

    def quotas(self, material: Material) -> npt.NDArray[np.int64]:
        """k_c of each class, before `matching`."""
        counts = material.train.counts(len(material.scheme.classes))
        return np.round(self.budget * counts).astype(np.int64)

    def _reach(self, quota: int) -> int:
        return ceil(self.diversity * quota)

    def _matched(
        self, wanted: npt.NDArray[np.int64], fronts: Sequence[npt.NDArray[np.int64]]
    ) -> npt.NDArray[np.int64]:
        present = np.flatnonzero(wanted)
        if not self.matching or len(present) == 0:
            return wanted
        available = np.minimum([len(front) for front in fronts], wanted)
        scarcest = present[(available[present] / wanted[present]).argmin()]
        # Whole numbers throughout: a class is never short by a rounding error.
        return np.asarray(wanted * available[scarcest] // wanted[scarcest])
