"""The command line: a thin skin over functions that return what the commands print.

Run-level choices are flags; what is configured is `group=choice` and `key=value`.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from emoforge.cli.antispoof import antispoof
from emoforge.cli.audit import audit
from emoforge.cli.codecs import codecs
from emoforge.cli.common import (
    AudioRoot,
    ConfigDir,
    Folder,
    Json,
    Overrides,
    interruptible,
    print_json,
    table,
)
from emoforge.cli.disclosure import disclosure
from emoforge.cli.judge import judge
from emoforge.cli.prosody import prosody
from emoforge.cli.select import select
from emoforge.cli.tts import tts
from emoforge.errors import EmoforgeError

app = typer.Typer(
    name="emoforge",
    help="Forge labelled emotional speech, and keep only what still carries its emotion.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # in `rich` mode [brackets] of settings would be styles
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(antispoof, name="antispoof")
app.add_typer(audit, name="audit")
app.add_typer(codecs, name="codecs")
app.add_typer(disclosure, name="disclosure")
app.add_typer(judge, name="judge")
app.add_typer(prosody, name="prosody")
app.add_typer(select, name="select")
app.add_typer(tts, name="tts")


def main() -> None:
    """Entry point: an expected error is one sentence, an interrupt says how to go on."""
    try:
        app()
    except EmoforgeError as error:
        typer.echo(f"emoforge: {error}", err=True)
        sys.exit(1)


@app.command()
def augment(
    overrides: Overrides = None,
    as_json: Json = False,
    dry_run: Annotated[
        bool, typer.Option(help="Print the plan and its cost; make nothing.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option(help="Make again what failed before.")] = False,
    config_dir: ConfigDir = None,
) -> None:
    """From a labelled corpus to a training set that kept its emotions.

    Example: emoforge augment corpus=nemo corpus.root=DIR workspace=W seed=7

    The same command continues a run that was stopped.
    """
    from emoforge.augment import AugmentConfig, Summary
    from emoforge.augment import augment as run
    from emoforge.augment import dry_run as estimate
    from emoforge.config import compose

    config = compose("augment", overrides or [], AugmentConfig, config_dir)
    with interruptible():
        if dry_run:
            costs = [cost.to_dict() for cost in estimate(config, retry_failed=retry_failed)]
            if as_json:
                print_json({"plan": costs})
            else:
                _print_costs(costs)
            return
        summary: Summary = run(config, retry_failed=retry_failed)
    if as_json:
        print_json(summary.to_dict())
    else:
        summary.print()


@app.command()
def synthesize(
    overrides: Overrides = None,
    as_json: Json = False,
    retry_failed: Annotated[bool, typer.Option(help="Make again what failed before.")] = False,
    config_dir: ConfigDir = None,
) -> None:
    """Build a corpus: voices × emotions × texts × generators, every clip checked.

    Example: emoforge synthesize recipe=emospoof corpus=ravdess corpus.root=DIR workspace=W
    generators=[espeak,world_vc] recipe.each=20

    The same command continues a run that was stopped.
    """
    from emoforge.augment import Summary, SynthesisConfig
    from emoforge.augment import synthesize as build_corpus
    from emoforge.config import compose

    config = compose("synthesize", overrides or [], SynthesisConfig, config_dir)
    with interruptible():
        summary: Summary = build_corpus(config, retry_failed=retry_failed)
    if as_json:
        print_json(summary.to_dict())
    else:
        summary.print()


def _print_costs(costs: list[dict[str, Any]]) -> None:
    rows = [
        [
            cost["generator"],
            str(cost["pending"]),
            str(cost["done"]),
            str(cost["skipped"]),
            f"{cost['audio_s'] / 60:.1f} min",
            "?" if cost["cpu_s"] is None else f"{cost['cpu_s'] / 60:.1f} min",
            f"{cost['megabytes']:.0f} MB",
            cost["note"],
        ]
        for cost in costs
    ]
    columns = ["generator", "to make", "made", "skipped", "audio", "one core", "disk", ""]
    table("What would be made", columns, rows)


@app.command()
def inspect(workspace: Folder, as_json: Json = False, audio_root: AudioRoot = None) -> None:
    """What is in a workspace: counts by outcome, generator, emotion and reason."""
    from emoforge.augment import inspect_workspace, inspection_tables
    from emoforge.workspace import Workspace

    with Workspace.open(workspace, audio_root) as opened:
        inspection = inspect_workspace(opened)
    if as_json:
        print_json(inspection.to_dict())
    else:
        from rich.console import Console

        for counted in inspection_tables(inspection):
            Console().print(counted)


@app.command()
def export(
    workspace: Folder,
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Options of the format, such as rate=8000.", metavar="[KEY=…]"),
    ] = None,
    format: Annotated[str, typer.Option(help="One of `emoforge list exporter`.")] = "audiofolder",  # noqa: A002
    disclose: Annotated[
        str,
        typer.Option(
            "--disclosure", help="How synthetic clips say so: none, tag, watermark or both."
        ),
    ] = "none",
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """Write the recordings and the kept candidates as a training set."""
    from emoforge.augment import Exporter, export_selection
    from emoforge.component import create
    from emoforge.config import read_settings
    from emoforge.progress import Progress
    from emoforge.workspace import Workspace

    options = {"disclosure": disclose, **read_settings(settings or [])}
    made = cast(Exporter, create("exporter", format, options))
    with interruptible(), Workspace.open(workspace, audio_root) as opened:
        exported = export_selection(opened, made, out, Progress())
    if as_json:
        print_json(exported.to_dict())
    else:
        typer.echo(f"{exported.clips} clips, {exported.seconds / 60:.1f} minutes: {exported.path}")
        for clip, problem in exported.problems:
            typer.echo(f"left out {clip}: {problem}", err=True)


@app.command()
def report(
    workspace: Folder,
    out: Annotated[Path, typer.Argument(help="The HTML file to write.")],
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """Write the report of the latest run as one self-contained HTML file."""
    from emoforge.augment import write_report
    from emoforge.workspace import Workspace

    with Workspace.open(workspace, audio_root) as opened:
        path = write_report(opened, out)
    if as_json:
        print_json({"report": str(path)})
    else:
        typer.echo(str(path))


@app.command()
def replay(
    workspace: Folder,
    clip_id: Annotated[str, typer.Argument(help="A candidate's id, or the beginning of it.")],
    out: Annotated[Path | None, typer.Option(help="Write the new sound there (FLAC).")] = None,
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """Make a candidate again from its lineage, and prove that the samples are identical."""
    from emoforge.audio import write_flac
    from emoforge.augment import replay_candidate
    from emoforge.workspace import Workspace

    with Workspace.open(workspace, audio_root) as opened:
        result, audio = replay_candidate(opened, clip_id)
    if out is not None:
        write_flac(out, audio)
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(f"{result.id}  made by {result.generator} from {result.parent}")
        typer.echo(f"parameters: {json.dumps(result.params, ensure_ascii=False)}")
        verdict = (
            f"identical: all {result.samples} samples are the same"
            if result.identical
            else f"DIFFERENT: by up to {result.largest_difference} 16-bit steps"
        )
        typer.echo(verdict)
    if not result.identical:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Which components can run here, and what each missing one needs."""
    from emoforge.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis.to_dict())
        return
    table("This machine", ["", ""], [[key, value] for key, value in diagnosis.system.items()])
    rows = [
        [
            health.kind,
            health.name,
            "not ready: " + "; ".join(health.missing) if health.missing else "ready",
        ]
        for health in diagnosis.components
    ]
    table("\nComponents", ["kind", "name", "state"], rows)


@app.command("list")
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="generator, gate, judge, …, or corpus.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Names that a configuration can use: components and corpora."""
    from emoforge.component import KINDS, registered
    from emoforge.config import choices
    from emoforge.errors import ConfigError, nearest

    known = {name: sorted(registered(name)) for name in KINDS} | {"corpus": choices("corpus")}
    if kind is not None and kind not in known:
        raise ConfigError(f"there is no kind '{kind}': {nearest(kind, known)}")
    shown = known if kind is None else {kind: known[kind]}
    if as_json:
        print_json(shown)
    else:
        for name, entries in shown.items():
            typer.echo(f"{name}: {', '.join(entries)}")
