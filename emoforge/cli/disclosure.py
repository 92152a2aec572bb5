"""`emoforge disclosure`: whether sound says that it is synthetic."""

from pathlib import Path
from typing import Annotated

import typer

from emoforge.cli.common import Json, print_json
from emoforge.errors import EmoforgeError

disclosure = typer.Typer(help="Whether sound says that it is synthetic.", no_args_is_help=True)


@disclosure.callback()
def _group() -> None:
    """Keeps `check` a command of its own, though it is the only one."""


@disclosure.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Audio files of any format.")],
    as_json: Json = False,
) -> None:
    """Look for the tag and the watermark that emoforge puts on synthetic clips.

    A file without either may still be synthetic: whoever wants to can remove both. The payload of
    a watermark is the beginning of the clip's id, as `emoforge replay` takes it.
    """
    from emoforge.augment.export import check_disclosure

    found, failed = [], {}
    for path in files:
        try:
            found.append(check_disclosure(path))
        except EmoforgeError as error:
            failed[str(path)] = str(error)
    if as_json:
        print_json({"files": [one.to_dict() for one in found], "failed": failed})
    else:
        for one in found:
            mark = one.watermark
            heard = "yes" if mark.marked else "no"
            if mark.payload is not None:
                heard += f", payload {mark.payload:08x}"
            typer.echo(f"{one.path}: tag: {one.tag or 'no'}; watermark: {heard} (p = {mark.p:.2g})")
        for sentence in failed.values():
            typer.echo(sentence, err=True)
    if failed:
        raise typer.Exit(1)
