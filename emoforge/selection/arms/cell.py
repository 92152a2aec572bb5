"""One draw of real clips: heads of all arms learn from it, and are tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from emoforge.component import rng_for
from emoforge.errors import ConfigError
from emoforge.selection.arms.trial import Trial
from emoforge.selection.judges import HeadRecipe, confusion
from emoforge.selection.pool import Mask, Pool
from emoforge.selection.selectors import Bootstrap, Policy, Selector

Arm = Literal["real", "random", "selected", "all"]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """What is compared.

    selector: its own budget is the one that the verdict is about.
    budgets: k as multiples of the real training clips, rising, the selector's own among them.
    """

    selector: Selector
    budgets: Sequence[float]
    recipe: HeadRecipe

    @classmethod
    def of(cls, selector: Selector, budgets: Sequence[float], recipe: HeadRecipe) -> Self:
        """The design with the selector's own budget among the budgets."""
        if not all(0 < budget < float("inf") for budget in budgets):
            raise ConfigError(f"budgets={list(budgets)}: each must be above 0")
        return cls(selector, sorted({*budgets, own_budget(selector)}), recipe)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What one head heard.

    budget: None for arms that have none. added: generated clips of each class that it learnt
    from. counts: int64 [speakers, true, heard] of the test clips.
    """

    arm: Arm
    budget: float | None
    added: Sequence[int]
    counts: Counts


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """All arms on one draw of real clips. n: clips of each class, None: all; real: how many."""

    n: int | None
    seed: int
    real: Sequence[int]
    results: Sequence[Result]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        results = [
            {"arm": r.arm, "budget": r.budget, "added": r.added, "counts": r.counts.tolist()}
            for r in self.results
        ]
        return {"n": self.n, "seed": self.seed, "real": self.real, "results": results}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave."""
        results = [
            Result(r["arm"], r["budget"], r["added"], np.array(r["counts"], np.int64))
            for r in plain["results"]
        ]
        return cls(plain["n"], plain["seed"], plain["real"], results)


def own_budget(selector: Selector) -> float:
    """How many candidates a selector keeps at most, as a multiple of the real training clips.

    Raises ConfigError for a selector that has no such option.
    """
    options = selector.options()
    found = options.get("budget", options.get("policy", {}).get("budget"))
    if not isinstance(selector, Policy | Bootstrap) or found is None:
        raise ConfigError(
            f"selector {selector.name}: it has no budget, so that no arm of k random candidates "
            "can stand beside it; take topk or bootstrap"
        )
    return float(found)


def _with_budget(selector: Selector, budget: float) -> Selector:
    if isinstance(selector, Bootstrap):
        return replace(selector, policy={**selector.policy, "budget": budget})
    assert isinstance(selector, Policy)
    return replace(selector, budget=budget)


def run_cell(trial: Trial, design: Design, n: int | None, seed: int) -> Cell:
    """Train the same head on each arm's clips and test it; deterministic.

    Arms: `real`: the real clips alone; `selected`: and what the selector keeps, at each budget;
    `random`: and as many candidates of each class, drawn by the seed; `all`: and all candidates.
    Candidates of emotions that no real training clip has are left out of all arms, and so are
    test clips of such emotions.
    """
    few = trial.few(n, seed)
    material, pool = few.material, few.material.candidates
    classes = len(material.scheme.classes)
    usable = np.isin(pool.emotions, few.emotions)
    lots = rng_for("arms", "random", seed).permutation(len(pool))
    test = few.test.take(np.isin(few.test.emotions, few.emotions))
    heard: dict[bytes, Counts] = {}

    def tested(arm: Arm, budget: float | None, added: Mask) -> Result:
        key = added.tobytes()
        if key not in heard:  # the same clips teach the same
            predicted = _learnt(few, added, design.recipe, seed, test.embeddings)
            heard[key] = _by_speaker(test, predicted, classes)
        return Result(arm, budget, pool.take(added).counts(classes).tolist(), heard[key])

    results = [tested("real", None, np.zeros(len(pool), bool))]
    for budget in design.budgets:
        kept = _with_budget(design.selector, budget).select(material, seed=seed).keep & usable
        drawn = np.zeros(len(pool), bool)
        for c, count in enumerate(pool.take(kept).counts(classes).tolist()):
            drawn[lots[pool.emotions[lots] == c][:count]] = True
        results += [tested("random", budget, drawn), tested("selected", budget, kept)]
    results.append(tested("all", None, usable))
    return Cell(n, seed, material.train.counts(classes).tolist(), results)


def judge_alone(trial: Trial) -> Counts:
    """What the judge itself hears in the test clips, [speakers, true, heard].

    It learnt from other speech than the arms; what it selects hands its knowledge on.
    """
    test = trial.test.take(np.isin(trial.test.emotions, trial.emotions))
    heard = np.asarray(test.probabilities.argmax(1))
    return _by_speaker(test, heard, len(trial.material.scheme.classes))


def _by_speaker(test: Pool, heard: npt.NDArray[np.int64], classes: int) -> Counts:
    names, speakers = np.unique(test.voices, return_inverse=True)
    return np.stack(
        [
            confusion(test.emotions[mine], heard[mine], classes)
            for mine in np.arange(len(names))[:, None] == speakers
        ]
    )


def _learnt(
    few: Trial, added: Mask, recipe: HeadRecipe, seed: int, embeddings: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Classes that a head hears, having learnt from the real clips and from those added."""
    from emoforge.selection.judges import fit_head

    head = fit_head(
        np.concatenate([few.train, few.candidates[added]]),
        np.concatenate([few.material.train.targets, few.material.candidates.targets[added]]),
        few.material.scheme,
        recipe,
        seed=seed,
        partial=True,
    )
    return np.asarray(head.probabilities(embeddings).argmax(1))
