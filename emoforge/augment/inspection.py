"""What a workspace holds: recordings, the funnel, outcomes with their reasons, the last run.

Counting is done by the database, so that time and memory stay small at any size.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emoforge.workspace import Tally, Workspace

if TYPE_CHECKING:
    from rich.console import RenderableType

OUTCOMES = ("ok", "rejected", "failed", "skipped", "pending")
STEPS = ("planned", "generated", "gated", "judged", "kept")
_PROBLEMS_SHOWN = 10
_BY = ("", "generator", "gate", "judge", "selector")


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings of one split of one corpus; emotions: clips per emotion."""

    corpus: str
    split: str
    clips: int
    seconds: float
    speakers: int
    emotions: dict[str, int]
    licences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many candidates passed each step; each number is at most the one before it.

    gated: past the gates; judged: the judge gave a distribution; kept: the selector chose it.
    """

    planned: int = 0
    generated: int = 0
    gated: int = 0
    judged: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why candidates of one generator came to nothing, with one of the sentences.

    by: the step that said so: `generator`, `gate`, `judge` or `selector`.
    """

    outcome: str
    by: str
    generator: str
    reason: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class RunNote:
    """The latest run; `finished` is None while it runs, and after it was stopped."""

    number: int
    started: str
    finished: str | None
    seed: int | None
    versions: dict[str, str]
    problems: list[dict[str, str]]
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True)
class Basis:
    """Under what the numbers hold: scheme, selection and the gates' and judge's keys.

    Each is "" as long as there is none. Without a finished selection it is the scheme of the
    run that was stopped, and the gates and the judge that have said most.
    """

    scheme: str
    gates: str
    judge: str
    selection: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `emoforge inspect` shows. Emotions and generators are in name order."""

    workspace: str
    basis: Basis
    recordings: tuple[Recordings, ...]
    total: Funnel
    by_generator: dict[str, Funnel]
    by_emotion: dict[str, Funnel]
    by_generator_and_emotion: dict[tuple[str, str], Funnel]
    outcomes: dict[str, int]
    reasons: tuple[Reason, ...]
    last_run: RunNote | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the funnel per generator and emotion is nested."""
        plain = dataclasses.asdict(self)
        nested: dict[str, dict[str, Any]] = defaultdict(dict)
        for (generator, emotion), funnel in plain.pop("by_generator_and_emotion").items():
            nested[generator][emotion] = funnel
        return {**plain, "by_generator_and_emotion": dict(nested)}

    def tables(self) -> list["RenderableType"]:
        """The same for a terminal, as rich renderables."""
        return _tables(self)


def inspect_workspace(workspace: Workspace) -> Inspection:
    """Count what is in a workspace, as far as its runs have come."""
    basis = _basis(workspace)
    tallies = workspace.tallies(basis.gates, basis.judge, basis.selection)
    skipped = workspace.skipped()
    outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
    for tally in tallies:
        outcomes[tally.outcome] += tally.count
    outcomes["skipped"] += sum(count for _, _, count in skipped)
    return Inspection(
        workspace=workspace.location,
        basis=basis,
        recordings=_recordings(workspace),
        total=_funnel(tallies),
        by_generator={key: _funnel(group) for key, group in _grouped(tallies, "generator")},
        by_emotion={key: _funnel(group) for key, group in _grouped(tallies, "emotion")},
        by_generator_and_emotion={
            (generator, emotion): _funnel(cell)
            for generator, group in _grouped(tallies, "generator")
            for emotion, cell in _grouped(group, "emotion")
        },
        outcomes=dict(outcomes),
        reasons=_reasons(tallies, skipped),
        last_run=_last_run(workspace),
    )


def _basis(workspace: Workspace) -> Basis:
    run = workspace.last_run()
    config = workspace.selection_config(run["selection"]) if run else None
    if run and config:
        return Basis(config["scheme"], config["gates"], config["judge"], run["selection"])
    stopped = workspace.last_run(finished=False)
    gates, judges = workspace.row_counts("verdict"), workspace.row_counts("score")
    return Basis(
        str(stopped["config"].get("scheme", "")) if stopped else "",
        max(gates, key=lambda key: gates[key], default=""),
        max(judges, key=lambda key: judges[key], default=""),
        "",
    )


def _recordings(workspace: Workspace) -> tuple[Recordings, ...]:
    clips: Counter[tuple[str, str]] = Counter()
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    speakers, licences = defaultdict(set), defaultdict(set)
    emotions: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for corpus, split, speaker, licence, label, count, length in workspace.recordings():
        part = (corpus, split or "")
        clips[part] += count
        seconds[part] += length
        speakers[part].add(speaker)
        emotions[part][label.hard] += count
        if licence:
            licences[part].add(licence)
    return tuple(
        Recordings(
            corpus=part[0],
            split=part[1],
            clips=clips[part],
            seconds=round(seconds[part], 3),
            speakers=len(speakers[part]),
            emotions=dict(sorted(emotions[part].items())),
            licences=tuple(sorted(licences[part])),
        )
        for part in sorted(clips)
    )


def _grouped(tallies: Iterable[Tally], name: str) -> list[tuple[str, list[Tally]]]:
    groups: dict[str, list[Tally]] = defaultdict(list)
    for tally in tallies:
        groups[getattr(tally, name)].append(tally)
    return sorted(groups.items())


def _funnel(tallies: Iterable[Tally]) -> Funnel:
    reached: Counter[str] = Counter()
    for tally in tallies:
        for step in STEPS[: STEPS.index(tally.reached) + 1]:
            reached[step] += tally.count
    return Funnel(**reached)


def _reasons(
    tallies: Sequence[Tally], skipped: Sequence[tuple[str, str, int]]
) -> tuple[Reason, ...]:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    examples: dict[tuple[str, str, str, str], str] = {}
    for tally in tallies:
        if tally.by:
            key = (tally.outcome, tally.by, tally.generator, tally.reason)
            counts[key] += tally.count
            examples[key] = min(examples.get(key, tally.detail), tally.detail)
    for generator, sentence, count in skipped:
        key = ("skipped", "generator", generator, "declined")
        counts[key] += count
        examples.setdefault(key, sentence)
    order = sorted(
        counts, key=lambda key: (OUTCOMES.index(key[0]), _BY.index(key[1]), -counts[key], key)
    )
    return tuple(Reason(*key, counts[key], examples[key]) for key in order)


def _last_run(workspace: Workspace) -> RunNote | None:
    run = workspace.last_run(finished=False)
    if run is None:
        return None
    return RunNote(
        number=run["number"],
        started=run["started"],
        finished=run["finished"],
        seed=run["config"].get("seed"),
        versions=run["versions"],
        problems=run["problems"],
        left_out=run["left_out"],
    )


# --- for the terminal ------------------------------------------------------------------------


def _tables(inspection: Inspection) -> list["RenderableType"]:
    from rich.text import Text

    if not inspection.recordings:
        return [Text(f"{inspection.workspace}: an empty workspace, nothing is catalogued yet")]
    tables = [_recordings_table(inspection), _outcomes_table(inspection), _funnel_table(inspection)]
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
    return _table(
        f"{len(run.problems)} recordings cannot be used", "where", "what", numbers=0, rows=shown
    )


def _run_text(inspection: Inspection) -> Any:
    from rich.text import Text

    run = inspection.last_run
    if run is None:
        return Text("No run has started here.")
    end = f"finished {run.finished}" if run.finished else "not finished"
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    text = f"Last run: {run.number}, started {run.started}, {end}; seed {run.seed}; {versions}"
    if run.left_out:
        counts = ", ".join(f"{count} {emotion}" for emotion, count in run.left_out.items())
        text += f"\nClips without a counterpart in the scheme: {counts}"
    return Text(text)
