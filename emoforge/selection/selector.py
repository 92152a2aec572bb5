"""Choosing which candidates are admitted: scored candidates in, decisions out."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from emoforge.component import Component
from emoforge.errors import ConfigError
from emoforge.label import Scheme
from emoforge.workspace import Decision


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """A candidate that passed the gates: the emotion it carries, the judge's distribution.

    distribution: probabilities in the order of the scheme's classes.
    """

    id: str
    emotion: str
    distribution: tuple[float, ...]


class Selector(Component):
    """Decides over all scored candidates at once."""

    @abstractmethod
    def select(
        self, candidates: Iterable[ScoredCandidate], scheme: Scheme, real: Mapping[str, int]
    ) -> list[Decision]:
        """One decision a candidate, in id order, independent of the order of `candidates`.

        real: emotion → number of real training clips, the class prior.
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
    version: ClassVar[int] = 1

    threshold: float = 0.5
    budget: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"selector topk: threshold={self.threshold} is not in [0, 1]")
        if self.budget <= 0:
            raise ConfigError(f"selector topk: budget={self.budget} must be above 0")

    def select(
        self, candidates: Iterable[ScoredCandidate], scheme: Scheme, real: Mapping[str, int]
    ) -> list[Decision]:
        decisions = []
        supported: list[tuple[float, ScoredCandidate]] = []
        for candidate in candidates:
            probability = candidate.distribution[scheme.index(candidate.emotion)]
            heard = scheme.classes[candidate.distribution.index(max(candidate.distribution))]
            if heard != candidate.emotion:
                sentence = (
                    f"the judge hears {heard} ({max(candidate.distribution):.2f}), "
                    f"not {candidate.emotion} ({probability:.2f})"
                )
                decisions.append(
                    Decision(candidate.id, False, "unsupported", sentence, probability)
                )
            elif probability < self.threshold:
                sentence = (
                    f"{candidate.emotion} has {probability:.2f}, threshold {self.threshold:.2f}"
                )
                decisions.append(Decision(candidate.id, False, "uncertain", sentence, probability))
            else:
                supported.append((probability, candidate))
        supported.sort(key=lambda item: (-item[0], item[1].id))
        rank: Counter[str] = Counter()
        for probability, candidate in supported:
            emotion = candidate.emotion
            rank[emotion] += 1
            quota = round(self.budget * real.get(emotion, 0))
            place = f"rank {rank[emotion]} of {emotion}, {quota} wanted"
            keep = rank[emotion] <= quota
            reason = "supported" if keep else "surplus"
            decisions.append(Decision(candidate.id, keep, reason, place, probability))
        return sorted(decisions, key=lambda decision: decision.candidate)
