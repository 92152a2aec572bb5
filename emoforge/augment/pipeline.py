"""The main job: corpus → plan → generate → gate → judge → select → export → report."""

import dataclasses
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any, Literal, cast

from emoforge.augment.assess import gate_candidates, judge_clips, select_candidates
from emoforge.augment.corpora import CorpusConfig, read_corpus
from emoforge.augment.export import Exported, Exporter
from emoforge.augment.generate import generate
from emoforge.augment.importing import Imported, import_corpus
from emoforge.augment.inspection import Inspection, inspect_workspace
from emoforge.augment.planner import Planned, Recipe, plan_candidates
from emoforge.augment.report import write_report
from emoforge.clip import SPLITS, Clip
from emoforge.component import Generator, create
from emoforge.config import plain
from emoforge.errors import ConfigError, WorkspaceError, nearest
from emoforge.label import scheme as scheme_named
from emoforge.progress import Progress
from emoforge.selection import Gate, Judge, Selector
from emoforge.workspace import CATALOGUE, Workspace

_PACKAGES = (
    "emoforge",
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
    "pyworld",
    "espeakng-loader",
)
_TRIED = 3
"""Candidates that a dry run really makes a generator, to know what one costs."""

_FLAC_BYTES_PER_S = 20_000
"""16-bit FLAC of speech at 16 kHz: the mean over the 141 minutes of real corpora tested with."""


@dataclass(frozen=True)
class RunnerConfig:
    """workers: processes that generate; None: one a core; 0: all in this process."""

    name: Literal["local"] = "local"
    workers: int | None = None


@dataclass(frozen=True)
class AugmentConfig:
    """What `configs/augment.yaml` and its groups say; see the comments there.

    generators: name → options, with `copies`: candidates a clip.
    gates: name → options. judge, selector: options, with `name`.
    """

    corpus: CorpusConfig
    workspace: str
    generators: dict[str, dict[str, Any]]
    gates: dict[str, dict[str, Any]]
    judge: dict[str, Any]
    selector: dict[str, Any]
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    audio_root: str | None = None
    scheme: str = "basic4"
    seed: int = 0
    splits: list[str] = field(default_factory=lambda: ["train"])
    max_failures: float = 0.1
    export: list[str] = field(default_factory=lambda: ["audiofolder"])


@dataclass(frozen=True)
class Summary:
    """What a run did: the workspace's counts, what could not be read, and where things are."""

    workspace: str
    inspection: Inspection
    problems: list[dict[str, str]]
    left_out: dict[str, int]
    exports: list[Exported]
    report: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "workspace": self.workspace,
            **self.inspection.to_dict(),
            "problems": self.problems,
            "left_out": self.left_out,
            "exports": [export.to_dict() for export in self.exports],
            "report": self.report,
            "seconds": round(self.seconds, 1),
        }

    def print(self) -> None:
        """Show it on standard output: what happened, where to look, what to do next."""
        from rich.console import Console

        console = Console()
        for table in self.inspection.tables():
            console.print(table)
        if self.problems:
            console.print(f"\n{len(self.problems)} recordings could not be used, the first:")
            for problem in self.problems[:5]:
                console.print(f"  {problem['where']}: {problem['problem']}", soft_wrap=True)
        if self.left_out:
            counts = ", ".join(f"{n} × {emotion}" for emotion, n in self.left_out.items())
            console.print(f"\nWithout a counterpart in the scheme: {counts}")
        console.print(f"\nReport:   {self.report}", soft_wrap=True)
        for export in self.exports:
            console.print(f"Training: {export.path} ({export.clips} clips)", soft_wrap=True)
        console.print(f"Next:     emoforge inspect {self.workspace}", soft_wrap=True)
        console.print(f"          emoforge audit leakage {self.workspace}", soft_wrap=True)


@dataclass(frozen=True)
class Cost:
    """What a generator would have to do, by a dry run.

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


def augment(
    config: AugmentConfig, *, retry_failed: bool = False, progress: Progress | None = None
) -> Summary:
    """Run the main job, or what is left of it, on the workspace of `config`.

    Raises an EmoforgeError when it cannot go on; what was done by then stays, and the same call
    continues there.
    """
    began = time.monotonic()
    progress = progress or Progress()
    parts = _Parts.of(config)
    with Workspace.open(config.workspace, config.audio_root, write=True) as workspace:
        _check_scheme(workspace, config)
        run = workspace.start_run(plain(config), _versions())
        imported, left_out = _import(workspace, config, progress)
        _plan(workspace, config, parts, imported, progress)
        generate(
            workspace,
            {recipe.generator.name: recipe.generator for recipe in parts.recipes},
            workers=_workers(config.runner),
            max_failures=config.max_failures,
            retry_failed=retry_failed,
            progress=progress,
        )
        gates = gate_candidates(workspace, parts.gates, progress)
        judge = judge_clips(workspace, parts.judge, gates, progress)
        real = [clip for clip in imported.clips if clip.split in config.splits]
        scheme = scheme_named(config.scheme)
        selection = select_candidates(workspace, parts.selector, scheme, judge, parts.gates, real)
        problems = [{"where": p.where, "problem": p.sentence} for p in imported.problems]
        workspace.finish_run(run, selection)
        folder = Path(config.workspace if "://" not in config.workspace else ".")
        exports = [
            export_selection(workspace, exporter, folder / "exports" / exporter.name, progress)
            for exporter in parts.exporters
        ]
        report = write_report(workspace, folder / "report.html")
        return Summary(
            config.workspace,
            inspect_workspace(workspace),
            problems,
            left_out,
            exports,
            str(report),
            time.monotonic() - began,
        )


def export_selection(
    workspace: Workspace, exporter: Exporter, out: Path, progress: Progress
) -> Exported:
    """Export the recordings and the kept candidates of the latest finished run.

    Raises WorkspaceError where no run has finished.
    """
    run = workspace.last_run()
    if run is None:
        raise WorkspaceError(f"{workspace.location}: nothing is selected yet; run emoforge augment")
    kept = {d.candidate for d in workspace.decisions(run["selection"]) if d.keep}

    def clips() -> Any:
        yield from workspace.clips(generated=False)
        yield from workspace.clips(ids=kept)

    total = sum(1 for _ in workspace.clips(generated=False)) + len(kept)
    with progress.stage("export", total) as advance:
        return exporter.write(clips(), out, _steps(advance))


def dry_run(config: AugmentConfig, progress: Progress | None = None) -> list[Cost]:
    """What `augment` would make and what it would cost; the workspace is left as it is.

    Plans on a copy of the catalogue and makes a few candidates of each generator.
    """
    progress = progress or Progress()
    parts = _Parts.of(config)
    with tempfile.TemporaryDirectory() as folder:
        before = Path(config.workspace) / CATALOGUE
        if before.exists():
            with (
                sqlite3.connect(before) as source,
                sqlite3.connect(Path(folder) / CATALOGUE) as copy,
            ):
                source.backup(copy)
        with Workspace.open(folder, write=True) as workspace:
            imported, _ = _import(workspace, config, progress)
            planned = _plan(workspace, config, parts, imported, progress)
            return [_cost(workspace, recipe.generator, planned) for recipe in parts.recipes]


def _cost(workspace: Workspace, generator: Generator, planned: Planned) -> Cost:
    pending = workspace.pending([generator.name])
    seconds = sum(duration for _, _, duration in pending)
    spread = pending[:: max(1, len(pending) // _TRIED)][:_TRIED]
    plans = workspace.plans([candidate for candidate, _, _ in spread])
    made_s = spent_s = 0.0
    note = ""
    if plans:
        generator.setup()
    for plan in plans.values():
        clip = next(workspace.clips(ids=[plan.parent]))
        began = time.process_time()
        outcome = generator.apply_batch([clip], [plan.params])[0]
        if outcome.audio is None:
            note = outcome.detail
        else:
            spent_s += time.process_time() - began
            made_s += plan.promise.duration
    total = planned.new[generator.name] + planned.known[generator.name]
    return Cost(
        generator.name,
        len(pending),
        total - len(pending),
        sum(n for (name, _), n in planned.skipped.items() if name == generator.name),
        seconds,
        spent_s / made_s * seconds if made_s else (0.0 if not pending else None),
        seconds * _FLAC_BYTES_PER_S / 1e6,
        note,
    )


@dataclass(frozen=True)
class _Parts:
    """The components that a configuration names, made and checked before any work begins."""

    recipes: list[Recipe]
    gates: list[Gate]
    judge: Judge
    selector: Selector
    exporters: list[Exporter]

    @classmethod
    def of(cls, config: AugmentConfig) -> "_Parts":
        for split in config.splits:
            if split not in SPLITS:
                raise ConfigError(f"splits: there is no split '{split}': {nearest(split, SPLITS)}")
        if not config.generators:
            raise ConfigError("generators is empty: name at least one, as in generators=[prosody]")
        recipes = []
        for name, options in config.generators.items():
            own = dict(options)
            copies = own.pop("copies", 1)
            if not isinstance(copies, int) or copies < 1:
                raise ConfigError(f"generators.{name}.copies={copies!r}: must be 1 or more")
            recipes.append(Recipe(cast(Generator, create("generator", name, own)), copies))
        parts = cls(
            recipes,
            [cast(Gate, create("gate", name, options)) for name, options in config.gates.items()],
            cast(Judge, _named("judge", config.judge)),
            cast(Selector, _named("selector", config.selector)),
            [cast(Exporter, create("exporter", name)) for name in config.export],
        )
        for part in (*(r.generator for r in recipes), *parts.gates, parts.judge, *parts.exporters):
            part.check_requirements()
        return parts


def _named(kind: str, options: Mapping[str, Any]) -> Any:
    own = dict(options)
    return create(kind, str(own.pop("name", "")), own)


def _import(
    workspace: Workspace, config: AugmentConfig, progress: Progress
) -> tuple[Imported, dict[str, int]]:
    corpus = read_corpus(config.corpus, scheme_named(config.scheme))
    imported = import_corpus(workspace, corpus, progress)
    for problem in imported.problems:
        progress.note(f"{problem.where}: {problem.sentence}")
    return imported, dict(corpus.left_out)


def _plan(
    workspace: Workspace,
    config: AugmentConfig,
    parts: _Parts,
    imported: Imported,
    progress: Progress,
) -> Planned:
    sources: list[Clip] = [clip for clip in imported.clips if clip.split in config.splits]
    if not sources:
        have = sorted({str(clip.split) for clip in imported.clips})
        raise ConfigError(
            f"no clip is in the splits {config.splits}: the corpus has {', '.join(have)}"
        )
    return plan_candidates(workspace, sources, parts.recipes, config.seed, progress)


def _check_scheme(workspace: Workspace, config: AugmentConfig) -> None:
    scheme_named(config.scheme)
    run = workspace.last_run(finished=False)
    if run and run["config"]["scheme"] != config.scheme:
        raise WorkspaceError(
            f"{config.workspace}: this workspace was begun under scheme "
            f"'{run['config']['scheme']}', not '{config.scheme}'; use a workspace for each"
        )


def _workers(runner: RunnerConfig) -> int:
    return len(os.sched_getaffinity(0)) if runner.workers is None else runner.workers


def _steps(advance: Callable[[int], None]) -> Callable[[int], None]:
    """From a count of all that is done to the steps that a stage is advanced by."""
    before = 0

    def done(count: int) -> None:
        nonlocal before
        advance(count - before)
        before = count

    return done


def _versions() -> dict[str, str]:
    found = {"python": python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
