"""`emoforge audit`: what a training set must not have, and what its listeners say."""

import typer

from emoforge.cli.common import AudioRoot, Folder, Json, print_json, table

audit = typer.Typer(help="Prove what a training set must not have.", no_args_is_help=True)


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
