"""Making what is planned, and drawing anew what was not good enough."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from emoforge.augment.assess import gate_candidates
from emoforge.augment.generate import SETUP, generate
from emoforge.augment.planner import Planned, Slot, plan_candidates
from emoforge.cast import Cast
from emoforge.licence import Use
from emoforge.progress import Progress
from emoforge.selection import Gate
from emoforge.workspace import Workspace


@dataclass(frozen=True)
class Making:
    """How candidates are made.

    retries: how often one that failed or that a gate rejected is drawn anew, with the next
    numbers of its random generator; every attempt is a candidate of its own, with its outcome
    and verdict. seed, use: as they were planned with. workers, max_failures, retry_failed: see
    `generate`.
    """

    gates: Sequence[Gate]
    seed: int
    use: Use
    retries: int
    workers: int
    max_failures: float
    retry_failed: bool


@dataclass(frozen=True)
class Filled:
    """What became of the candidates that were asked for.

    asked: how many; by_attempt: how many were good at the first attempt, the second, …; empty:
    generator → emotion → those of which no attempt was.
    """

    asked: int
    by_attempt: Sequence[int]
    empty: Mapping[str, Mapping[str, int]]


def make(
    workspace: Workspace, planned: Planned, how: Making, cast: Cast, progress: Progress
) -> tuple[str, Filled]:
    """Make what is pending of the planned candidates and gate it; the gates' key, and what for.

    Raises RunStoppedError as `generate` does.
    """
    asked = len(planned.candidates)
    by_attempt = []
    empty: Counter[tuple[str, str]] = Counter()
    for attempt in range(1 + how.retries):
        generate(
            workspace,
            {slot.generator.name: slot.generator for slot in planned.candidates.values()},
            planned.candidates.keys(),
            how.gates,
            workers=how.workers,
            # What failed at first was allowed: another attempt is no further failure.
            max_failures=math.inf if attempt else how.max_failures,
            retry_failed=how.retry_failed,
            progress=progress,
        )
        key = gate_candidates(workspace, how.gates, progress, how.workers)
        bad = workspace.not_good(key) & planned.candidates.keys()
        by_attempt.append(len(planned.candidates) - len(bad))
        again = bad - workspace.broken(SETUP) if attempt < how.retries else set()
        empty.update(_what(planned.candidates[one]) for one in bad - again)
        if not again:
            break
        slots = [replace(planned.candidates[one], attempt=attempt + 1) for one in sorted(again)]
        planned = plan_candidates(
            workspace, slots, len(slots), how.seed, progress, cast=cast, use=how.use
        )
        found = {(slot.clip.id, slot.copy) for slot in planned.candidates.values()}
        empty.update(_what(slot) for slot in slots if (slot.clip.id, slot.copy) not in found)
    nested: dict[str, dict[str, int]] = {}
    for (generator, emotion), count in sorted(empty.items()):
        nested.setdefault(generator, {})[emotion] = count
    return key, Filled(asked, by_attempt, nested)


def _what(slot: Slot) -> tuple[str, str]:
    return slot.generator.name, slot.clip.emotion
