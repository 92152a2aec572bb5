"""What judges and raters say: encodings, scores, votes, and the rounds of a selection."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from emoforge.component import canonical_json
from emoforge.errors import WorkspaceError
from emoforge.label import Label
from emoforge.workspace.database import PAGE, Database
from emoforge.workspace.records import Audit, Decision, Encoded, Judged, Scored, Vote
from emoforge.workspace.tables import (
    AUDIT,
    CLIP,
    DECISION,
    ENCODING,
    LINE,
    PLAN,
    ROUND,
    SAMPLE,
    SCORE,
    VERDICT,
    VOTE,
)


class Judging(Database):
    """Rows about clips that are there: adding them, and reading them back."""

    # --- encodings and scores ----------------------------------------------------------------

    def judgeable(self, judge: str, gates: str) -> list[tuple[str, float, bool]]:
        """(id, duration, has a score) of recordings and of candidates past the gates.

        Shortest first, in an order that does not depend on what is scored already.
        """
        query = (
            sa.select(CLIP.c.id, CLIP.c.duration, SCORE.c.clip.is_not(None))
            .outerjoin(SCORE, sa.and_(SCORE.c.clip == CLIP.c.id, SCORE.c.judge == judge))
            .where(_recording_or_past(gates))
            .order_by(CLIP.c.duration, CLIP.c.id)
        )
        return [tuple(row) for row in self.rows(query)]

    def add_judged(
        self, encoder: str, encodings: Sequence[Encoded], judge: str, scores: Sequence[Scored]
    ) -> None:
        """Add what an encoder made of a batch of clips, and what a judge said of them."""
        encoding_rows = [
            {
                "encoder": encoder,
                "clip": row.clip,
                "parts": len(row.embedding),
                "embedding": row.embedding.astype(np.float32, copy=False).tobytes(),
                "native": _plain(row.native),
            }
            for row in encodings
        ]
        score_rows = [
            {
                "judge": judge,
                "clip": score.clip,
                "distributions": _plain(score.distributions),
                "error": score.error,
            }
            for score in scores
        ]
        self.add((ENCODING, encoding_rows), (SCORE, score_rows))

    def encodings(self, encoder: str, ids: Iterable[str]) -> Iterator[Encoded]:
        """What an encoder made of those of the named clips that it has encoded, in id order."""
        for row in self._encodings(encoder, sorted(set(ids)), ENCODING.c.native):
            yield Encoded(row.clip, _embedding(row), json.loads(row.native))

    def embeddings(self, encoder: str, ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embeddings [n, parts, width] of clips, `ids` in id order.

        Raises WorkspaceError if one is missing, or has another shape than the first.
        """
        found = np.empty((0, 1, 1), np.float32)
        place = 0
        for place, row in enumerate(self._encodings(encoder, ids), start=1):
            embedding = _embedding(row)
            if place == 1:
                found = np.empty((len(ids), *embedding.shape), np.float32)
            if embedding.shape != found.shape[1:]:
                raise WorkspaceError(
                    f"{self.location}: the embedding of clip {row.clip} has shape "
                    f"{embedding.shape}, that of the others is {found.shape[1:]}"
                )
            found[place - 1] = embedding
        if place < len(ids):
            raise WorkspaceError(
                f"{self.location}: {len(ids) - place} of {len(ids)} clips have no embedding of "
                f"{encoder}; if those there are of other weights, judge the clips anew"
            )
        return found

    def _encodings(
        self, encoder: str, ids: Sequence[str], *more: sa.ColumnElement[Any]
    ) -> Iterator[Any]:
        """Rows of those of the named clips (in id order) that are there, page by page."""
        columns = (ENCODING.c.clip, ENCODING.c.parts, ENCODING.c.embedding, *more)
        query = sa.select(*columns).where(ENCODING.c.encoder == encoder)
        for first in range(0, len(ids), PAGE):
            page = query.where(ENCODING.c.clip.in_(ids[first : first + PAGE]))
            yield from self.rows(page.order_by(ENCODING.c.clip))

    def scored_ids(self, judge: str, gates: str) -> list[str]:
        """Ids of the judged recordings, and of the judged candidates past the gates, in order."""
        query = (
            sa.select(CLIP.c.id)
            .join(SCORE, sa.and_(SCORE.c.clip == CLIP.c.id, SCORE.c.judge == judge))
            .where(_recording_or_past(gates), SCORE.c.error == "")
            .order_by(CLIP.c.id)
        )
        return [row.id for row in self.rows(query)]

    def judged(self, judge: str, gates: str, *, generated: bool) -> Iterator[Judged]:
        """Judged recordings, or judged candidates past the gates, in id order."""
        query = (
            sa.select(
                CLIP.c.id,
                sa.func.coalesce(PLAN.c.generator, ""),
                CLIP.c.corpus,
                CLIP.c.speaker,
                CLIP.c.split,
                sa.case((LINE.c.id.is_(None), sa.func.coalesce(PLAN.c.parent, "")), else_=""),
                CLIP.c.label,
                SCORE.c.distributions,
                sa.func.coalesce(PLAN.c.others, "[]"),
            )
            .join(SCORE, sa.and_(SCORE.c.clip == CLIP.c.id, SCORE.c.judge == judge))
            .outerjoin(PLAN, PLAN.c.id == CLIP.c.id)
            .outerjoin(LINE, LINE.c.id == PLAN.c.parent)
            .where(CLIP.c.generated == generated, _recording_or_past(gates), SCORE.c.error == "")
            .order_by(CLIP.c.id)
        )
        for row in self.rows(query):
            clip, generator, corpus, speaker, split, parent, label, heard, others = row
            references = () if others == "[]" else tuple(json.loads(others))
            carried, distributions = _label(label), json.loads(heard)
            yield Judged(
                clip, generator, corpus, speaker, split, parent, carried, distributions, references
            )

    # --- votes -------------------------------------------------------------------------------

    def add_votes(self, votes: Sequence[Vote]) -> None:
        """Add raters' votes; a rater's first vote on a clip stays."""
        self.add((VOTE, [dataclasses.asdict(vote) for vote in votes]))

    def votes(self) -> list[Vote]:
        """All votes in the order of clip and rater."""
        query = sa.select(VOTE).order_by(VOTE.c.clip, VOTE.c.rater)
        return [Vote(*row) for row in self.rows(query)]

    # --- audits ------------------------------------------------------------------------------

    def decided(self, selection: str) -> Iterator[tuple[Decision, str, str]]:
        """(decision, generator, emotion that it carries) of a selection, in candidate order."""
        query = sa.select(DECISION, PLAN.c.generator, PLAN.c.emotion)
        query = query.join(PLAN, PLAN.c.id == DECISION.c.candidate)
        query = query.where(DECISION.c.selection == selection).order_by(DECISION.c.candidate)
        for row in self.rows(query):
            decision = Decision(row.candidate, row.keep, row.reason, row.detail, row.probability)
            yield decision, row.generator, row.emotion

    def add_audit(self, audit: Audit) -> None:
        """Note a sample that was drawn; one that is there already stays."""
        row = {"key": audit.key, "selection": audit.selection, "config": _plain(audit.config)}
        sample = [
            {"audit": audit.key, "place": place, "clip": clip, "stratum": stratum}
            for place, (clip, stratum) in enumerate(audit.sample, start=1)
        ]
        self.add((AUDIT, [row]), (SAMPLE, sample))

    def audits(self, selection: str | None = None) -> list[Audit]:
        """Samples drawn from one selection, or from all, in the order in which they were drawn."""
        query = sa.select(AUDIT).order_by(AUDIT.c.number)
        if selection is not None:
            query = query.where(AUDIT.c.selection == selection)
        places = sa.select(SAMPLE.c.clip, SAMPLE.c.stratum).order_by(SAMPLE.c.place)
        return [
            Audit(
                row.key,
                row.selection,
                json.loads(row.config),
                [tuple(one) for one in self.rows(places.where(SAMPLE.c.audit == row.key))],
            )
            for row in self.rows(query)
        ]

    # --- rounds of a selection -----------------------------------------------------------------

    def add_round(
        self, selection: str, number: int, log: Mapping[str, Any], kept: npt.NDArray[np.bool_]
    ) -> None:
        """Note a finished round: what was measured, and which candidates (in id order) it keeps."""
        bits = np.packbits(kept).tobytes()
        row = {"selection": selection, "number": number, "log": _plain(log), "kept": bits}
        self.add((ROUND, [row]))

    def rounds(self, selection: str) -> list[tuple[int, dict[str, Any], npt.NDArray[np.bool_]]]:
        """(number, log, kept as bits padded to whole bytes) of the finished rounds, in order."""
        query = sa.select(ROUND).where(ROUND.c.selection == selection).order_by(ROUND.c.number)
        return [
            (
                row.number,
                json.loads(row.log),
                np.unpackbits(np.frombuffer(row.kept, np.uint8)).astype(bool),
            )
            for row in self.rows(query)
        ]


@lru_cache(maxsize=4096)
def _label(text: str) -> Label:
    """A label from its JSON; a million clips carry few different ones."""
    return Label.from_dict(json.loads(text))


def _embedding(row: Any) -> npt.NDArray[np.float32]:
    return np.frombuffer(row.embedding, np.float32).reshape(row.parts, -1)


def _recording_or_past(gates: str) -> sa.ColumnElement[bool]:
    passed = sa.select(VERDICT.c.candidate).where(VERDICT.c.gates == gates, VERDICT.c.gate == "")
    return sa.or_(~CLIP.c.generated, CLIP.c.id.in_(passed))


def _plain(values: Mapping[str, Any]) -> str:
    return canonical_json(
        {
            name: [float(p) for p in value] if isinstance(value, tuple) else value
            for name, value in values.items()
        }
    )
