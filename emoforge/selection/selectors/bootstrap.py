"""Bootstrapping: a head learns from what it chose, and chooses again."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.component import create
from emoforge.errors import ConfigError
from emoforge.selection.judges import HeadRecipe, confusion, macro_f1, uar
from emoforge.selection.pool import Mask, Material, Pool
from emoforge.selection.selectors.policies import TopK
from emoforge.selection.selectors.policy import WORDS, Policy, Support
from emoforge.selection.selectors.selector import Choice, Round, Selector

if TYPE_CHECKING:
    from emoforge.selection.judges import Head

_FOLDS = 5


@dataclass(frozen=True)
class Bootstrap(Selector):
    """Choose with a head that is trained on real clips and on what was chosen the round before.

    Round t scores every candidate with the head of round t−1, which was trained on the real
    training clips and on the candidates kept in round t−1 (in round 0: on real clips only),
    applies the policy to these scores, and trains a new head from scratch on what it keeps
    (arXiv 2409.10985). What is kept in the end is the choice of the round whose head has the
    best macro-F1 on the real dev clips; after `patience` rounds that are no better, or when a
    round keeps what the one before it kept, it stops. Candidates teach their whole label
    distribution. Every round's head starts from the same weights, so that rounds differ by what
    they learn from alone.

    Without dev clips the training clips are dealt into up to five folds by speaker; each fold is
    heard by a head that learnt nothing of its speakers, nor of candidates made from their clips.

    policy: options of the policy, with `name`; it sees the head's probabilities.
    rounds: at most. patience: None: all rounds are run, and the last one's choice is taken.
    judge: the judge must hear the carried label too, as what is most probable. The head knows the
        speech that the candidates are for, but it learns from its own choices, and may come to
        believe in its mistakes; the judge stays as it is. Without it the method is the paper's,
        which keeps more, and more that is wrong where the judge is worth something.
    head: how heads are trained; they know the run's scheme, whatever `schemes` says.

    Every round's log: `dev`: macro_f1, uar, clips, and how it was measured (dev, folds, none);
    `learnt`: real and kept clips that this round's head was trained on; `kept` by class and by
    generator, `wanted` (k per class), `reasons`, `added` and `dropped` against the round before;
    `best`: the best round so far; `stopped`: why it was the last one, or "". Round 0 is the head
    that learnt from real clips only, and keeps nothing.
    """

    name: ClassVar[str] = "bootstrap"
    version: ClassVar[int] = 1

    policy: Mapping[str, Any] = field(default_factory=lambda: {"name": "topk"})
    rounds: int = 10
    patience: int | None = 2
    judge: bool = True
    head: HeadRecipe = field(default_factory=HeadRecipe)

    def __post_init__(self) -> None:
        self._policy()
        if self.rounds < 1:
            raise ConfigError(f"selector bootstrap: rounds={self.rounds} must be 1 or more")
        if self.patience is not None and self.patience < 1:
            raise ConfigError(
                f"selector bootstrap: patience={self.patience} must be 1 or more, or null"
            )

    def options(self) -> dict[str, Any]:
        """Its options, with the policy's version and defaults."""
        return {
            **super().options(),
            "policy": self._policy().signature(),
            "head": dataclasses.asdict(self.head),
        }

    def _policy(self) -> Policy:
        own = dict(self.policy)
        found = create("selector", str(own.pop("name", "")), own)
        if not isinstance(found, Policy):
            raise ConfigError(
                f"selector bootstrap: policy.name={found.name} works in rounds itself; "
                "name a policy, such as topk"
            )
        return found

    def select(
        self,
        material: Material,
        *,
        seed: int = 0,
        done: Sequence[Round] = (),
        note: Callable[[Round], None] = lambda _: None,
    ) -> Choice:
        policy = self._policy()
        if len(material.candidates) == 0:
            nothing = np.zeros(0, np.float32)
            nobody = Support(nothing.astype(np.int8), nothing, lambda _: "")
            return policy.choose(material, [nobody])
        present = np.count_nonzero(material.train.counts(len(material.scheme.classes)))
        if present < 2:
            raise ConfigError(
                "selector bootstrap: its head learns from real training clips of two emotions or "
                f"more, there are {len(material.train)} clips of {present}; "
                "take the selector topk, which needs none"
            )
        training = _Training(material, self.head, seed, measured=self.patience is not None)
        supports = [TopK(threshold=0).support(material, "the judge")] if self.judge else []
        logs = [found.log for found in done]
        keep = done[-1].keep if done else np.zeros(len(material.candidates), bool)
        choices: dict[int, Choice] = {}

        def choose(number: int, kept_before: Mask) -> Choice:
            heard = training.hear(kept_before)
            support = policy.support(heard, f"the head of round {number - 1}")
            return policy.choose(heard, [*supports, support])

        if not done:
            logs.append({**training.account(keep), "best": 0, "stopped": ""})
            note(Round(0, keep, logs[0]))
        keeps = [found.keep for found in done] or [keep]
        while not logs[-1]["stopped"]:
            number = len(logs)
            choice = choose(number, keep)
            before, keep = keep, choice.keep
            log = {
                **training.account(keep),
                **_account(material, choice, policy.quotas(material)),
                "added": int(np.count_nonzero(keep & ~before)),
                "dropped": int(np.count_nonzero(before & ~keep)),
            }
            best = self._best([*logs, log])
            stopped = self._stopped(number, best, settled=bool((keep == before).all()))
            choices = {n: c for n, c in [*choices.items(), (number, choice)] if n in (best, number)}
            logs.append({**log, "best": best, "stopped": stopped})
            keeps.append(keep)
            note(Round(number, keep, logs[-1]))
        best = logs[-1]["best"]
        return choices[best] if best in choices else choose(best, keeps[best - 1])

    def _best(self, logs: Sequence[Mapping[str, Any]]) -> int:
        """The round whose choice taught best; of equals the first."""
        if self.patience is None:
            return len(logs) - 1
        return 1 + int(np.argmax([log["dev"]["macro_f1"] for log in logs[1:]]))

    def _stopped(self, number: int, best: int, *, settled: bool) -> str:
        if settled:
            return "settled"
        if self.patience is not None and number - best >= self.patience:
            return "patience"
        return "rounds" if number == self.rounds else ""


class _Training:
    """Trains heads on real clips and kept candidates, and measures what they learnt."""

    def __init__(
        self, material: Material, recipe: HeadRecipe, seed: int, *, measured: bool
    ) -> None:
        """measured: its heads are measured on speakers that they did not learn from."""
        self._material = material
        self._recipe = recipe
        self._seed = seed
        self._latest: tuple[bytes, Head] | None = None
        self._folds: list[tuple[Mask, Mask]] = []
        if measured and len(material.dev) == 0:
            self._folds = list(_folds(material))

    def account(self, keep: Mask) -> dict[str, Any]:
        """What heads that learn from real and kept clips learn from, and how well they do."""
        learnt = {"real": len(self._material.train), "kept": int(np.count_nonzero(keep))}
        return {"dev": self._measure(keep), "learnt": learnt}

    def hear(self, keep: Mask) -> Material:
        """The material with the probabilities of a head that learnt from real and kept clips.

        The head is one more member of the judge's ensemble.
        """
        head, material = self._head(keep), self._material

        def heard(pool: Pool) -> Pool:
            probabilities = head.probabilities(pool.embeddings)
            members = np.concatenate([probabilities[None], pool.members])
            return dataclasses.replace(pool, probabilities=probabilities, members=members)

        return dataclasses.replace(
            material, candidates=heard(material.candidates), dev=heard(material.dev)
        )

    def _measure(self, keep: Mask) -> dict[str, Any]:
        """How well these heads hear real clips of other speakers."""
        material = self._material
        if len(material.dev):
            labels = material.dev.emotions
            predicted = self._head(keep).probabilities(material.dev.embeddings).argmax(1)
        elif self._folds:
            labels = material.train.emotions
            predicted = np.zeros(len(labels), np.int64)
            for held, usable in self._folds:
                head = self._fit(~held, keep & usable)
                predicted[held] = head.probabilities(material.train.embeddings[held]).argmax(1)
        else:
            return {"by": "none"}
        counts = confusion(labels, predicted, len(material.scheme.classes))
        return {
            "by": "folds" if self._folds else "dev",
            "clips": len(labels),
            "macro_f1": float(macro_f1(counts)),
            "uar": float(uar(counts)),
        }

    def _head(self, keep: Mask) -> "Head":
        # What a round's head is measured on, the next round chooses with.
        key = keep.tobytes()
        if self._latest is None or self._latest[0] != key:
            self._latest = key, self._fit(np.ones(len(self._material.train), bool), keep)
        return self._latest[1]

    def _fit(self, real: Mask, kept: Mask) -> "Head":
        from emoforge.selection.judges import fit_head

        train, candidates = self._material.train, self._material.candidates
        return fit_head(
            np.concatenate([train.embeddings[real], candidates.embeddings[kept]]),
            np.concatenate([train.targets[real], candidates.targets[kept]]),
            self._material.scheme,
            self._recipe,
            seed=self._seed,
            partial=True,
        )


def _folds(material: Material) -> Iterator[tuple[Mask, Mask]]:
    """(training clips held out, candidates that have nothing of their speakers) of each fold."""
    train, candidates = material.train, material.candidates
    names, speakers = np.unique(train.voices, return_inverse=True)
    if len(names) < 2:
        raise ConfigError(
            "selector bootstrap: there are no real dev clips, and the training clips are of one "
            "speaker, so nothing shows when to stop; give dev a speaker, or set patience=null "
            "to run all rounds"
        )
    place = {clip: row for row, clip in enumerate(train.ids)}
    parents = np.array([place.get(str(parent), -1) for parent in candidates.parents])
    # The largest first, each to the emptiest fold.
    sizes = np.bincount(speakers)
    fold_of = np.zeros(len(names), np.int64)
    filled = np.zeros(min(_FOLDS, len(names)), np.int64)
    for speaker in np.argsort(-sizes, kind="stable"):
        fold_of[speaker] = filled.argmin()
        filled[fold_of[speaker]] += sizes[speaker]
    for fold in range(len(filled)):
        held = fold_of[speakers] == fold
        related = np.isin(candidates.voices, names[fold_of == fold])
        related |= np.append(held, False)[parents]
        yield held, ~related


def _account(material: Material, choice: Choice, wanted: npt.NDArray[np.int64]) -> dict[str, Any]:
    classes, pool = material.scheme.classes, material.candidates
    kept = np.bincount(pool.emotions[choice.keep], minlength=len(classes))
    generators, made = np.unique(pool.generators, return_inverse=True)
    by_generator = np.bincount(made[choice.keep], minlength=len(generators))
    reasons = np.bincount(choice.reasons, minlength=len(WORDS))
    return {
        "kept": {
            "by_class": dict(zip(classes, kept.tolist(), strict=True)),
            "by_generator": dict(zip(generators.tolist(), by_generator.tolist(), strict=True)),
        },
        "wanted": dict(zip(classes, wanted.tolist(), strict=True)),
        "reasons": {word: int(n) for word, n in zip(WORDS, reasons, strict=True) if n},
    }
