"""The threshold above which few candidates are wrong, proven by a random sample that people heard.

Learn then Test (A. Angelopoulos et al., arXiv 2110.01052): each threshold λ gives the hypothesis
"more than a share α of the candidates with a probability of λ or more is wrong", an exact p-value
for it, and a procedure that wrongly rejects any of them with probability δ at most. What is
rejected is proven.

The p-value. The sample is drawn without replacement, and a simple random sample stays one among
the candidates above a threshold that was fixed before. So the number of wrong ones heard there is
hypergeometric, and P(at most that many | the fewest wrong ones that break α) is exact at any
sample size. For a large population it becomes the binomial tail, which is never smaller where it
matters.

The procedure. The thresholds depend on the scores of the whole population and on the sample's
size, both known before anybody listens; on which clips were drawn they must not depend, or the
sample above them would be no random one. Half of δ goes to the whole population, the other half
to a fixed sequence from a strict threshold to the loosest, which ends at the first one that is
not rejected. A sample that is too small for that has one test, with all of δ: the whole.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoforge.label import FULL, Label, Scheme

_BEARABLE = 2
"""Mistakes that the audited clips above the strictest threshold must be able to bear."""
_LEVELS = 20


@dataclass(frozen=True, slots=True)
class Certified:
    """What is proven of one stratum.

    threshold: candidates of this probability or more are proven to have a share of at most α
        wrong ones; None: nothing is proven.
    population, kept: candidates of the stratum, and those from the threshold on.
    audited, errors: clips of the sample from the threshold on, and the wrong ones among them; of
        the whole sample where nothing is proven.
    bound: upper confidence limit of the share of wrong ones there, as if there had been that one
        threshold. It is for information; what holds over all thresholds is α.
    """

    threshold: float | None
    population: int
    kept: int
    audited: int
    errors: int
    bound: float


def is_wrong(votes: Iterable[str], emotion: str, scheme: Scheme) -> bool:
    """Whether raters do not hear the emotion that a clip carries, a class of the scheme.

    votes: canonical names, one a rater. Right is what more raters hear than any other emotion; a
    tie is wrong, and so is a clip without votes.
    """
    heard = Counter(
        label.hard if (label := Label.of(vote, FULL).project(scheme)) else "" for vote in votes
    )
    return any(count >= heard[emotion] for name, count in heard.items() if name != emotion) or (
        heard[emotion] == 0
    )


def p_value(errors: int, audited: int, population: int, alpha: float) -> float:
    """P(so few wrong ones are heard | more than a share alpha of the population is wrong).

    errors: wrong ones among the audited, a simple random sample without replacement.
    """
    from scipy.stats import hypergeom

    return float(hypergeom.cdf(errors, population, fewest_that_break(population, alpha), audited))


def fewest_that_break(population: int, alpha: float) -> int:
    """The fewest wrong ones that are more than a share alpha of the population."""
    return math.floor(alpha * population + 1e-9) + 1


def upper_bound(errors: int, audited: int, population: int, delta: float) -> float:
    """Upper limit of the share of wrong ones, with confidence 1 − delta.

    Clopper–Pearson for a finite population: the largest share that p_value does not reject.
    """
    from scipy.stats import hypergeom

    low, high = errors, population - (audited - errors)
    while low < high:  # the tail falls as the population has more wrong ones
        middle = (low + high + 1) // 2
        if hypergeom.cdf(errors, population, middle, audited) > delta:
            low = middle
        else:
            high = middle - 1
    return low / population if population else 1.0


def certify(
    scores: npt.NDArray[np.float64],
    heard: npt.NDArray[np.int64],
    wrong: npt.NDArray[np.bool_],
    alpha: float,
    delta: float,
) -> Certified:
    """The loosest threshold that is proven to keep a share of at most alpha wrong ones.

    scores: [n], the probabilities of a population; heard: [m], rows of the simple random sample
    drawn from it; wrong: [m], what raters found. It fails with probability delta at most.
    """

    def counts(level: float) -> tuple[int, int, int]:
        inside = scores[heard] >= level
        audited, errors = int(inside.sum()), int((inside & wrong).sum())
        return errors, audited, int((scores >= level).sum())

    proven: float | None = None
    for levels, share in _chains(scores, len(heard), alpha, delta):
        for level in levels:
            errors, audited, population = counts(level)
            if not audited or p_value(errors, audited, population, alpha) > share:
                break
            proven = level if proven is None else min(level, proven)
    errors, audited, kept = counts(-math.inf if proven is None else proven)
    return Certified(
        proven,
        len(scores),
        0 if proven is None else kept,
        audited,
        errors,
        upper_bound(errors, audited, kept, delta),
    )


def _chains(
    scores: npt.NDArray[np.float64], size: int, alpha: float, delta: float
) -> list[tuple[list[float], float]]:
    """(thresholds in the order of their tests, the δ of these tests)."""
    if not size:
        return []
    ranked = np.sort(scores)[::-1]
    whole = [float(ranked[-1])]
    least = least_for_thresholds(len(scores), alpha, delta)
    if least is None or size <= least:
        return [(whole, delta)]
    # At least half of the sample is expected above the strictest one: fewer would prove too
    # seldom what can be proven.
    strictest = math.ceil(max(size / 2, least) * len(scores) / size)
    ranks = np.linspace(strictest, len(scores), _LEVELS).round().astype(int)
    levels = dict.fromkeys(ranked[ranks - 1].tolist())
    return [(whole, delta / 2), (list(levels), delta / 2)]


def least_for_thresholds(population: int, alpha: float, delta: float) -> int | None:
    """Above this sample size thresholds are tried; None: never."""
    return votes_needed(population, alpha, delta / 2, _BEARABLE)


def votes_needed(population: int, alpha: float, delta: float, errors: int = 0) -> int | None:
    """The smallest sample that proves the whole population with so many errors; None: none does."""
    if p_value(errors, population, population, alpha) > delta:
        return None
    low, high = max(errors, 1), population
    while low < high:
        middle = (low + high) // 2
        if p_value(errors, middle, population, alpha) <= delta:
            high = middle
        else:
            low = middle + 1
    return low
