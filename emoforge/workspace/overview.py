"""What inspections and reports ask of a workspace: counts, standings, samples."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import sqlalchemy as sa

from emoforge.label import Label
from emoforge.workspace.database import PAGE, Database
from emoforge.workspace.records import Judgement, Standing, Tally
from emoforge.workspace.tables import CLIP, DECISION, LATEST, PLAN, PLANNED, SCORE, VERDICT


class Overview(Database):
    """Reads over the whole catalogue, counted by the database where that is possible."""

    def skipped(self) -> list[tuple[str, str, int]]:
        """(generator, reason, count) of the clips that generators declined."""
        columns = (PLANNED.c.generator, PLANNED.c.skipped)
        query = sa.select(*columns, sa.func.count()).where(PLANNED.c.skipped.is_not(None))
        return [tuple(row) for row in self.rows(query.group_by(*columns).order_by(*columns))]

    def row_counts(self, table: Literal["verdict", "score"]) -> dict[str, int]:
        """Rows that each gates' key has in `verdict`, or each judge in `score`."""
        key = VERDICT.c.gates if table == "verdict" else SCORE.c.judge
        return dict(self.rows(sa.select(key, sa.func.count()).group_by(key).order_by(key)))

    def recordings(self) -> Iterator[tuple[str, str | None, str, str | None, Label, int, float]]:
        """(corpus, split, speaker, licence, label, clips, seconds) of recordings alike in these."""
        alike = (CLIP.c.corpus, CLIP.c.split, CLIP.c.speaker, CLIP.c.licence, CLIP.c.label)
        query = sa.select(*alike, sa.func.count().label("n"), sa.func.sum(CLIP.c.duration))
        query = query.where(~CLIP.c.generated).group_by(*alike)
        query = query.order_by(*(column.nulls_first() for column in alike))
        for corpus, split, speaker, licence, label, count, seconds in self.rows(query):
            plain = Label.from_dict(json.loads(label))
            yield corpus, split, speaker, licence, plain, count, seconds

    def tallies(self, gates: str, judge: str, selection: str) -> list[Tally]:
        """All that is planned, counted by where it stands under these gates, judge, selection."""
        standing = _standing(gates, judge, selection)
        alike = [standing.c[name] for name in _ALIKE]
        query = sa.select(*alike, sa.func.min(standing.c.detail), sa.func.count())
        query = query.group_by(*alike).order_by(*alike)
        return [Tally(*row) for row in self.rows(query)]

    def standings(self, gates: str, judge: str, selection: str, each: int) -> list[Standing]:
        """The first `each` candidates, by id, of every group that `tallies` counts.

        Ids are digests: the first ones are a random sample, and always the same one.
        """
        standing = _standing(gates, judge, selection)
        order = sa.func.row_number().over(
            partition_by=[standing.c[name] for name in _ALIKE], order_by=standing.c.candidate
        )
        numbered = sa.select(standing, order.label("place")).subquery()
        columns = [numbered.c[column.name] for column in dataclasses.fields(Standing)]
        query = sa.select(*columns).where(numbered.c.place <= each)
        return [Standing(*row) for row in self.rows(query.order_by(numbered.c.candidate))]

    def judgements(self, judge: str, selection: str) -> Iterator[Judgement]:
        """What a judge said of every clip that it could score, in clip order."""
        query = (
            sa.select(
                SCORE.c.clip,
                sa.func.coalesce(PLAN.c.generator, ""),
                CLIP.c.corpus,
                CLIP.c.speaker,
                CLIP.c.label,
                SCORE.c.distributions,
                DECISION.c.keep,
            )
            .join(CLIP, CLIP.c.id == SCORE.c.clip)
            .outerjoin(PLAN, PLAN.c.id == SCORE.c.clip)
            .outerjoin(DECISION, _for_candidate(DECISION, "selection", selection, SCORE.c.clip))
            .where(SCORE.c.judge == judge, SCORE.c.error == "")
            .order_by(SCORE.c.clip)
        )
        for clip, generator, corpus, speaker, label, distributions, keep in self.rows(query):
            carried, heard = Label.from_dict(json.loads(label)), json.loads(distributions)
            yield Judgement(clip, generator, corpus, speaker, carried, heard, keep)

    def distributions(self, judge: str, ids: Sequence[str]) -> dict[str, dict[str, list[float]]]:
        """What a judge said of the named clips: clip → scheme → probabilities."""
        query = sa.select(SCORE.c.clip, SCORE.c.distributions)
        query = query.where(SCORE.c.judge == judge)
        pages = (ids[first : first + PAGE] for first in range(0, len(ids), PAGE))
        return {
            row.clip: json.loads(row.distributions)
            for page in pages
            for row in self.rows(query.where(SCORE.c.clip.in_(page)))
        }

    def kept_seconds(self, selection: str) -> float:
        """Total duration of what a selection keeps."""
        query = sa.select(sa.func.coalesce(sa.func.sum(CLIP.c.duration), 0.0))
        kept = sa.and_(DECISION.c.candidate == CLIP.c.id, DECISION.c.keep)
        query = query.join(DECISION, kept).where(DECISION.c.selection == selection)
        return float(next(self.rows(query))[0])


_ALIKE = ("generator", "emotion", "reached", "outcome", "by", "reason")


def _for_candidate(
    table: sa.Table, name: str, key: str, candidate: sa.ColumnElement[str]
) -> sa.ColumnElement[bool]:
    return sa.and_(table.c[name] == key, table.c.candidate == candidate)


def _standing(gates: str, judge: str, selection: str) -> sa.Subquery:
    """One row of `Standing` for each planned candidate; the first step that stopped it counts."""
    candidate = PLAN.c.id
    made, gate = LATEST.c.status, VERDICT.c.gate
    error, keep = SCORE.c.error, DECISION.c.keep
    # (condition, reached, outcome, by, reason, detail): the first whose condition holds.
    rules: list[tuple[Any, ...]] = [
        (made.is_(None), "planned", "pending", "", "", ""),
        *(
            (made == status, "planned", status, "generator", LATEST.c.reason, LATEST.c.detail)
            for status in ("rejected", "failed", "skipped")
        ),
        (gate != "", "generated", "rejected", "gate", gate, VERDICT.c.detail),
        (keep.is_(True), "kept", "ok", "", DECISION.c.reason, DECISION.c.detail),
        (error != "", "gated", "failed", "judge", "unscored", error),
        (keep.is_(False), "judged", "rejected", "selector", DECISION.c.reason, DECISION.c.detail),
        (error == "", "judged", "ok", "", "", ""),
        (gate == "", "gated", "ok", "", "", ""),
        (sa.true(), "generated", "ok", "", "", ""),
    ]
    columns = [
        sa.case(*((rule[0], rule[place]) for rule in rules)).label(name)
        for place, name in enumerate(("reached", "outcome", "by", "reason", "detail"), start=1)
    ]
    return (
        sa.select(
            candidate.label("candidate"),
            PLAN.c.generator,
            PLAN.c.emotion,
            PLAN.c.parent,
            *columns,
        )
        .outerjoin(LATEST, LATEST.c.candidate == candidate)
        .outerjoin(VERDICT, _for_candidate(VERDICT, "gates", gates, candidate))
        .outerjoin(SCORE, sa.and_(SCORE.c.judge == judge, SCORE.c.clip == candidate))
        .outerjoin(DECISION, _for_candidate(DECISION, "selection", selection, candidate))
        .subquery("standing")
    )
