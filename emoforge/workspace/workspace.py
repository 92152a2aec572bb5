"""The workspace as the steps of a run see it: each reads, and adds rows."""

import dataclasses
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa

from emoforge.clip import Clip
from emoforge.component import Plan, canonical_json
from emoforge.errors import WorkspaceError
from emoforge.workspace.database import PAGE
from emoforge.workspace.judging import Judging
from emoforge.workspace.overview import Overview
from emoforge.workspace.records import Decision, Known, Made
from emoforge.workspace.rows import (
    clip_row,
    line_row,
    plan_row,
    to_clip,
    to_line,
    to_made,
    to_plan,
)
from emoforge.workspace.tables import (
    CLIP,
    DECISION,
    IMPORT,
    LATEST,
    LINE,
    MEASUREMENT,
    OUTCOME,
    PLAN,
    PLANNED,
    RESULT,
    RUN,
    SELECTION,
    VERDICT,
)


class Workspace(Overview, Judging):
    """Open a workspace with `Workspace.open`; use it as a context manager."""

    # --- runs --------------------------------------------------------------------------------

    def start_run(self, config: Mapping[str, Any], versions: Mapping[str, str]) -> int:
        """Note that a run began, with its resolved configuration and versions; its number."""
        row = {"started": _now(), "config": json.dumps(config), "versions": json.dumps(versions)}
        self.add((RUN, [row]))
        numbers: list[int] = [row.number for row in self.rows(sa.select(RUN.c.number))]
        return max(numbers)

    def note_import(
        self, run: int, problems: Sequence[Mapping[str, str]], left_out: Mapping[str, int]
    ) -> None:
        """Note what of a run's corpus cannot be used (where, problem), and emotions left out."""
        row = {"run": run, "problems": json.dumps(problems), "left_out": json.dumps(left_out)}
        self.add((IMPORT, [row]))

    def finish_run(self, run: int, selection: str) -> None:
        """Note that a run ended well, and the selection that is its result."""
        self.add((RESULT, [{"run": run, "finished": _now(), "selection": selection}]))

    def last_run(self, *, finished: bool = True) -> dict[str, Any] | None:
        """The latest finished run: number, started, finished, config, versions, selection,
        and of its import problems and left_out.

        Without `finished` the latest run of all; `finished` and `selection` are None where it
        did not come to its end.
        """
        columns = (RESULT.c.finished, RESULT.c.selection, IMPORT.c.problems, IMPORT.c.left_out)
        query = sa.select(RUN, *columns)
        query = query.join(RESULT, RESULT.c.run == RUN.c.number, isouter=not finished)
        query = query.outerjoin(IMPORT, IMPORT.c.run == RUN.c.number)
        for row in self.rows(query.order_by(RUN.c.number.desc()).limit(1)):
            plain = dict(row._mapping)
            return {
                **plain,
                "config": json.loads(plain["config"]),
                "versions": json.loads(plain["versions"]),
                "problems": json.loads(plain["problems"] or "[]"),
                "left_out": json.loads(plain["left_out"] or "{}"),
            }
        return None

    # --- clips -------------------------------------------------------------------------------

    def known_recordings(self, corpus: str) -> dict[str, Known]:
        """What is catalogued of a corpus's recordings, by id."""
        columns = (CLIP.c.source_state, CLIP.c.digest, CLIP.c.duration, CLIP.c.rate)
        query = sa.select(CLIP.c.id, *columns)
        query = query.where(~CLIP.c.generated, CLIP.c.corpus == corpus)
        return {row[0]: Known(*row[1:]) for row in self.rows(query)}

    def add_recordings(self, clips: Sequence[tuple[Clip, str]]) -> None:
        """Catalogue recordings, each with its state."""
        self.add((CLIP, [clip_row(clip, clip.path, state) for clip, state in clips]))

    def clips(
        self, *, generated: bool | None = None, ids: Iterable[str] | None = None
    ) -> Iterator[Clip]:
        """Clips in id order: all, only recordings or only generated ones, or those named."""
        query = sa.select(CLIP).order_by(CLIP.c.id)
        if generated is not None:
            query = query.where(CLIP.c.generated == generated)
        if ids is None:
            yield from (to_clip(row, self.audio) for row in self.rows(query))
            return
        wanted = sorted(set(ids))
        for first in range(0, len(wanted), PAGE):
            page = query.where(CLIP.c.id.in_(wanted[first : first + PAGE]))
            yield from (to_clip(row, self.audio) for row in self.rows(page))

    def add_lines(self, lines: Iterable[Clip]) -> None:
        """Add texts to be spoken (clips without audio)."""
        self.add((LINE, [line_row(line) for line in lines]))

    def sources(self, ids: Iterable[str]) -> dict[str, Clip]:
        """Those of the named clips and lines that there are, by id."""
        wanted = sorted(set(ids))
        found = {clip.id: clip for clip in self.clips(ids=wanted)}
        missing = [name for name in wanted if name not in found]
        for first in range(0, len(missing), PAGE):
            page = sa.select(LINE).where(LINE.c.id.in_(missing[first : first + PAGE]))
            found.update((row.id, to_line(row)) for row in self.rows(page))
        return found

    def source(self, plan: Plan) -> Clip:
        """What a candidate is made from, with the references that its generator is given."""
        return with_references(plan, self.sources([plan.parent, *plan.references]))

    def find(self, prefix: str) -> str:
        """Full id of the one planned candidate whose id begins so; raises WorkspaceError."""
        query = sa.select(PLAN.c.id).where(PLAN.c.id.startswith(prefix, autoescape=True))
        found = [row.id for row in self.rows(query.order_by(PLAN.c.id).limit(3))]
        if len(found) == 1:
            return cast(str, found[0])
        problem = f"several candidates begin so ({', '.join(found)}, …)" if found else "no such id"
        raise WorkspaceError(f"{self.location}: candidate '{prefix}': {problem}")

    # --- plans -------------------------------------------------------------------------------

    def planned(self) -> dict[str, str | None]:
        """Key of everything planned so far (see `augment.planner`) → its candidate, if any."""
        return dict(self.rows(sa.select(PLANNED.c.key, PLANNED.c.candidate)))

    def add_plans(self, planned: Sequence[tuple[str, str, str, int, Plan | str]]) -> None:
        """Add (key, generator, parent, attempt, plan or the reason why there is none)."""
        keys = [
            {
                "key": key,
                "generator": generator,
                "parent": parent,
                "candidate": plan.id if isinstance(plan, Plan) else None,
                "skipped": None if isinstance(plan, Plan) else plan,
                "attempt": attempt,
            }
            for key, generator, parent, attempt, plan in planned
        ]
        plans = [plan_row(plan) for *_, plan in planned if isinstance(plan, Plan)]
        self.add((PLAN, plans), (PLANNED, keys))

    def plan(self, candidate: str) -> Plan:
        """The plan of one candidate."""
        return to_plan(next(self.rows(sa.select(PLAN).where(PLAN.c.id == candidate))))

    def pending(
        self,
        generators: Iterable[str],
        *,
        retry_failed: bool = False,
        among: Collection[str] | None = None,
    ) -> list[tuple[str, str, float]]:
        """Candidates not made yet, as (id, generator, promised duration), shortest first.

        With `retry_failed` also those whose latest attempt failed. `among`: of these ids only.
        """
        statuses: list[sa.ColumnElement[bool]] = [LATEST.c.status.is_(None)]
        if retry_failed:
            statuses.append(LATEST.c.status == "failed")
        query = (
            sa.select(PLAN.c.id, PLAN.c.generator, PLAN.c.duration)
            .outerjoin(LATEST, LATEST.c.candidate == PLAN.c.id)
            .where(PLAN.c.generator.in_(list(generators)), sa.or_(*statuses))
            .order_by(PLAN.c.generator, PLAN.c.duration, PLAN.c.id)
        )
        return [
            (candidate, generator, duration)
            for candidate, generator, duration in self.rows(query)
            if among is None or candidate in among
        ]

    def plans(self, ids: Sequence[str]) -> dict[str, Plan]:
        """Plans of the named candidates, by id."""
        return {
            row.id: to_plan(row) for row in self.rows(sa.select(PLAN).where(PLAN.c.id.in_(ids)))
        }

    # --- outcomes ----------------------------------------------------------------------------

    def add_outcomes(self, made: Sequence[Made]) -> None:
        """Add what generating gave, with the clips; their audio is stored already."""
        ids = [row.candidate for row in made]
        count = sa.select(OUTCOME.c.candidate, sa.func.count().label("n"))
        earlier = count.where(OUTCOME.c.candidate.in_(ids)).group_by(OUTCOME.c.candidate)
        attempts = {row.candidate: row.n for row in self.rows(earlier)}
        outcomes = [
            {
                "candidate": row.candidate,
                "attempt": attempts.get(row.candidate, 0) + 1,
                "status": row.status,
                "reason": row.reason,
                "detail": row.detail,
                "measured": canonical_json(dict(row.measured)),
                "fingerprint": None if row.fingerprint is None else row.fingerprint.tobytes(),
            }
            for row in made
        ]
        clips = [clip_row(row.clip, row.clip.path, None) for row in made if row.clip is not None]
        self.add((CLIP, clips), (OUTCOME, outcomes))

    def ungated_count(self, gates: str) -> int:
        """Number of made candidates that these gates have not judged."""
        judged = sa.and_(VERDICT.c.candidate == LATEST.c.candidate, VERDICT.c.gates == gates)
        query = sa.select(sa.func.count()).select_from(LATEST).outerjoin(VERDICT, judged)
        query = query.where(LATEST.c.status == "ok", VERDICT.c.candidate.is_(None))
        return int(next(self.rows(query))[0])

    def ungated(self, gates: str) -> Iterator[tuple[str, list[tuple[Made, str | None]]]]:
        """Families of candidates with one that these gates have not judged, parent by parent.

        Each is (parent, its made candidates in id order), each of these with its verdict: the
        rejecting gate, "" where it passed, None where it was not judged.
        """
        judged = sa.and_(VERDICT.c.candidate == LATEST.c.candidate, VERDICT.c.gates == gates)
        unjudged = (
            sa.select(PLAN.c.parent)
            .join(LATEST, LATEST.c.candidate == PLAN.c.id)
            .outerjoin(VERDICT, judged)
            .where(LATEST.c.status == "ok", VERDICT.c.candidate.is_(None))
        )
        query = (
            sa.select(LATEST, PLAN.c.parent, VERDICT.c.gate)
            .join(PLAN, LATEST.c.candidate == PLAN.c.id)
            .outerjoin(VERDICT, judged)
            .where(LATEST.c.status == "ok", PLAN.c.parent.in_(unjudged))
            .order_by(PLAN.c.parent, PLAN.c.id)
        )
        for parent, rows in itertools.groupby(self.rows(query), key=lambda row: row.parent):
            yield parent, [(to_made(row), row.gate) for row in rows]

    def not_good(self, gates: str) -> set[str]:
        """Candidates that failed, or that their generator or these gates rejected."""
        bad = sa.select(LATEST.c.candidate).where(LATEST.c.status.in_(("failed", "rejected")))
        refused = sa.select(VERDICT.c.candidate)
        refused = refused.where(VERDICT.c.gates == gates, VERDICT.c.gate != "")
        return {row.candidate for query in (bad, refused) for row in self.rows(query)}

    def broken(self, reason: str) -> set[str]:
        """Candidates that failed for this reason."""
        query = sa.select(LATEST.c.candidate)
        query = query.where(LATEST.c.status == "failed", LATEST.c.reason == reason)
        return {row.candidate for row in self.rows(query)}

    def made(self, candidate: str) -> Made | None:
        """The latest outcome of one candidate, without its clip."""
        for row in self.rows(sa.select(LATEST).where(LATEST.c.candidate == candidate)):
            return to_made(row)
        return None

    def measured_late(self) -> dict[str, dict[str, float | str | None]]:
        """Candidate → gate → what was measured after the candidates were made, or the error."""
        found: dict[str, dict[str, float | str | None]] = {}
        for row in self.rows(sa.select(MEASUREMENT)):
            found.setdefault(row.candidate, {})[row.gate] = row.error or row.value
        return found

    def add_measurements(self, rows: Iterable[tuple[str, str, float | str | None]]) -> None:
        """Add (candidate, gate, value or error) of what was measured later."""
        plain = [
            {
                "candidate": candidate,
                "gate": gate,
                "value": None if isinstance(value, str) else value,
                "error": value if isinstance(value, str) else "",
            }
            for candidate, gate, value in rows
        ]
        self.add((MEASUREMENT, plain))

    # --- verdicts of the gates -----------------------------------------------------------------

    def add_verdicts(self, gates: str, verdicts: Iterable[tuple[str, str, str]]) -> None:
        """Add (candidate, rejecting gate or "", sentence) under the gates' key."""
        rows = [
            {"gates": gates, "candidate": candidate, "gate": gate, "detail": detail}
            for candidate, gate, detail in verdicts
        ]
        self.add((VERDICT, rows))

    # --- decisions ---------------------------------------------------------------------------

    def selection_config(self, key: str) -> dict[str, Any] | None:
        """Judge, gates, scheme and selector of a selection, or None if it was never made."""
        for row in self.rows(sa.select(SELECTION.c.config).where(SELECTION.c.key == key)):
            return cast(dict[str, Any], json.loads(row.config))
        return None

    def add_selection(
        self, key: str, config: Mapping[str, Any], decisions: Iterable[Decision]
    ) -> None:
        """Add a selection with all its decisions at once."""
        rows = [{"selection": key, **dataclasses.asdict(decision)} for decision in decisions]
        self.add((DECISION, rows), (SELECTION, [{"key": key, "config": canonical_json(config)}]))

    def decisions(self, selection: str) -> Iterator[Decision]:
        """Decisions of one selection in candidate order."""
        query = sa.select(DECISION).where(DECISION.c.selection == selection)
        for row in self.rows(query.order_by(DECISION.c.candidate)):
            yield Decision(row.candidate, row.keep, row.reason, row.detail, row.probability)


def with_references(plan: Plan, sources: Mapping[str, Clip]) -> Clip:
    """A plan's parent, with the plan's references in it."""
    references = tuple(sources[name] for name in plan.references)
    return dataclasses.replace(sources[plan.parent], references=references)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
