"""What a run would make and what it would cost, without making it."""

import dataclasses
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoforge.augment.job import AugmentConfig, Parts
from emoforge.augment.pipeline import cast_of, check_run, import_sources, plan_sources
from emoforge.component import Generator
from emoforge.errors import ConfigError
from emoforge.progress import Progress
from emoforge.workspace import CATALOGUE, Workspace

_TRIED = 3
"""Candidates that a dry run really makes a generator, to know what one costs."""

_FLAC_BYTES_PER_S = 13_000
"""16-bit FLAC of speech at 16 kHz: the mean of 141 minutes of real corpora was 13,100."""


@dataclass(frozen=True)
class Cost:
    """What a generator would have to do, by a dry run.

    pending: candidates to make; done: those with an outcome, whatever it is; skipped: clips that
    the generator declined.
    audio_s: promised seconds of audio of the pending candidates; cpu_s: estimated from making a
    few of them, on one core; None where none could be made, with the reason in `note`.
    """

    generator: str
    pending: int
    done: int
    skipped: int
    audio_s: float
    cpu_s: float | None
    megabytes: float
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return dataclasses.asdict(self)


def dry_run(
    config: AugmentConfig, *, retry_failed: bool = False, progress: Progress | None = None
) -> list[Cost]:
    """What `augment` would make and what it would cost; the workspace is left as it is.

    Plans on a copy of the catalogue and makes a few candidates of each generator.
    """
    if "://" in config.workspace:
        raise ConfigError(
            "a dry run plans on a copy of the catalogue, and copies no database; "
            "try it with workspace=FOLDER"
        )
    progress = progress or Progress()
    parts = Parts.of(config)
    with tempfile.TemporaryDirectory() as folder:
        before = Path(config.workspace) / CATALOGUE
        if before.exists():
            Workspace.open(config.workspace).close()  # says what is wrong with it
            with (
                closing(sqlite3.connect(before)) as source,
                closing(sqlite3.connect(Path(folder) / CATALOGUE)) as copy,
            ):
                source.backup(copy)
        with Workspace.open(folder, write=True) as workspace:
            check_run(workspace, config)
            imported = import_sources(workspace, config, progress)
            cast = cast_of(workspace, parts, imported, progress)
            planned = plan_sources(workspace, config, parts, imported, cast, progress)
            costs = []
            for recipe in parts.recipes:
                name = recipe.generator.name
                among = planned.of(name)
                waiting = workspace.pending([name], among=among)
                pending = workspace.pending([name], among=among, retry_failed=retry_failed)
                done = len(among) - len(waiting)
                costs.append(
                    _cost(workspace, recipe.generator, pending, done, planned.skipped[name])
                )
            return costs


def _cost(
    workspace: Workspace,
    generator: Generator,
    pending: Sequence[tuple[str, str, float]],
    done: int,
    skipped: int,
) -> Cost:
    seconds = sum(duration for _, _, duration in pending)
    spread = pending[:: max(1, len(pending) // _TRIED)][:_TRIED]
    plans = workspace.plans([candidate for candidate, _, _ in spread])
    made_s = spent_s = 0.0
    note = ""
    if plans:
        generator.setup()
    for plan in plans.values():
        clip = workspace.source(plan)
        began = time.process_time()
        outcome = generator.apply_batch([clip], [plan.params])[0]
        if outcome.audio is None:
            note = outcome.detail
        else:
            spent_s += time.process_time() - began
            made_s += plan.promise.duration
    return Cost(
        generator.name,
        len(pending),
        done,
        skipped,
        seconds,
        spent_s / made_s * seconds if made_s else (0.0 if not pending else None),
        seconds * _FLAC_BYTES_PER_S / 1e6,
        note,
    )
