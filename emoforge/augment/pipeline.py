"""The main job: corpus → plan → generate → gate → judge → select → export → report."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from emoforge.augment.achieved import achieved, achieved_tables, write_achieved
from emoforge.augment.assess import judge_clips, select_candidates
from emoforge.augment.auditing import guarantee
from emoforge.augment.corpora import CorpusConfig, Problem, read_corpus
from emoforge.augment.export import Exported, Exporter
from emoforge.augment.importing import Imported, import_corpus
from emoforge.augment.inspection import Inspection, inspect_workspace
from emoforge.augment.inspection_tables import inspection_tables
from emoforge.augment.job import AugmentConfig, JobConfig, Parts
from emoforge.augment.making import Filled, Making, make
from emoforge.augment.planner import Planned, plan_candidates, slots_of
from emoforge.augment.report import write_report
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Generator, digest
from emoforge.config import plain
from emoforge.errors import ConfigError, WorkspaceError
from emoforge.label import scheme as scheme_named
from emoforge.progress import Progress
from emoforge.selection import Judge
from emoforge.workspace import Workspace

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


@dataclass(frozen=True)
class Summary:
    """What a run did: the workspace's counts, and where the results are.

    filled: what became of the candidates that this run asked for, retries and all.
    emotions: a table of target and heard emotion, clip by clip; achieved: the same counted, by
    generator, target and what the judge heard, of all judged candidates.
    """

    workspace: str
    inspection: Inspection
    filled: Filled
    exports: list[dict[str, Any]]
    report: str
    emotions: str
    achieved: dict[str, dict[str, dict[str, int]]]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "workspace": self.workspace,
            **self.inspection.to_dict(),
            "filled": asdict(self.filled),
            "exports": self.exports,
            "report": self.report,
            "emotions": self.emotions,
            "achieved": self.achieved,
            "seconds": round(self.seconds, 1),
        }

    def print(self) -> None:
        """Show it on standard output: what happened, where to look, what to do next."""
        from rich.console import Console

        console = Console(markup=False)  # a path may have brackets
        for table in (*inspection_tables(self.inspection), *achieved_tables(self.achieved)):
            console.print(table)
        console.print(self._filled())
        console.print(
            f"\nEmotions: {self.emotions} (target and heard, clip by clip)", soft_wrap=True
        )
        console.print(f"Report:   {self.report}", soft_wrap=True)
        for export in self.exports:
            console.print(f"Training: {export['path']} ({export['clips']} clips)", soft_wrap=True)
            if problems := export["problems"]:
                first = f"{problems[0]['id']}: {problems[0]['problem']}"
                console.print(f"          left out {len(problems)}, the first {first}")
        console.print(f"Next:     emoforge inspect {self.workspace}", soft_wrap=True)
        console.print(f"          emoforge audit leakage {self.workspace}", soft_wrap=True)

    def _filled(self) -> str:
        first, *later = self.filled.by_attempt
        parts = [f"{first} were good at once"]
        if later:
            parts.append(f"{sum(later)} after a retry")
        empty = [
            f"{count} {emotion} by {generator}"
            for generator, emotions in self.filled.empty.items()
            for emotion, count in emotions.items()
        ]
        if empty:
            parts.append(f"never: {', '.join(empty)}")
        return f"Past the gates, of {self.filled.asked} that were asked for: {'; '.join(parts)}"


def augment(
    config: AugmentConfig, *, retry_failed: bool = False, progress: Progress | None = None
) -> Summary:
    """Run the main job, or what is left of it, on the workspace of `config`.

    Raises an EmoforgeError when it cannot go on; what was done by then stays, and the same call
    continues there.
    """

    def plan(workspace: Workspace, run: int, progress: Progress) -> tuple[Planned, Cast]:
        imported = import_sources(workspace, config, progress)
        note_import(workspace, run, imported)
        cast = cast_of(workspace, parts, imported, progress)
        return plan_sources(workspace, config, parts, imported, cast, progress), cast

    parts = Parts.of(config)
    return carry_out(config, parts, plan, retry_failed=retry_failed, progress=progress)


def carry_out(
    config: JobConfig,
    parts: Parts,
    plan: Callable[[Workspace, int, Progress], tuple[Planned, Cast]],
    *,
    retry_failed: bool,
    progress: Progress | None,
) -> Summary:
    """Plan by `plan(workspace, run, progress)`, then make, gate, judge, select, export, report."""
    began = time.monotonic()
    progress = progress or Progress()
    with Workspace.open(config.workspace, config.audio_root, write=True) as workspace:
        # The location as it may be shown: without a database's password.
        config = replace(config, workspace=workspace.location)
        check_run(workspace, config)
        run = workspace.start_run(plain(config), _versions())
        planned, cast = plan(workspace, run, progress)
        making = Making(
            parts.gates,
            config.seed,
            config.license_policy,
            config.retries,
            config.runner.processes,
            config.max_failures,
            retry_failed,
        )
        gates, filled = make(workspace, planned, making, cast, progress)
        judge_clips(workspace, parts.judge, gates, progress)
        scheme = scheme_named(config.scheme)
        selection = select_candidates(
            workspace, parts.selector, scheme, parts.judge, parts.gates, config.splits, config.seed
        )
        workspace.finish_run(run, selection)
        if workspace.audits(selection):
            guarantee(workspace)  # what people proved of this very selection holds on
        inspection = inspect_workspace(workspace)
        outputs = _outputs(workspace, config, parts, inspection, progress)
        return Summary(
            config.workspace,
            inspection,
            filled,
            outputs["exports"],
            outputs["report"],
            outputs["emotions"],
            achieved(workspace, inspection.basis),
            time.monotonic() - began,
        )


def note_import(
    workspace: Workspace, run: int, imported: Imported, more: Sequence[Problem] = ()
) -> None:
    """Note what a run cannot use: of its corpus, and `more`."""
    problems = [{"where": p.where, "problem": p.sentence} for p in (*imported.problems, *more)]
    workspace.note_import(run, problems, imported.left_out)


def _outputs(
    workspace: Workspace,
    config: JobConfig,
    parts: Parts,
    inspection: Inspection,
    progress: Progress,
) -> dict[str, Any]:
    """Write exports and report, or say where they are if they stand as they would be written."""
    folder = Path(config.out or config.workspace)
    note = folder / "outputs.json"
    last = inspection.last_run
    shown = {
        **inspection.to_dict(),
        "last_run": [last.problems, last.left_out] if last else None,  # all but its number and time
    }
    basis = {"shown": digest(shown), "config": plain(config)}
    with suppress(OSError, ValueError, LookupError, TypeError):  # a damaged note says nothing
        outputs: dict[str, Any] = json.loads(note.read_text("utf-8"))
        paths = [*(e["path"] for e in outputs["exports"]), outputs["report"], outputs["emotions"]]
        if outputs["basis"] == basis and all(Path(path).exists() for path in paths):
            return outputs
    with suppress(OSError):
        note.unlink()
    outputs = {
        "basis": basis,
        "exports": [
            export_selection(
                workspace, exporter, folder / "exports" / exporter.name, progress
            ).to_dict()
            for exporter in parts.exporters
        ],
        "report": str(write_report(workspace, folder / "report.html")),
        "emotions": str(write_achieved(workspace, inspection.basis, folder / "emotions.csv")),
    }
    with suppress(OSError):  # without it they are written again
        note.write_text(json.dumps(outputs, ensure_ascii=False), "utf-8")
    return outputs


def export_selection(
    workspace: Workspace, exporter: Exporter, out: Path, progress: Progress
) -> Exported:
    """Export the recordings and the kept candidates of the latest finished run.

    What a licence forbids for the run's `license_policy` is left out, and counted.
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
        return exporter.write(clips(), out, advance, run["config"].get("license_policy", "any"))


def import_sources(workspace: Workspace, config: AugmentConfig, progress: Progress) -> Imported:
    """Read the corpus into the workspace, and say what of it cannot be used."""
    return import_from(workspace, config.corpus, config.scheme, progress)


def import_from(
    workspace: Workspace, config: CorpusConfig, scheme: str, progress: Progress
) -> Imported:
    """Read a corpus into the workspace; what cannot be used is noted."""
    corpus = read_corpus(config, scheme_named(scheme))
    imported = import_corpus(workspace, corpus, progress)
    for problem in imported.problems:
        progress.note(f"{problem.where}: {problem.sentence}")
    return imported


def cast_of(workspace: Workspace, parts: Parts, imported: Imported, progress: Progress) -> Cast:
    """The recordings' speakers, clearest clips first where a generator is given references."""
    if not any(gives_references(recipe.generator) for recipe in parts.recipes):
        return Cast({})
    return judged_cast(workspace, parts.judge, imported.clips, progress)


def judged_cast(
    workspace: Workspace, judge: Judge, clips: Sequence[Clip], progress: Progress
) -> Cast:
    """The cast of recordings, by the judge's probability of the emotion that they carry."""
    judge_clips(workspace, judge, "", progress)
    heard = workspace.distributions(judge.key, [clip.id for clip in clips])
    clarity = {
        clip.id: heard[clip.id][clip.label.scheme.name][clip.label.scheme.index(clip.emotion)]
        for clip in clips
        if clip.label.scheme.name in heard.get(clip.id, {})
    }
    return Cast.of(clips, clarity)


def gives_references(generator: Generator) -> bool:
    """Whether a generator asks for other clips to work with."""
    return type(generator).references is not Generator.references


def plan_sources(
    workspace: Workspace,
    config: AugmentConfig,
    parts: Parts,
    imported: Imported,
    cast: Cast,
    progress: Progress,
) -> Planned:
    sources: list[Clip] = [clip for clip in imported.clips if clip.split in config.splits]
    if not sources:
        have = sorted({str(clip.split) for clip in imported.clips})
        raise ConfigError(
            f"no clip is in the splits {config.splits}: the corpus has {', '.join(have)}"
        )
    total = len(sources) * sum(recipe.copies for recipe in parts.recipes)
    return plan_candidates(
        workspace,
        slots_of(parts.recipes, sources),
        total,
        config.seed,
        progress,
        cast=cast,
        use=config.license_policy,
    )


def check_run(workspace: Workspace, config: JobConfig) -> None:
    """Raise what is wrong with running `config` on this workspace."""
    if "://" in config.workspace and config.out is None:
        raise ConfigError("a database workspace needs a folder for the results: add out=FOLDER")
    scheme_named(config.scheme)
    run = workspace.last_run(finished=False)
    if run and run["config"]["scheme"] != config.scheme:
        raise WorkspaceError(
            f"{config.workspace}: this workspace was begun under scheme "
            f"'{run['config']['scheme']}', not '{config.scheme}'; use a workspace for each"
        )


def _versions() -> dict[str, str]:
    found = {"python": python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
