"""What a workspace holds: recordings, the funnel, outcomes with their reasons, the last run.

Counting is done by the database, so that time and memory stay small at any size.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emoforge.augment.qualification import Qualified, qualified
from emoforge.workspace import Tally, Workspace

OUTCOMES = ("ok", "rejected", "failed", "skipped", "pending")
STEPS = ("planned", "generated", "gated", "judged", "kept")
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
    judge: Qualified
    audited: dict[str, Any] | None = None
    """What people proved of what is kept (see `emoforge.augment.guarantee`); None: unaudited."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the funnel per generator and emotion is nested."""
        plain = dataclasses.asdict(self)
        nested: dict[str, dict[str, Any]] = defaultdict(dict)
        for (generator, emotion), funnel in plain.pop("by_generator_and_emotion").items():
            nested[generator][emotion] = funnel
        return {**plain, "by_generator_and_emotion": dict(nested)}


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
        judge=_judge(workspace, basis),
        audited=(workspace.selection_config(basis.selection) or {}).get("audit"),
    )


def _judge(workspace: Workspace, basis: Basis) -> Qualified:
    run = workspace.last_run() or workspace.last_run(finished=False)
    return qualified(basis.judge, (run["config"].get("judge") if run else None) or {})


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
