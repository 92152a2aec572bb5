"""Planning: which candidates will be made from which clips. Pure, cheap, free of models."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from emoforge.clip import Clip
from emoforge.component import Generator, Plan, digest, rng_for
from emoforge.errors import SkipClip
from emoforge.progress import Progress
from emoforge.workspace import Workspace

_BATCH = 2000


@dataclass(frozen=True)
class Recipe:
    """A generator with its options, and how many candidates it makes of each clip."""

    generator: Generator
    copies: int


@dataclass(frozen=True)
class Planned:
    """One planning pass, by generator.

    candidates: ids of all that it asks for; new, known: plans added now and before;
    skipped: clips that the generator declines.
    """

    candidates: dict[str, set[str]]
    new: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


def plan_candidates(
    workspace: Workspace,
    clips: Sequence[Clip],
    recipes: Iterable[Recipe],
    seed: int,
    progress: Progress,
) -> Planned:
    """Add the plan of every candidate that was not planned before.

    Each (clip, generator with its options, seed, copy) is planned once; running it again is a
    look-up. Two clips of the same content can give the same candidate: it is made once.
    """
    recipes = list(recipes)
    seen = workspace.planned()
    candidates: dict[str, set[str]] = {recipe.generator.name: set() for recipe in recipes}
    new: Counter[str] = Counter()
    known: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    batch: list[tuple[str, str, str, Plan | str]] = []
    total = len(clips) * sum(recipe.copies for recipe in recipes)
    with progress.stage("plan", total) as advance:
        for recipe in recipes:
            generator = recipe.generator
            signature = digest(generator.signature())
            for clip in clips:
                for copy in range(recipe.copies):
                    key = _key(clip, signature, seed, copy)
                    if key in seen:
                        known[generator.name] += 1
                        if (candidate := seen[key]) is None:
                            skipped[generator.name] += 1
                        else:
                            candidates[generator.name].add(candidate)
                        continue
                    plan = _plan(generator, clip, seed, copy)
                    batch.append((key, generator.name, clip.id, plan))
                    if isinstance(plan, Plan):
                        new[generator.name] += 1
                        candidates[generator.name].add(plan.id)
                    else:
                        skipped[generator.name] += 1
                    if len(batch) == _BATCH:
                        workspace.add_plans(batch)
                        advance(len(batch))
                        batch = []
        workspace.add_plans(batch)
        advance(len(batch) + known.total())
    return Planned(candidates, new, known, skipped)


def _plan(generator: Generator, clip: Clip, seed: int, copy: int) -> Plan | str:
    try:
        params = generator.plan(clip, rng_for(seed, clip.id, generator.name, copy))
    except SkipClip as reason:
        return str(reason)
    return generator.planned(clip, params)


def _key(clip: Clip, signature: str, seed: int, copy: int) -> str:
    text = f"{clip.id}\0{clip.digest}\0{signature}\0{seed}\0{copy}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
