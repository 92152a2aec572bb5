"""Planning: which candidates will be made from which clips. Pure, cheap, free of models."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Generator, Plan, digest, rng_for
from emoforge.errors import SkipClip
from emoforge.licence import Use, forbidden
from emoforge.progress import Progress
from emoforge.workspace import Workspace

_BATCH = 2000


@dataclass(frozen=True)
class Recipe:
    """A generator with its options, and how many candidates it makes of each clip."""

    generator: Generator
    copies: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One candidate that is asked for: the clip (or line) with its number, and which attempt.

    copy tells the candidates of one clip apart; attempt is 0, or counts the retries of one that
    was not good enough.
    """

    generator: Generator
    clip: Clip
    copy: int = 0
    attempt: int = 0


@dataclass(frozen=True)
class Planned:
    """One planning pass.

    candidates: ids of all that it asks for, with the slot that each fills (the first of several
    that ask for the same). By generator: new, known: plans added now and before; skipped: clips
    that the generator declines; reasons: (generator, sentence) → how often it was given now.
    """

    candidates: dict[str, Slot] = field(default_factory=dict)
    new: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of(self, generator: str) -> set[str]:
        """Ids of one generator's candidates."""
        return {c for c, slot in self.candidates.items() if slot.generator.name == generator}


def slots_of(recipes: Iterable[Recipe], clips: Sequence[Clip]) -> Iterable[Slot]:
    """So many copies of every clip, recipe by recipe."""
    for recipe in recipes:
        for clip in clips:
            for copy in range(recipe.copies):
                yield Slot(recipe.generator, clip, copy)


def plan_candidates(
    workspace: Workspace,
    slots: Iterable[Slot],
    total: int,
    seed: int,
    progress: Progress,
    *,
    cast: Cast | None = None,
    use: Use = "any",
) -> Planned:
    """Add the plan of every candidate that was not planned before; total: number of slots.

    Each (clip, generator with its options, seed, copy, attempt) is planned once; running it again
    is a look-up. Two clips of the same content can give the same candidate: it is made once.

    cast: voices that generators may be given. use: what the set is made for; what a licence
    forbids is skipped.
    """
    seen: Mapping[str, str | None] = workspace.planned()
    signatures: dict[str, str] = {}
    weights: dict[str, str] = {}
    voices = cast or Cast({})
    planned = Planned()
    batch: list[tuple[str, str, str, int, Plan | str]] = []
    with progress.stage("plan", total) as advance:
        for slot in slots:
            name = slot.generator.name
            if name not in signatures:
                weights[name] = slot.generator.weights
                signatures[name] = digest(slot.generator.signature(), use)
            key = _key(slot, signatures[name], seed)
            if key in seen:
                planned.known[name] += 1
                if (candidate := seen[key]) is None:
                    planned.skipped[name] += 1
                else:
                    planned.candidates.setdefault(candidate, slot)
                continue
            plan = _plan(slot, seed, voices, use, weights[name])
            batch.append((key, name, slot.clip.id, slot.attempt, plan))
            if isinstance(plan, Plan):
                planned.new[name] += 1
                planned.candidates.setdefault(plan.id, slot)
            else:
                planned.skipped[name] += 1
                planned.reasons[name, plan] += 1
            if len(batch) == _BATCH:
                workspace.add_plans(batch)
                advance(len(batch))
                batch = []
        workspace.add_plans(batch)
        advance(len(batch) + planned.known.total())
    return planned


def _plan(slot: Slot, seed: int, cast: Cast, use: Use, weights: str) -> Plan | str:
    generator, clip = slot.generator, slot.clip
    retry = (slot.attempt,) if slot.attempt else ()
    rng = rng_for(seed, clip.id, generator.name, slot.copy, *retry)
    try:
        if not clip.references and (references := generator.references(clip, cast, rng)):
            clip = replace(clip, references=references)
        params = generator.plan(clip, rng)
    except SkipClip as reason:
        return str(reason)
    for terms in (clip.licence, *(one.licence for one in clip.references)):
        if why := forbidden(terms, use, changed=True):
            return why
    if why := forbidden(generator.licence(params), use):
        return why
    return generator.planned(clip, params, weights)


def _key(slot: Slot, signature: str, seed: int) -> str:
    clip = slot.clip
    others = " ".join(reference.id for reference in clip.references)
    text = (
        f"{clip.id}\0{clip.digest}\0{clip.text}\0{clip.language}\0{clip.emotion}\0{others}\0"
        f"{signature}\0{seed}\0{slot.copy}\0{slot.attempt}"
    )
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
