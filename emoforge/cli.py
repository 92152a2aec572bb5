"""The command line: a thin skin over functions that return what the commands print.

Run-level choices are flags; what is configured is `group=choice` and `key=value`.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from emoforge.errors import EmoforgeError

app = typer.Typer(
    name="emoforge",
    help="Forge labelled emotional speech, and keep only what still carries its emotion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
audit = typer.Typer(help="Prove what a training set must not have.", no_args_is_help=True)
judge = typer.Typer(help="Train judges, and ask them.", no_args_is_help=True)
prosody = typer.Typer(help="Measure how emotions sound.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(judge, name="judge")
app.add_typer(prosody, name="prosody")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Settings: group=choice and key=value.", show_default="")
]
ConfigDir = Annotated[
    Path | None, typer.Option(help="A folder with own config groups, such as corpus/mine.yaml.")
]
Folder = Annotated[str, typer.Argument(metavar="WORKSPACE", help="A workspace folder or database.")]
AudioRoot = Annotated[
    str | None, typer.Option(help="Where the workspace's audio lies, if not inside it.")
]


def main() -> None:
    """Entry point: an expected error is one sentence, an interrupt says how to go on."""
    try:
        app()
    except EmoforgeError as error:
        typer.echo(f"emoforge: {error}", err=True)
        sys.exit(1)


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("\ninterrupted; the same command goes on from here", err=True)
        raise typer.Exit(130) from None


def _print(result: dict[str, Any]) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False, indent=2))


def _table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(Text, row))  # text, never markup: `[tts]` would be a style
    Console().print(table)


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
    with _interruptible():
        if dry_run:
            costs = [cost.to_dict() for cost in estimate(config, retry_failed=retry_failed)]
            if as_json:
                _print({"plan": costs})
            else:
                _print_costs(costs)
            return
        summary: Summary = run(config, retry_failed=retry_failed)
    if as_json:
        _print(summary.to_dict())
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
    _table("What would be made", columns, rows)


@app.command()
def inspect(workspace: Folder, as_json: Json = False, audio_root: AudioRoot = None) -> None:
    """What is in a workspace: counts by outcome, generator, emotion and reason."""
    from emoforge.augment import inspect_workspace, inspection_tables
    from emoforge.workspace import Workspace

    with Workspace.open(workspace, audio_root) as opened:
        inspection = inspect_workspace(opened)
    if as_json:
        _print(inspection.to_dict())
    else:
        from rich.console import Console

        for table in inspection_tables(inspection):
            Console().print(table)


@app.command()
def export(
    workspace: Folder,
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    format: Annotated[str, typer.Option(help="One of `emoforge list exporter`.")] = "audiofolder",  # noqa: A002
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """Write the recordings and the kept candidates as a training set."""
    from emoforge.augment import Exporter, export_selection
    from emoforge.component import create
    from emoforge.progress import Progress
    from emoforge.workspace import Workspace

    made = cast(Exporter, create("exporter", format))
    with _interruptible(), Workspace.open(workspace, audio_root) as opened:
        exported = export_selection(opened, made, out, Progress())
    if as_json:
        _print(exported.to_dict())
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
        _print({"report": str(path)})
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
        _print(result.to_dict())
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
        _print(diagnosis.to_dict())
        return
    _table("This machine", ["", ""], [[key, value] for key, value in diagnosis.system.items()])
    rows = [
        [
            health.kind,
            health.name,
            "needs " + "; ".join(health.missing) if health.missing else "ready",
        ]
        for health in diagnosis.components
    ]
    _table("\nComponents", ["kind", "name", "state"], rows)


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
        _print(shown)
    else:
        for name, entries in shown.items():
            typer.echo(f"{name}: {', '.join(entries)}")


@audit.command()
def leakage(workspace: Folder, as_json: Json = False, audio_root: AudioRoot = None) -> None:
    """Prove that no speaker and no source clip crosses splits, through every lineage."""
    from emoforge.augment import audit_leakage
    from emoforge.workspace import Workspace

    with Workspace.open(workspace, audio_root) as opened:
        result = audit_leakage(opened.clips())
    if as_json:
        _print(result.to_dict())
    else:
        rows = [
            [split, str(n.clips), str(n.generated), str(n.speakers)]
            for split, n in result.splits.items()
        ]
        _table("Clips by split", ["split", "clips", "generated", "speakers"], rows)
        for leak in result.leaks:
            places = "; ".join(
                f"{split}: {', '.join(ids[:3])}" for split, ids in leak.clips.items()
            )
            typer.echo(f"LEAK  {leak.kind} {leak.what} is in several splits ({places})")
        if result.unsplit:
            typer.echo(f"{len(result.unsplit)} clips have no split, as {result.unsplit[0]}")
        if result.ok:
            typer.echo("No speaker, no source clip and no audio crosses the splits.")
        shared = f"{len(result.shared_texts)} of {result.texts} texts"
        typer.echo(f"For your information: {shared} are said in several splits.")
    if not result.ok:
        raise typer.Exit(1)


@judge.command("train")
def judge_train(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """Train a judge on a labelled corpus, and measure it on speakers that it has not met.

    Example: emoforge judge train corpus.manifest=all.csv out=mine.safetensors

    Use it with: emoforge augment judge.path=mine.safetensors …
    """
    from emoforge.augment import JudgeTraining, train
    from emoforge.config import compose

    with _interruptible():
        result = train(compose("judge_train", overrides or [], JudgeTraining, config_dir))
    if as_json:
        _print(result)
        return
    for scheme, measured in result["evaluation"].items():
        if not isinstance(measured, dict) or "held_out_speakers" not in measured:
            continue
        rows = [
            [corpus, f"{table['uar']['value']:.3f}", f"{table['macro_f1']['value']:.3f}"]
            for corpus, table in measured["held_out_speakers"].items()
        ]
        _table(f"Held-out speakers, {scheme}", ["corpus", "UAR", "macro-F1"], rows)
    typer.echo(f"weights: {result['weights']} ({result['clips']} clips)")


@judge.command("score")
def judge_score(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    weights: Annotated[str, typer.Option(help="Weights; those of the package if not set.")] = "",
    scheme: Annotated[str, typer.Option(help="A scheme of the judge.")] = "basic4",
    as_json: Json = False,
) -> None:
    """What the embedded judge hears in audio files."""
    from emoforge.errors import AudioError
    from emoforge.selection.judges import EmbeddedJudge, score_files

    heard = score_files(EmbeddedJudge(path=weights), files, scheme)
    if as_json:
        _print(
            {
                str(file): {"error": str(found)} if isinstance(found, AudioError) else found
                for file, found in heard.items()
            }
        )
        return
    for file, found in heard.items():
        if isinstance(found, AudioError):
            typer.echo(f"{file}: {found}", err=True)
        else:
            best = sorted(found, key=found.__getitem__, reverse=True)
            typer.echo(f"{file}: " + ", ".join(f"{name} {found[name]:.2f}" for name in best))


@prosody.command("profile")
def prosody_profile(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """Measure how each emotion sounds beside the same speaker's neutral, and write it as YAML.

    Example: emoforge prosody profile corpus.manifest=all.csv out=profile.yaml
    """
    import dataclasses

    from emoforge.augment import ProfileMeasurement, measure_prosody
    from emoforge.config import compose

    config = compose("profile", overrides or [], ProfileMeasurement, config_dir)
    with _interruptible():
        profile = measure_prosody(config)
    if as_json:
        _print(dataclasses.asdict(profile))
    else:
        typer.echo(f"{config.out}: {', '.join(profile.emotions)}")
        for what, why in profile.left_out.items():
            typer.echo(f"left out {what}: {why}", err=True)
