"""The summary as files: all rows for programs, and the main table for papers."""

import csv
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emoforge.codecs.report.observed import View
from emoforge.codecs.report.summary import (
    ALPHA,
    HEARD,
    GroupSummary,
    Row,
    Summary,
    points,
)

PARQUET, CSV, TEX = "results.parquet", "results.csv", "results.tex"
_COLUMNS = [field.name for field in dataclasses.fields(Row)]
_WORDS = {"group_kind", "group", "condition", "kind", "codec", "view", "number", "emotion"}
_COUNTS = {"clips", "speakers"}
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%",
        "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "−": "$-$", "\N{NO-BREAK SPACE}": "~", "\u202f": r"\,",
    }
)  # fmt: skip


def write_tables(summary: Summary, folder: Path) -> None:
    """Write results.parquet, results.csv (the same rows) and results.tex into a folder.

    Shares are fractions in the first two, and percentage points in the last; empty: cannot be
    had. Raises OSError where they cannot be written.
    """
    _write_parquet(summary.rows, folder / PARQUET)
    with (folder / CSV).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for row in summary.rows:
            table.writerow(_plain(getattr(row, name)) for name in _COLUMNS)
    (folder / TEX).write_text(latex(summary), encoding="utf-8")


def _write_parquet(rows: Sequence[Row], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, Any] = {
        **dict.fromkeys(_WORDS, pa.string()),
        **dict.fromkeys(_COUNTS, pa.int64()),
    }
    columns = {
        name: pa.array([getattr(row, name) for row in rows], kinds.get(name, pa.float64()))
        for name in _COLUMNS
    }
    pq.write_table(pa.table(columns), path)


def _plain(value: str | float | None) -> str | int:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value


def latex(summary: Summary) -> str:
    """A table (booktabs) of every group and view, to be included in a document."""
    tables = [_table(summary, group, view) for group in summary.groups for view in summary.views]
    return "\n".join(["% Needs \\usepackage{booktabs}.", *tables])


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return text.translate(_ESCAPES)


def _table(summary: Summary, group: GroupSummary, view: View) -> str:
    emotions = group.emotions
    columns = ["Condition", "kbit/s", "UAR", r"$\Delta$UAR [95\,\%]", *map(escaped, emotions)]
    title = f"{group.title[0].upper()}{group.title[1:]}" if group.kind == "all" else group.title
    caption = escaped(
        f"{title}: {group.clips} clips of {group.speakers} speakers, heard by {HEARD[view]}. "
        "UAR in %; differences from the original, of UAR and of each emotion's recall, in "
        "percentage points, with intervals over speakers."
    )
    mark = (
        rf"\textsuperscript{{*}}: a difference is shown (adjusted $p \le {ALPHA:g}$, step-down "
        "max-T over speakers); where there is no mark, none is shown."
    )
    name = "".join(c if c.isalnum() else "-" for c in f"{group.kind}-{group.name}-{view}")
    body = list(_body(summary, group, view))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize",
            rf"\caption{{{caption} {mark}}}",
            rf"\label{{tab:codecs-{name}}}",
            rf"\begin{{tabular}}{{@{{}}lrr{'l' + 'r' * len(emotions)}@{{}}}}",
            r"\toprule",
            " & ".join(columns) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _body(summary: Summary, group: GroupSummary, view: View) -> Iterator[str]:
    before = None
    for condition in summary.conditions:
        uar = summary.row(group, condition.name, "uar", view)
        recalls = [
            summary.row(group, condition.name, "recall", view, emotion)
            for emotion in group.emotions
        ]
        if before and before != condition.kind:
            yield r"\midrule"
        before = condition.kind
        cells = [
            escaped(condition.name),
            "" if condition.kbps is None else f"{condition.kbps:.1f}",
            f"{100 * uar.value:.1f}" if uar and uar.value is not None else "--",
            *(
                [""] * (1 + len(recalls))
                if condition.kind == "original"
                else [_difference(uar, interval=True), *map(_difference, recalls)]
            ),
        ]
        yield " & ".join(cells) + r" \\"


def _difference(row: Row | None, *, interval: bool = False) -> str:
    if row is None or row.difference is None:
        return "--"
    text = points(row.difference)
    if row.shown:
        text += "*"
    if interval and row.low is not None and row.high is not None:
        text += f" [{points(row.low)}, {points(row.high)}]"
    return escaped(text).replace("*", r"\textsuperscript{*}")
