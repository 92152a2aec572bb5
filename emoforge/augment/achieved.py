"""Target and achieved emotion of what was generated, always both."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoforge.augment.inspection import Basis
from emoforge.errors import WorkspaceError
from emoforge.label import SCHEMES
from emoforge.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = (
    "id", "generator", "speaker", "target", "heard", "p_target", "p_heard", "keep"
)  # fmt: skip

Achieved = dict[str, dict[str, dict[str, int]]]
"""Generator → target emotion → emotion that the judge heard → clips."""


def _rows(workspace: Workspace, basis: Basis) -> Iterator[tuple[Any, ...]]:
    scheme = SCHEMES.get(basis.scheme)
    for row in workspace.judgements(basis.judge, basis.selection):
        heard = row.distributions.get(basis.scheme)
        label = row.label.project(scheme) if scheme else None
        if not row.generator or scheme is None or label is None or heard is None:
            continue
        most = max(range(len(heard)), key=heard.__getitem__)
        yield (
            row.clip,
            row.generator,
            row.speaker,
            label.hard,
            scheme.classes[most],
            heard[scheme.index(label.hard)],
            heard[most],
            row.keep,
        )


def achieved(workspace: Workspace, basis: Basis) -> Achieved:
    """Counts over all judged candidates."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for _, generator, _, target, heard, *_ in _rows(workspace, basis):
        counts[generator, target, heard] += 1
    nested: Achieved = {}
    for (generator, target, heard), count in sorted(counts.items()):
        nested.setdefault(generator, {}).setdefault(target, {})[heard] = count
    return nested


def write_achieved(workspace: Workspace, basis: Basis, out: Path) -> Path:
    """Write a CSV table, a row a judged candidate, with `COLUMNS`; raises WorkspaceError.

    p_target, p_heard: the judge's probabilities; keep: yes, no, or empty where nobody decided.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for *names, p_target, p_heard, keep in _rows(workspace, basis):
        kept = "" if keep is None else "yes" if keep else "no"
        table.writerow([*names, f"{p_target:.4f}", f"{p_heard:.4f}", kept])
    partial = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text.getvalue(), "utf-8")
        partial.replace(out)
    except OSError as error:
        raise WorkspaceError(f"{out}: cannot be written ({error.strerror})") from error
    return out


def achieved_tables(counts: Achieved) -> list["RenderableType"]:
    """One table for the terminal: target emotions of each generator, and what was heard."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not counts:
        return []
    heard = sorted({h for targets in counts.values() for row in targets.values() for h in row})
    table = Table(
        title="Target emotion, and what the judge hears", title_justify="left", box=box.SIMPLE_HEAD
    )
    for column in ("generator", "target"):
        table.add_column(column, overflow="fold")
    for column in (*heard, "as targeted %"):
        table.add_column(column, justify="right")
    for generator, targets in counts.items():
        for place, (target, row) in enumerate(targets.items()):
            share = 100 * row.get(target, 0) / sum(row.values())
            cells = (str(row.get(name, "")) for name in heard)
            table.add_row(*map(Text, ("" if place else generator, target, *cells, f"{share:.0f}")))
    return [table]
