"""Running the cells of an evaluation: in processes, each kept as a line of a file when done."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from emoforge.component import digest
from emoforge.errors import ConfigError
from emoforge.pool import process_pool
from emoforge.progress import Progress
from emoforge.selection.arms import Cell, Design, Trial, run_cell

_VERSION = 1
"""Raised whenever the same clips would give other cells."""

Place = tuple[int | None, int]
"""n and seed of a cell."""


def run_cells(
    trial: Trial,
    design: Design,
    sizes: Sequence[int | None],
    seeds: int,
    basis: Mapping[str, Any],
    file: Path,
    jobs: int | None,
    progress: Progress,
) -> list[Cell]:
    """The cells of all sizes and seeds, those that `file` (JSON lines) has read from there.

    basis: what the trial's arrays come from, as plain JSON values.
    jobs: processes; None: one a core; 0: all in this process.
    """
    key = digest(
        _VERSION,
        basis,
        [design.selector.signature(), list(design.budgets), repr(design.recipe)],
        _content(trial),
    )
    wanted: list[Place] = list(product(sizes, range(seeds)))
    cells = {(cell.n, cell.seed): cell for cell in _done(file, key)}
    waiting = [place for place in wanted if place not in cells]
    with progress.stage("arms", len(waiting)) as advance:
        for cell in _cells(trial, design, waiting, jobs):
            cells[cell.n, cell.seed] = cell
            try:
                with file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps({"key": key, **cell.to_dict()}) + "\n")
            except OSError as error:
                raise ConfigError(f"{file}: cannot be written ({error.strerror})") from error
            advance(1)
    return [cells[place] for place in wanted]


def _content(trial: Trial) -> str:
    """Digest of all that is learnt from and tested on: the same clips may get other labels."""
    own, found = trial.material, hashlib.blake2b(digest_size=16)
    for pool in (own.candidates, own.train, own.dev, trial.test):
        found.update(digest(list(pool.ids), sorted(pool.references.items())).encode())
        for array in (
            pool.targets, pool.probabilities, pool.members, pool.embeddings, pool.generators,
            pool.parents, pool.voices,
        ):  # fmt: skip
            found.update(np.ascontiguousarray(array).data)
    for learnt in (trial.train, trial.candidates):
        found.update(np.ascontiguousarray(learnt).data)
    return found.hexdigest()


def _done(file: Path, key: str) -> Iterator[Cell]:
    if not file.exists():
        return
    for line in file.read_text("utf-8").splitlines():
        with suppress(ValueError, KeyError, TypeError):  # a line that a kill cut short
            plain = json.loads(line)
            if plain["key"] == key:
                yield Cell.from_dict(plain)


def _cells(
    trial: Trial, design: Design, places: Sequence[Place], jobs: int | None
) -> Iterator[Cell]:
    jobs = len(os.sched_getaffinity(0)) if jobs is None else jobs
    if not jobs or not places:
        yield from (run_cell(trial, design, *place) for place in places)
        return
    pool = process_pool(min(jobs, len(places)), _set_up, trial, design)
    try:
        futures = [pool.submit(_run, *place) for place in places]
        yield from (future.result() for future in as_completed(futures))
    finally:
        pool.shutdown(cancel_futures=True)


_work: Callable[..., Cell]


def _set_up(trial: Trial, design: Design) -> None:
    """Keep in a worker what all its cells share: it is sent once."""
    global _work

    def work(n: int | None, seed: int) -> Cell:
        return run_cell(trial, design, n, seed)

    _work = work


def _run(n: int | None, seed: int) -> Cell:
    return _work(n, seed)
