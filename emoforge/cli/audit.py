"""`emoforge audit`: what a training set must not have, and what its listeners say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emoforge.cli.common import AudioRoot, Folder, Json, interruptible, print_json, table

if TYPE_CHECKING:
    from emoforge.augment import AuditPlan, FairnessReport, Guarantee
    from emoforge.workspace import Workspace

audit = typer.Typer(
    help="Prove what a training set must not have, and how much of it is wrong at most.",
    no_args_is_help=True,
)

Alpha = Annotated[float, typer.Option(help="Largest share of wrong ones among what is kept.")]
Delta = Annotated[float, typer.Option(help="Risk that the proof is mistaken: 1 − confidence.")]
By = Annotated[str, typer.Option(help="overall, emotion or emotion-generator.")]
Among = Annotated[
    str, typer.Option(help="kept: the threshold can only rise; all: it may fall as well.")
]


@contextmanager
def _writing(workspace: str, audio_root: str | None) -> Iterator["Workspace"]:
    """A workspace that is there already; opening a new one for writing would make it."""
    from emoforge.workspace import Workspace

    Workspace.open(workspace, audio_root).close()
    with interruptible(), Workspace.open(workspace, audio_root, write=True) as opened:
        yield opened


@audit.command()
def leakage(workspace: Folder, as_json: Json = False, audio_root: AudioRoot = None) -> None:
    """Prove that no speaker and no source clip crosses splits, through every lineage."""
    from emoforge.augment import audit_leakage
    from emoforge.workspace import Workspace

    with Workspace.open(workspace, audio_root) as opened:
        result = audit_leakage(opened.clips())
    if as_json:
        print_json(result.to_dict())
    else:
        rows = [
            [split, str(n.clips), str(n.generated), str(n.speakers)]
            for split, n in result.splits.items()
        ]
        table("Clips by split", ["split", "clips", "generated", "speakers"], rows)
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


@audit.command()
def plan(
    workspace: Folder,
    alpha: Alpha = 0.1,
    delta: Delta = 0.05,
    by: By = "overall",
    among: Among = "kept",
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """How many clips people must hear before the share of wrong ones can be proven."""
    from emoforge.augment import plan_audit
    from emoforge.workspace import Workspace

    with Workspace.open(workspace, audio_root) as opened:
        found = plan_audit(opened, alpha, delta, by, among)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_plan(found)


def _print_plan(plan: "AuditPlan") -> None:
    from emoforge.selection.audit import EXPECTED

    shares = [f"{part * plan.alpha:.1%}" for part in EXPECTED]
    rows = [
        [
            name,
            str(one.population),
            str(one.flawless),
            *("all" if size is None else str(size) for size in one.probable),
        ]
        for name, one in plan.strata.items()
    ]
    if len(rows) > 1:
        total = plan.to_dict()
        rows.append(
            [
                "together",
                str(sum(one.population for one in plan.strata.values())),
                str(total["flawless"]),
                *map(str, total["probable"]),
            ]
        )
    table(
        f"Clips to hear: at most {plan.alpha:.1%} wrong, with confidence {1 - plan.delta:.1%}",
        ["of", "candidates", "if none is wrong", *(f"if {share} are wrong" for share in shares)],
        rows,
    )
    typer.echo("The last columns: clips that prove it with a probability of 80 %.")


@audit.command()
def sample(
    workspace: Folder,
    out: Annotated[Path, typer.Argument(help="The folder to make: audit.csv and audio/.")],
    alpha: Alpha = 0.1,
    delta: Delta = 0.05,
    by: By = "overall",
    among: Among = "kept",
    size: Annotated[
        int | None, typer.Option(help="Clips to hear; enough if α/4 is wrong, if not set.")
    ] = None,
    real: Annotated[
        float, typer.Option(help="Recordings on the sheet, a share of the candidates.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed, another sample.")] = 0,
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """Draw a random sample for people to hear, and write it without a word on what it is.

    What is going to be tested (alpha, delta, by, among) is noted now, before anybody listens.
    """
    from emoforge.augment import draw_audit

    with _writing(workspace, audio_root) as opened:
        drawn = draw_audit(opened, out, alpha, delta, by, among, size, real, seed)
    if as_json:
        print_json(drawn.to_dict())
        return
    typer.echo(f"{drawn.candidates} candidates and {drawn.recordings} recordings: {drawn.out}")
    typer.echo(f"Next:  fill in {out / 'audit.csv'}, one copy a rater, then")
    typer.echo(f"       emoforge audit votes {workspace} {out / 'audit.csv'}")


@audit.command()
def votes(
    workspace: Folder,
    file: Annotated[Path, typer.Argument(help="CSV with the columns clip, rater, emotion.")],
    rater: Annotated[str, typer.Option(help="Who voted, where the file does not say.")] = "",
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """Add what raters heard; a row that cannot be used is named, and the others are added."""
    from emoforge.augment import import_votes

    with _writing(workspace, audio_root) as opened:
        read = import_votes(opened, file, rater)
    if as_json:
        print_json(read.to_dict())
    else:
        typer.echo(
            f"{read.added} votes added, {read.repeated} known already, "
            f"{read.blank} rows without a vote, {len(read.problems)} rows that cannot be used"
        )
        for problem in read.problems:
            typer.echo(f"{file}:{problem.line}: {problem.sentence}", err=True)
    if read.problems:
        raise typer.Exit(1)


@audit.command("export-votes")
def export_votes(
    workspace: Folder,
    out: Annotated[Path, typer.Argument(help="The CSV to write.")],
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """Write all votes as CSV: clip, rater, emotion, at."""
    from emoforge.augment import export_votes as write
    from emoforge.workspace import Workspace

    with Workspace.open(workspace, audio_root) as opened:
        count = write(opened, out)
    if as_json:
        print_json({"votes": count, "file": str(out)})
    else:
        typer.echo(f"{count} votes: {out}")


@audit.command("guarantee")
def guarantee_(workspace: Folder, as_json: Json = False, audio_root: AudioRoot = None) -> None:
    """Keep only what the votes prove: at most a share alpha of it is wrong, or say "unaudited".

    What is proven becomes the workspace's result, for export and report. Exits with 1 where
    nothing is proven.
    """
    from emoforge.augment import guarantee

    with _writing(workspace, audio_root) as opened:
        found = guarantee(opened)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_guarantee(found, workspace)
    if found.state != "certified":
        raise typer.Exit(1)


def _print_guarantee(found: "Guarantee", workspace: str) -> None:
    if found.plan:
        waiting = f", {found.unheard} clips of a sample wait for votes" if found.unheard else ""
        typer.echo(f"unaudited: nobody has voted on a random sample of what is kept{waiting}")
        _print_plan(found.plan)
        return
    rows = [
        [
            name,
            "–" if one.threshold is None else f"{one.threshold:.3f}",
            str(one.population),
            str(one.kept),
            str(one.audited),
            str(one.errors),
            f"{one.bound:.1%}",
        ]
        for name, one in found.strata.items()
    ]
    columns = ["of", "threshold", "before", "kept", "sample", "wrong", "wrong at most"]
    table("Audit", columns, rows)
    if found.unheard:
        typer.echo(
            f"{found.unheard} of {found.heard + found.unheard} clips of the sample have no vote: "
            "they count as wrong"
        )
    for name, one in found.strata.items():
        if one.threshold is None:
            needed = found.needed[name]
            share = f"{one.errors} of {one.audited} are wrong"
            typer.echo(
                f"Nothing is proven of {name}: {share}; "
                + (
                    "hear those first that have no vote"
                    if found.unheard
                    else "more votes would not change it if that share stays"
                    if needed is None
                    else f"a sample of about {needed} clips would prove it if that share stays"
                )
            )
    for rater, done in found.raters.items():
        if done.recordings:
            right = f"{done.right} of {done.recordings} recordings named as labelled"
            typer.echo(f"Rater {rater}: {done.votes} votes, {right}")
    if found.state == "certified":
        each = "" if found.by == "overall" else f", of each {found.by.replace('-', ' and ')} too"
        typer.echo(
            f"Certified: {found.kept} of {found.kept_before} stay, and at most {found.alpha:.1%} "
            f"of them are wrong{each}, with confidence {found.confidence:.1%}."
        )
        typer.echo(f"Next:  emoforge export {workspace} OUT")


@audit.command()
def fairness(
    workspace: Folder,
    by: Annotated[
        str, typer.Option(help="gender, language, corpus, speaker, or inferred: by voice.")
    ] = "gender",
    groups: Annotated[
        int | None, typer.Option(help="How many groups to infer; the clearest, if not set.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling, folds and heads.")] = 0,
    as_json: Json = False,
    audio_root: AudioRoot = None,
) -> None:
    """Whom the judge, the selection and what is learned from it serve worse.

    Gaps between groups of speakers in recall, in how often each emotion is heard, and in what is
    kept; a gap is shown where its interval does not begin at 0.
    """
    from emoforge.augment import audit_fairness
    from emoforge.workspace import Workspace

    with interruptible(), Workspace.open(workspace, audio_root) as opened:
        found = audit_fairness(opened, by, groups, seed)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_fairness(found)


def _print_fairness(found: "FairnessReport") -> None:
    def interval(values: tuple[float, float]) -> str:
        return f"[{values[0]:.2f}, {values[1]:.2f}]"

    emotions = list(next(iter(found.groups.values())).mix)
    rates = found.kept.rates if found.kept else {}
    rows = [
        [
            name,
            str(group.speakers),
            str(group.clips),
            *(f"{group.mix[emotion]:.0%}" for emotion in emotions),
            f"{rates[name]:.1%}" if name in rates else "–",
            group.about,
        ]
        for name, group in found.groups.items()
    ]
    columns = ["group", "speakers", "tested", *emotions, "candidates kept", ""]
    table(f"Groups by {found.by}; tested: {found.tested}", columns, rows)
    for name, reason in found.left_out.items():
        typer.echo(f"left out {name}: {reason}")
    if found.silhouette is not None:
        typer.echo(f"silhouette of the groups: {found.silhouette:.2f}")
    if gap := found.kept:
        between = f": highest for {gap.highest}, lowest for {gap.lowest}" if gap.value else ""
        typer.echo(f"Keep rate gap {gap.value:.2f} {interval(gap.interval)}{between}")
    titles = {"recall": "Recall gap", "parity": "Demographic parity gap"}
    for metric, title in titles.items():
        rows = [
            [
                emotion,
                *(
                    f"{gap.value:.2f} {interval(gap.interval)} "
                    + (f"{gap.highest} > {gap.lowest}" if gap.value else "")
                    for arm in found.compared.arms.values()
                    for gap in [arm[metric][emotion]]
                ),
                f"{change.value:+.2f} {interval(change.interval)}",
            ]
            for emotion, change in found.compared.change[metric].items()
        ]
        table(title, ["emotion", *found.compared.arms, "after − before"], rows)
    typer.echo("judge: as it is; before: learned from recordings; after: from what is kept, too.")
    typer.echo("A judge that learned from these very speakers shows smaller gaps than others meet.")
