"""Making what is planned, and drawing anew what was not good enough."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from emoforge.augment.assess import gate_candidates
from emoforge.augment.generate import SETUP, generate
from emoforge.augment.planner import Planned, plan_candidates
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


def make(
    workspace: Workspace, planned: Planned, how: Making, cast: Cast, progress: Progress
) -> str:
    """Make what is pending of the planned candidates and gate it; returns the gates' key.

    Raises RunStoppedError as `generate` does.
    """
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
        if attempt < how.retries:
            bad = workspace.not_good(key, SETUP) & planned.candidates.keys()
            slots = [
                replace(planned.candidates[candidate], attempt=attempt + 1)
                for candidate in sorted(bad)
            ]
            if not slots:
                break
            planned = plan_candidates(
                workspace, slots, len(slots), how.seed, progress, cast=cast, use=how.use
            )
    return key
