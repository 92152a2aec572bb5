"""Policies: when a distribution supports the emotion that a candidate carries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.component import registered
from emoforge.errors import ConfigError, nearest
from emoforge.selection.pool import Floats, Mask, Material, Pool
from emoforge.selection.selectors.policy import WORDS, Policy, Support

UNSUPPORTED, UNCERTAIN, AMBIGUOUS = (
    WORDS.index(word) for word in ("unsupported", "uncertain", "ambiguous")
)


@dataclass(frozen=True)
class TopK(Policy):
    """Keep what is heard as labelled, the most certain first.

    threshold: least probability of the carried label, in [0, 1].
    """

    name: ClassVar[str] = "topk"

    threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.threshold <= 1:
            self._refuse("threshold", "is not in [0, 1]")

    def support(self, material: Material, who: str) -> Support:
        pool = material.candidates
        probability = carried(pool)
        words = np.zeros(len(pool), np.int8)
        words[probability < self.threshold] = UNCERTAIN
        words[~heard_as_labelled(pool)] = UNSUPPORTED

        def sentence(row: int) -> str:
            if words[row] == UNSUPPORTED:
                return hears_another(material, row, who)
            emotion = material.scheme.classes[pool.emotions[row]]
            return f"{emotion} has {probability[row]:.2f}, threshold {self.threshold:.2f}"

        return Support(words, probability, sentence)


@dataclass(frozen=True)
class Threshold(Policy):
    """Keep what carries its label with some probability, whether or not another has more.

    default: least probability of the carried label, in [0, 1]; thresholds: class → its own.
    """

    name: ClassVar[str] = "threshold"

    default: float = 0.5
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in {"default": self.default, **self.thresholds}.items():
            if not 0 <= value <= 1:
                raise ConfigError(f"selector threshold: {name}={value} is not in [0, 1]")

    def support(self, material: Material, who: str) -> Support:
        pool, classes = material.candidates, material.scheme.classes
        for name in self.thresholds:
            if name not in classes:
                raise ConfigError(
                    f"selector threshold: scheme {material.scheme.name} has no class '{name}': "
                    f"{nearest(name, classes)}"
                )
        least = np.array([self.thresholds.get(name, self.default) for name in classes])
        probability = carried(pool)
        words = np.where(probability < least[pool.emotions], UNCERTAIN, 0).astype(np.int8)

        def sentence(row: int) -> str:
            c = pool.emotions[row]
            return f"{classes[c]} has {probability[row]:.2f}, threshold {least[c]:.2f}"

        return Support(words, probability, sentence)


@dataclass(frozen=True)
class Conformal(Policy):
    """Keep those of which nothing but the carried label can be said with confidence 1 − alpha.

    Split-conformal classification (V. Vovk et al., "Algorithmic learning in a random world",
    2005; Angelopoulos & Bates, arXiv 2107.07511): with the scores sᵢ = 1 − p(true class) of the n
    real dev clips and q the ⌈(n+1)(1−alpha)⌉-th smallest of them, a clip's prediction set is
    {c: 1 − p(c) ≤ q}. A candidate is supported if its set is its carried label alone.

    A real clip's set misses its true class with probability alpha at most, if it is exchangeable
    with the dev clips (other speakers, the same kind of speech). Candidates are not: for them
    this is a scale for thresholds, not a guarantee; that takes votes.

    alpha: in (0, 1). by_class: a q for every class from its own dev clips, so that the promise
        holds for each class; needs enough dev clips of every class.
    Raises ConfigError if the dev clips are fewer than 1/alpha − 1.
    """

    name: ClassVar[str] = "conformal"

    alpha: float = 0.1
    by_class: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.alpha < 1:
            self._refuse("alpha", "is not in (0, 1)")

    def support(self, material: Material, who: str) -> Support:
        pool, dev, classes = material.candidates, material.dev, material.scheme.classes
        strangeness = 1 - carried(dev)
        levels = np.full(len(classes), 1, np.float32)
        # A class that no real clip has is heard by the level of all.
        own = dev.counts(len(classes)) + material.train.counts(len(classes)) > 0
        if not (self.by_class and own.all()):
            levels[:] = self._level(strangeness, "")
        if self.by_class:
            for c in np.flatnonzero(own):
                levels[c] = self._level(strangeness[dev.emotions == c], classes[c])
        possible = 1 - pool.probabilities <= levels
        inside = possible[np.arange(len(pool)), pool.emotions]
        sizes = possible.sum(1)
        words = np.where(inside, np.where(sizes > 1, AMBIGUOUS, 0), UNSUPPORTED).astype(np.int8)
        probability = carried(pool)

        def sentence(row: int) -> str:
            emotion = classes[pool.emotions[row]]
            names = " or ".join(classes[c] for c in np.flatnonzero(possible[row])) or "no emotion"
            return (
                f"with confidence {1 - self.alpha:.2f} {who} hears {names}; "
                f"{emotion} has {probability[row]:.2f}"
            )

        return Support(words, probability, sentence)

    def _level(self, strangeness: Floats, emotion: str) -> float:
        place = conformal_place(len(strangeness), self.alpha)
        if place > len(strangeness):
            raise ConfigError(
                f"selector conformal: alpha={self.alpha} needs {ceil(1 / self.alpha - 1 - 1e-9)} "
                f"real dev clips{f' of {emotion}' if emotion else ''} to be calibrated on, there "
                f"are {len(strangeness)}; give dev more speakers, raise alpha"
                f"{', or set by_class=false' if emotion else ''}"
            )
        return float(np.partition(strangeness, place - 1)[place - 1])


@dataclass(frozen=True)
class Consensus(Policy):
    """Keep what enough members of the judge's ensemble hear as labelled, each for itself.

    agree: members that must hear the carried label; None: all. The mean of the ensemble ranks.
    In a bootstrap the head is one more member. Raises ConfigError if the judge is no ensemble.
    """

    name: ClassVar[str] = "consensus"

    agree: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.agree is not None and self.agree < 1:
            self._refuse("agree", "must be 1 or more, or null for all members")

    def support(self, material: Material, who: str) -> Support:
        pool = material.candidates
        members = len(pool.members)
        if members < 2:
            raise ConfigError(
                "selector consensus: the judge is no ensemble; take an ensemble of judges, "
                "or the selector topk"
            )
        needed = members if self.agree is None else self.agree
        if needed > members:
            raise ConfigError(f"selector consensus: agree={needed}, the ensemble has {members}")
        votes = np.zeros(len(pool), np.int64)
        for member in pool.members:
            votes += member.argmax(1) == pool.emotions
        words = np.where(votes < needed, UNSUPPORTED, 0).astype(np.int8)

        def sentence(row: int) -> str:
            emotion = material.scheme.classes[pool.emotions[row]]
            return f"{votes[row]} of {members} judges hear {emotion}, {needed} must"

        return Support(words, carried(pool), sentence)


@dataclass(frozen=True)
class Calibrated(Policy):
    """Keep what is heard as labelled with the certainty of real speech, generator by generator.

    A judge is more sure of one generator's voice than of another's, for reasons that have nothing
    to do with emotion; one threshold for all would admit by generator. So each generator g has a
    temperature T_g, with p^T(c) ∝ p(c)^(1/T), such that the mean of max p^T over its candidates
    that are heard as labelled is the mean of max p over the real dev clips that are heard rightly
    (T = 1 with fewer than 20 of either). A temperature changes who is more certain, never what is
    heard. A candidate of class c is supported if it is heard as c and p^T(c) ≥ τ_c, where τ_c is
    the ⌊share·(n_c+1)⌋-th smallest p(c) of the n_c real dev clips of the class that are heard
    rightly: another such clip would fall below it with probability `share` at most.

    That presumes that what a generator makes well is as clear as real speech. Votes need no such
    assumption: thresholds: generator → least p(carried label), as `emoforge audit` finds it; it
    takes the place of T and τ. It holds for the judge that was audited, not for the head of a
    bootstrap.

    Raises ConfigError if fewer than 1/share − 1 dev clips of a class are heard rightly.
    """

    name: ClassVar[str] = "calibrated"

    share: float = 0.1
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            self._refuse("share", "is not in (0, 1)")
        for generator, value in self.thresholds.items():
            if not 0 <= value <= 1:
                raise ConfigError(
                    f"selector calibrated: thresholds.{generator}={value} is not in [0, 1]"
                )

    def support(self, material: Material, who: str) -> Support:
        pool, dev, classes = material.candidates, material.dev, material.scheme.classes
        generators, made_by = np.unique(pool.generators, return_inverse=True)
        known = {*registered("generator"), *generators.tolist()}
        for name in self.thresholds:
            if name not in known:
                raise ConfigError(
                    f"selector calibrated: thresholds has '{name}', which is no generator: "
                    f"{nearest(name, known)}"
                )
        raw, heard = carried(pool), heard_as_labelled(pool)
        temperatures = np.ones(len(generators))
        target = dev.probabilities[heard_as_labelled(dev)].max(1)
        for g, name in enumerate(generators.tolist()):
            own = heard & (made_by == g)
            if name not in self.thresholds and min(own.sum(), len(target)) >= _ENOUGH:
                temperatures[g] = _temperature(pool.probabilities[own], float(target.mean()))
        probability = raw.copy()
        least = np.zeros(len(pool))
        voted = np.isin(pool.generators, list(self.thresholds))
        least[voted] = [self.thresholds[str(name)] for name in pool.generators[voted]]
        rest = np.flatnonzero(~voted)
        probability[rest] = _tempered(pool.probabilities[rest], temperatures[made_by[rest], None])[
            np.arange(len(rest)), pool.emotions[rest]
        ]
        for c in np.unique(pool.emotions[rest]):
            rightly = heard_as_labelled(dev) & (dev.emotions == c)
            least[rest[pool.emotions[rest] == c]] = self._least(carried(dev)[rightly], classes[c])
        words = np.where(probability < least, UNCERTAIN, 0).astype(np.int8)
        words[~heard] = UNSUPPORTED

        def sentence(row: int) -> str:
            if words[row] == UNSUPPORTED:
                return hears_another(material, row, who)
            emotion, generator = classes[pool.emotions[row]], pool.generators[row]
            if voted[row]:
                return (
                    f"{emotion} has {raw[row]:.2f}, {least[row]:.2f} is what listeners' votes "
                    f"ask of {generator}"
                )
            return (
                f"{emotion} has {probability[row]:.2f} (before calibration {raw[row]:.2f}), "
                f"of real {emotion} clips heard rightly {1 - self.share:.0%} have {least[row]:.2f}"
            )

        return Support(words, probability, sentence)

    def _least(self, real: Floats, emotion: str) -> float:
        # The same place as in conformal prediction, counted from the other end.
        place = len(real) + 1 - conformal_place(len(real), self.share)
        if place < 1:
            raise ConfigError(
                f"selector calibrated: share={self.share} needs "
                f"{ceil(1 / self.share - 1 - 1e-9)} real dev clips of {emotion} that are heard "
                f"rightly, there are {len(real)}; give dev more speakers, or raise share"
            )
        return float(np.partition(real, place - 1)[place - 1])


_ENOUGH = 20


def carried(pool: Pool) -> Floats:
    """Probability of the carried label, float32 [n]."""
    return pool.probabilities[np.arange(len(pool)), pool.emotions]


def heard_as_labelled(pool: Pool) -> Mask:
    """Whether the carried label has the highest probability, bool [n]."""
    return np.asarray(pool.probabilities.argmax(1) == pool.emotions)


def hears_another(material: Material, row: int, who: str) -> str:
    """The sentence for a candidate that is heard as another class."""
    pool, classes = material.candidates, material.scheme.classes
    heard = pool.probabilities[row]
    c = pool.emotions[row]
    return (
        f"{who} hears {classes[heard.argmax()]} ({heard.max():.2f}), "
        f"not {classes[c]} ({heard[c]:.2f})"
    )


def conformal_place(count: int, alpha: float) -> int:
    """⌈(count+1)(1−alpha)⌉, safe from rounding errors."""
    return ceil((count + 1) * (1 - alpha) - 1e-9)


def _tempered(probabilities: Floats, temperature: npt.ArrayLike) -> Floats:
    """p^(1/T), normalised; [n, classes]."""
    tiny = np.finfo(np.float32).tiny
    logits = np.log(np.maximum(probabilities, tiny)) / np.asarray(temperature, np.float32)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def _temperature(probabilities: Floats, target: float) -> float:
    """The T in [1/16, 16] at which the highest probability is `target` in the mean."""
    low, high = -4.0, 4.0
    for _ in range(30):
        middle = (low + high) / 2
        if _tempered(probabilities, 2**middle).max(1).mean(dtype=np.float64) > target:
            low = middle
        else:
            high = middle
    return float(2 ** ((low + high) / 2))
