"""What the commands share: their usual options, and how they print."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

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


@contextmanager
def interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("\ninterrupted; the same command goes on from here", err=True)
        raise typer.Exit(130) from None


def print_json(result: dict[str, Any]) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False, indent=2))


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # nothing is cut that may be copied
    for row in rows:
        table.add_row(*map(Text, row))  # text, never markup: `[tts]` would be a style
    Console().print(table)
