"""An inspection as tables for the terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from emoforge.augment.inspection import OUTCOMES, STEPS, Funnel, Inspection, RunNote

if TYPE_CHECKING:
    from rich.console import RenderableType

_PROBLEMS_SHOWN = 10


def inspection_tables(inspection: Inspection) -> list["RenderableType"]:
    """What `emoforge inspect` prints, as rich renderables."""
    from rich.text import Text

    if not inspection.recordings and not sum(inspection.outcomes.values()):
        return [Text(f"{inspection.workspace}: an empty workspace, nothing is catalogued yet")]
    tables = [_outcomes_table(inspection), _funnel_table(inspection)]
    if inspection.recordings:
        tables.insert(0, _recordings_table(inspection))
    if inspection.reasons:
        tables.append(_reasons_table(inspection))
    if inspection.last_run and inspection.last_run.problems:
        tables.append(_problems_table(inspection.last_run))
    return [*tables, _run_text(inspection)]


def _table(title: str, *columns: str, numbers: int, rows: Iterable[Sequence[str]]) -> Any:
    """A table whose last `numbers` columns are right-aligned; cells are text, never markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        is_number = place >= len(columns) - numbers
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _recordings_table(inspection: Inspection) -> Any:
    emotions = sorted({name for part in inspection.recordings for name in part.emotions})
    columns = ("corpus", "split", "speakers", "minutes", "clips", *emotions)
    rows = [
        (
            part.corpus,
            part.split,
            str(part.speakers),
            f"{part.seconds / 60:.1f}",
            str(part.clips),
            *(str(part.emotions.get(name, "")) for name in emotions),
        )
        for part in inspection.recordings
    ]
    return _table("Recordings", *columns, numbers=len(columns) - 2, rows=rows)


def _outcomes_table(inspection: Inspection) -> Any:
    row = [str(inspection.outcomes[name]) for name in OUTCOMES]
    return _table("Outcomes", *OUTCOMES, numbers=len(OUTCOMES), rows=[row])


def _funnel_table(inspection: Inspection) -> Any:
    rows = []
    for generator, whole in inspection.by_generator.items():
        rows.append((generator, "all", *_cells(whole)))
        rows += [
            ("", emotion, *_cells(funnel))
            for (owner, emotion), funnel in inspection.by_generator_and_emotion.items()
            if owner == generator
        ]
    rows.append(("all", "all", *_cells(inspection.total)))
    columns = ("generator", "emotion", *STEPS, "kept %")
    return _table("Candidates", *columns, numbers=len(STEPS) + 1, rows=rows)


def _cells(funnel: Funnel) -> tuple[str, ...]:
    share = f"{100 * funnel.kept / funnel.planned:.0f}" if funnel.planned else ""
    return (*(str(getattr(funnel, step)) for step in STEPS), share)


def _reasons_table(inspection: Inspection) -> Any:
    rows = [
        (reason.outcome, reason.by, reason.reason, reason.generator, reason.example,
         str(reason.count))
        for reason in inspection.reasons
    ]  # fmt: skip
    columns = ("outcome", "by", "reason", "generator", "for example", "count")
    return _table("Reasons", *columns, numbers=1, rows=rows)


def _problems_table(run: RunNote) -> Any:
    shown = [(problem["where"], problem["problem"]) for problem in run.problems[:_PROBLEMS_SHOWN]]
    more = len(run.problems) - len(shown)
    if more:
        shown.append(("…", f"and {more} more (all of them with --json)"))
    return _table(f"{len(run.problems)} left out", "where", "why", numbers=0, rows=shown)


def _run_text(inspection: Inspection) -> Any:
    from rich.text import Text

    run = inspection.last_run
    if run is None:
        return Text("No run has started here.")
    end = f"finished {run.finished}" if run.finished else "not finished"
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    text = f"Last run: {run.number}, started {run.started}, {end}; seed {run.seed}; {versions}"
    text += f"\n{_judge_text(inspection)}\n{_audit_text(inspection)}"
    if run.left_out:
        counts = ", ".join(f"{count} {emotion}" for emotion, count in run.left_out.items())
        text += f"\nClips without a counterpart in the scheme: {counts}"
    return Text(text)


def _judge_text(inspection: Inspection) -> str:
    judge = inspection.judge
    if judge.qualified:
        return f"Judge: {judge.key}, its report card: {judge.card}"
    return f"Judge: {judge.key or 'none'}, UNQUALIFIED: {judge.reason}"


def _audit_text(inspection: Inspection) -> str:
    audit = inspection.audited
    if audit is None:
        return "Audit: unaudited, nobody has proven how much of what is kept is wrong"
    return (
        f"Audit: at most {audit['alpha']:.1%} of what is kept is wrong, with confidence "
        f"{audit['confidence']:.1%} ({audit['heard']} clips were heard)"
    )
