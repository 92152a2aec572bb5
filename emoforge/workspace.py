"""The workspace: a catalogue of clips, plans, outcomes, scores and decisions, and the audio.

The catalogue is SQLite in write-ahead mode, or any database that SQLAlchemy reaches by a URL;
the audio lies as FLAC in a sharded folder under the audio root, a local path or an fsspec URL.
Every step adds rows and none changes what an earlier step wrote. One process at a time writes:
it holds the lock, and writes a batch's audio before it commits the batch's rows.
"""

import dataclasses
import errno
import fcntl
import importlib.util
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from emoforge.clip import Clip, Lineage
from emoforge.component import Plan, Promise, Status, canonical_json
from emoforge.errors import RequirementError, WorkspaceBusyError, WorkspaceError
from emoforge.label import Label

SCHEMA = 1
CATALOGUE = "catalogue.db"
LOCK = "lock"
PARTIAL = ".partial"
"""Folder under the audio root for files that are being written; a killed run leaves some."""

PAGE = 1000
"""Rows read from the catalogue at a time, so that memory stays flat."""

# Sorted by code point everywhere, as Python sorts: PostgreSQL would follow the server's locale.
_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

_TABLES = sa.MetaData()
_META = sa.Table(
    "meta",
    _TABLES,
    sa.Column("key", _TEXT, primary_key=True),
    sa.Column("value", _TEXT, nullable=False),
)
_RUN = sa.Table(
    "run",
    _TABLES,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("started", _TEXT, nullable=False),
    sa.Column("config", _TEXT, nullable=False),
    sa.Column("versions", _TEXT, nullable=False),
)
_RESULT = sa.Table(
    "result",
    _TABLES,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("finished", _TEXT, nullable=False),
    sa.Column("selection", _TEXT, nullable=False),
)
_CLIP = sa.Table(
    "clip",
    _TABLES,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("generated", sa.Boolean, nullable=False, index=True),
    sa.Column("corpus", _TEXT, nullable=False),
    sa.Column("path", _TEXT, nullable=False),
    sa.Column("start", sa.Float, nullable=False),
    sa.Column("duration", sa.Float, nullable=False),
    sa.Column("rate", sa.Integer, nullable=False),
    sa.Column("digest", _TEXT, nullable=False),
    sa.Column("label", _TEXT, nullable=False),
    sa.Column("speaker", _TEXT, nullable=False),
    sa.Column("text", _TEXT),
    sa.Column("language", _TEXT),
    sa.Column("gender", _TEXT),
    sa.Column("split", _TEXT),
    sa.Column("licence", _TEXT),
    sa.Column("lineage", _TEXT),
    # For a recording: what the corpus said of it, and its file's size and time, to notice change.
    sa.Column("source_state", _TEXT),
)
_PLANNED = sa.Table(
    "planned",
    _TABLES,
    sa.Column("key", _TEXT, primary_key=True),
    sa.Column("generator", _TEXT, nullable=False),
    sa.Column("parent", _TEXT, nullable=False),
    sa.Column("candidate", _TEXT),
    sa.Column("skipped", _TEXT),
    sqlite_with_rowid=False,
)
_PLAN = sa.Table(
    "plan",
    _TABLES,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("generator", _TEXT, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("weights", _TEXT, nullable=False),
    sa.Column("parent", _TEXT, nullable=False, index=True),
    sa.Column("params", _TEXT, nullable=False),
    sa.Column("label", _TEXT, nullable=False),
    sa.Column("emotion", _TEXT, nullable=False),
    sa.Column("speaker", _TEXT, nullable=False),
    sa.Column("duration", sa.Float, nullable=False),
    sa.Column("text", _TEXT),
    sa.Column("language", _TEXT),
    sa.Column("gender", _TEXT),
)
_OUTCOME = sa.Table(
    "outcome",
    _TABLES,
    sa.Column("candidate", _TEXT, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("status", _TEXT, nullable=False),
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("detail", _TEXT, nullable=False),
    sa.Column("measured", _TEXT, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary),
)
_VERDICT = sa.Table(
    "verdict",
    _TABLES,
    sa.Column("gates", _TEXT, primary_key=True),
    sa.Column("candidate", _TEXT, primary_key=True),
    sa.Column("gate", _TEXT, nullable=False),
    sa.Column("detail", _TEXT, nullable=False),
    sqlite_with_rowid=False,
)
_SCORE = sa.Table(
    "score",
    _TABLES,
    sa.Column("judge", _TEXT, primary_key=True),
    sa.Column("clip", _TEXT, primary_key=True),
    sa.Column("distributions", _TEXT, nullable=False),
    sa.Column("embedding", sa.LargeBinary),
    sa.Column("error", _TEXT, nullable=False),
)
_SELECTION = sa.Table(
    "selection",
    _TABLES,
    sa.Column("key", _TEXT, primary_key=True),
    sa.Column("config", _TEXT, nullable=False),
)
_DECISION = sa.Table(
    "decision",
    _TABLES,
    sa.Column("selection", _TEXT, primary_key=True),
    sa.Column("candidate", _TEXT, primary_key=True),
    sa.Column("keep", sa.Boolean, nullable=False),
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("detail", _TEXT, nullable=False),
    sa.Column("probability", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)


class Known(NamedTuple):
    """A catalogued recording: its state when it was read, and what was measured then."""

    state: str
    digest: str
    duration: float
    rate: int


@dataclass(frozen=True, slots=True)
class Made:
    """One row of what generating gave: the clip where it succeeded, and what was measured."""

    candidate: str
    status: Status
    reason: str
    detail: str
    measured: Mapping[str, float]
    fingerprint: npt.NDArray[np.float32] | None = None
    clip: Clip | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """One row of what a judge gave: a distribution a scheme, or the error that prevented it."""

    clip: str
    distributions: Mapping[str, Sequence[float]]
    embedding: npt.NDArray[np.float32] | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Keep a candidate or not, and why; probability is the judge's for the carried label."""

    candidate: str
    keep: bool
    reason: str
    detail: str
    probability: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one planned candidate has come, and what became of it.

    reached: the last step that it passed; "planned" where it has not been made or not well.
    outcome: "ok" (kept, or not rejected yet), "rejected", "failed", "skipped", or "pending".
    by: which step gave a rejection or failure: "generator", "gate", "judge" or "selector".
    """

    candidate: str
    generator: str
    emotion: str
    parent: str
    reached: Literal["planned", "generated", "gated", "judged", "kept"]
    outcome: Literal["ok", "rejected", "failed", "skipped", "pending"]
    by: Literal["", "generator", "gate", "judge", "selector"]
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many candidates stand alike; `detail` is the first of their sentences."""

    generator: str
    emotion: str
    reached: str
    outcome: str
    by: str
    reason: str
    detail: str
    count: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's distributions for one clip and the label it carries.

    generator: "" for a recording; keep: the selector's decision, None where there is none.
    """

    clip: str
    generator: str
    corpus: str
    speaker: str
    label: Label
    distributions: Mapping[str, Sequence[float]]
    keep: bool | None


class AudioStore:
    """Where generated audio lies: `root/ab/ab12….flac`; `root` is a local path or fsspec URL.

    Plain data, so that worker processes can have a copy.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.remote = "://" in root

    def path(self, key: str) -> str:
        """Full path or URL of a stored clip, from its key or its candidate id."""
        if "/" not in key:
            key = f"{key[:2]}/{key}.flac"
        return f"{self.root}/{key}"

    def clear_partial(self) -> None:
        """Remove what a killed run left half-written."""
        if not self.remote:
            shutil.rmtree(Path(self.root) / PARTIAL, ignore_errors=True)

    def write(self, candidate: str, flac: bytes) -> str:
        """Store a file under a temporary name, then rename it; returns its key.

        Raises WorkspaceError when the disk is full or the place cannot be written.
        """
        key = f"{candidate[:2]}/{candidate}.flac"
        try:
            if self.remote:
                import fsspec

                # Object stores show an object only once all of it has arrived.
                with fsspec.open(self.path(key), "wb") as target:
                    target.write(flac)
            else:
                final = Path(self.path(key))
                partial = Path(self.root) / PARTIAL / f"{candidate}.{os.getpid()}"
                final.parent.mkdir(parents=True, exist_ok=True)
                partial.parent.mkdir(exist_ok=True)
                try:
                    partial.write_bytes(flac)
                    partial.replace(final)
                finally:
                    partial.unlink(missing_ok=True)
        except OSError as error:
            raise WorkspaceError(_storage_sentence(self.root, error)) from error
        return key


def _storage_sentence(place: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{place}: the disk is full; free some space and run the same command again"
    return f"{place}: cannot be written ({error.strerror or error})"


def _reason(error: sa.exc.DBAPIError) -> str:
    """The first line of what the database itself says."""
    return str(error.orig).strip().splitlines()[0]


def _postgresql(location: str) -> sa.URL:
    """The database's URL, with the driver that emoforge installs; raises WorkspaceError."""
    try:
        url = sa.make_url(location)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise WorkspaceError("the workspace's URL is not a database URL") from error
    if url.get_backend_name() != "postgresql":
        raise WorkspaceError(
            f"{url.render_as_string(hide_password=True)}: a workspace is a folder or a "
            "PostgreSQL database (postgresql://user@host/database)"
        )
    if importlib.util.find_spec("psycopg") is None:
        raise RequirementError(
            "a PostgreSQL workspace needs the Python package 'psycopg' "
            "(pip install 'emoforge[team]')"
        )
    return url.set(drivername="postgresql+psycopg")


class Workspace:
    """Open a workspace with `Workspace.open`; use it as a context manager."""

    def __init__(self, location: str, engine: Engine, audio: AudioStore) -> None:
        self.location = location
        self.audio = audio
        self._engine = engine
        self._lock: Any = None

    # --- opening ---------------------------------------------------------------------------

    @classmethod
    def open(
        cls, location: str | Path, audio_root: str | None = None, *, write: bool = False
    ) -> Self:
        """Open a workspace folder, or a database URL with an audio root.

        With `write`, creates it where it is missing and takes the writer's lock. Raises
        WorkspaceError if it is missing, not a workspace, or of another schema, and
        WorkspaceBusyError if another process is writing to it.
        """
        text = str(location)
        if "://" in text:
            url = _postgresql(text)
            text = url.render_as_string(hide_password=True)
            if audio_root is None:
                raise WorkspaceError(f"{text}: a database needs an audio root (audio_root=…)")
            workspace = cls(text, sa.create_engine(url), AudioStore(audio_root.rstrip("/")))
        else:
            folder = Path(text).absolute()
            database = folder / CATALOGUE
            if not write and not database.exists():
                raise WorkspaceError(f"{text}: there is no workspace here (no {CATALOGUE})")
            if write:
                others = folder.is_dir() and any(item.name != LOCK for item in folder.iterdir())
                if others and not database.exists():
                    raise WorkspaceError(
                        f"{text}: this folder holds other files and no workspace; "
                        "name an empty or a new folder"
                    )
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise WorkspaceError(_storage_sentence(text, error)) from error
            engine = sa.create_engine(f"sqlite:///{database}")
            sa.event.listen(engine, "connect", _sqlite_settings)
            workspace = cls(text, engine, AudioStore(audio_root or str(folder / "audio")))
        try:
            if write:
                workspace._take_lock()
                _TABLES.create_all(workspace._engine)
                workspace.audio.clear_partial()
            workspace._check_schema(write)
        except sa.exc.DBAPIError as error:
            workspace.close()
            raise WorkspaceError(
                f"{text}: the catalogue cannot be opened ({_reason(error)})"
            ) from error
        except WorkspaceError:
            workspace.close()
            raise
        return workspace

    def _take_lock(self) -> None:
        busy = (
            f"{self.location}: another run is writing to this workspace; "
            "wait for it, or name another one"
        )
        if self._engine.dialect.name == "postgresql":
            self._lock = self._engine.connect()
            query = sa.text("SELECT pg_try_advisory_lock(hashtext('emoforge'))")
            if not self._lock.execute(query).scalar():
                raise WorkspaceBusyError(busy)
            self._lock.commit()
        else:
            self._lock = open(Path(self.location) / LOCK, "w")  # noqa: SIM115 - held until close
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise WorkspaceBusyError(busy) from error

    def _check_schema(self, write: bool) -> None:
        with self._engine.begin() as db:
            if not sa.inspect(db).has_table(_META.name):
                raise WorkspaceError(f"{self.location}: the database is no catalogue of emoforge")
            found = db.execute(sa.select(_META.c.value).where(_META.c.key == "schema")).scalar()
            if found is None and write:
                db.execute(_META.insert().values(key="schema", value=str(SCHEMA)))
            elif found != str(SCHEMA):
                raise WorkspaceError(
                    f"{self.location}: this workspace has schema {found}, this emoforge reads "
                    f"schema {SCHEMA}; use the emoforge that made it, or a new workspace"
                )

    def close(self) -> None:
        """Let go of the database and of the writer's lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- reading and writing rows ------------------------------------------------------------

    def _add(self, *batches: tuple[sa.Table, list[dict[str, Any]]]) -> None:
        """Add rows to several tables in one transaction; rows that are there already stay."""
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        try:
            with self._engine.begin() as db:
                for table, rows in batches:
                    if rows:
                        db.execute(insert(table).on_conflict_do_nothing(), rows)
        except sa.exc.OperationalError as error:
            reason = _reason(error)
            # SQLite's and PostgreSQL's words.
            if "is full" in reason or "No space left" in reason:
                full = OSError(errno.ENOSPC, "")
                raise WorkspaceError(_storage_sentence(self.location, full)) from error
            raise WorkspaceError(f"{self.location}: cannot be written ({reason})") from error

    def _rows(self, query: sa.Select[Any]) -> Iterator[Any]:
        """Rows of a query, streamed page by page."""
        with self._engine.connect() as db:
            result = db.execution_options(yield_per=PAGE).execute(query)
            for page in result.partitions():
                yield from page

    def table_rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Every row of one table in primary-key order, as plain values (for tests and tools)."""
        table = _TABLES.tables[name]
        for row in self._rows(sa.select(table).order_by(*table.primary_key.columns)):
            yield dict(row._mapping)

    # --- runs --------------------------------------------------------------------------------

    def start_run(self, config: Mapping[str, Any], versions: Mapping[str, str]) -> int:
        """Note that a run began, with its resolved configuration and versions; its number."""
        row = {"started": _now(), "config": json.dumps(config), "versions": json.dumps(versions)}
        self._add((_RUN, [row]))
        numbers: list[int] = [row.number for row in self._rows(sa.select(_RUN.c.number))]
        return max(numbers)

    def finish_run(self, run: int, selection: str) -> None:
        """Note that a run ended well, and the selection that is its result."""
        self._add((_RESULT, [{"run": run, "finished": _now(), "selection": selection}]))

    def last_run(self, *, finished: bool = True) -> dict[str, Any] | None:
        """The latest finished run: number, started, finished, config, versions, selection.

        Without `finished` the latest run of all; `finished` and `selection` are None where it
        did not come to its end.
        """
        query = sa.select(_RUN, _RESULT.c.finished, _RESULT.c.selection)
        query = query.join(_RESULT, _RESULT.c.run == _RUN.c.number, isouter=not finished)
        for row in self._rows(query.order_by(_RUN.c.number.desc()).limit(1)):
            plain = dict(row._mapping)
            return {
                **plain,
                "config": json.loads(plain["config"]),
                "versions": json.loads(plain["versions"]),
            }
        return None

    # --- clips -------------------------------------------------------------------------------

    def known_recordings(self, corpus: str) -> dict[str, Known]:
        """What is catalogued of a corpus's recordings, by id."""
        columns = (_CLIP.c.source_state, _CLIP.c.digest, _CLIP.c.duration, _CLIP.c.rate)
        query = sa.select(_CLIP.c.id, *columns)
        query = query.where(~_CLIP.c.generated, _CLIP.c.corpus == corpus)
        return {row[0]: Known(*row[1:]) for row in self._rows(query)}

    def add_recordings(self, clips: Sequence[tuple[Clip, str]]) -> None:
        """Catalogue recordings, each with its state."""
        self._add((_CLIP, [_clip_row(clip, clip.path, state) for clip, state in clips]))

    def clips(
        self, *, generated: bool | None = None, ids: Iterable[str] | None = None
    ) -> Iterator[Clip]:
        """Clips in id order: all, only recordings or only generated ones, or those named."""
        query = sa.select(_CLIP).order_by(_CLIP.c.id)
        if generated is not None:
            query = query.where(_CLIP.c.generated == generated)
        if ids is None:
            yield from map(self._clip, self._rows(query))
            return
        wanted = sorted(set(ids))
        for first in range(0, len(wanted), PAGE):
            page = query.where(_CLIP.c.id.in_(wanted[first : first + PAGE]))
            yield from map(self._clip, self._rows(page))

    def _clip(self, row: Any) -> Clip:
        lineage = None
        if row.lineage:
            plain = json.loads(row.lineage)
            plain["parents"] = tuple(plain["parents"])
            plain["parent_digests"] = tuple(plain["parent_digests"])
            lineage = Lineage(**plain)
        return Clip(
            id=row.id,
            path=self.audio.path(row.path) if row.generated else row.path,
            start=row.start,
            duration=row.duration,
            rate=row.rate,
            digest=row.digest,
            label=Label.from_dict(json.loads(row.label)),
            speaker=row.speaker,
            corpus=row.corpus,
            text=row.text,
            language=row.language,
            gender=row.gender,
            split=row.split,
            licence=row.licence,
            lineage=lineage,
        )

    def find(self, prefix: str) -> str:
        """Full id of the one planned candidate whose id begins so; raises WorkspaceError."""
        query = sa.select(_PLAN.c.id).where(_PLAN.c.id.startswith(prefix, autoescape=True))
        found = [row.id for row in self._rows(query.order_by(_PLAN.c.id).limit(3))]
        if len(found) == 1:
            return cast(str, found[0])
        problem = f"several candidates begin so ({', '.join(found)}, …)" if found else "no such id"
        raise WorkspaceError(f"{self.location}: candidate '{prefix}': {problem}")

    # --- plans -------------------------------------------------------------------------------

    def planned_keys(self) -> set[str]:
        """Keys of everything planned so far (see `augment.planner`)."""
        return {row.key for row in self._rows(sa.select(_PLANNED.c.key))}

    def add_plans(self, planned: Sequence[tuple[str, str, str, Plan | str]]) -> None:
        """Add (key, generator, parent, plan or the reason why there is none)."""
        keys = [
            {
                "key": key,
                "generator": generator,
                "parent": parent,
                "candidate": plan.id if isinstance(plan, Plan) else None,
                "skipped": None if isinstance(plan, Plan) else plan,
            }
            for key, generator, parent, plan in planned
        ]
        plans = [_plan_row(plan) for *_, plan in planned if isinstance(plan, Plan)]
        self._add((_PLAN, plans), (_PLANNED, keys))

    def plan(self, candidate: str) -> Plan:
        """The plan of one candidate."""
        return _plan(next(self._rows(sa.select(_PLAN).where(_PLAN.c.id == candidate))))

    def pending(
        self, generators: Iterable[str], *, retry_failed: bool = False
    ) -> list[tuple[str, str, float]]:
        """Candidates not made yet, as (id, generator, promised duration), shortest first.

        With `retry_failed` also those whose latest attempt failed.
        """
        statuses: list[sa.ColumnElement[bool]] = [_LATEST.c.status.is_(None)]
        if retry_failed:
            statuses.append(_LATEST.c.status == "failed")
        query = (
            sa.select(_PLAN.c.id, _PLAN.c.generator, _PLAN.c.duration)
            .outerjoin(_LATEST, _LATEST.c.candidate == _PLAN.c.id)
            .where(_PLAN.c.generator.in_(list(generators)), sa.or_(*statuses))
            .order_by(_PLAN.c.generator, _PLAN.c.duration, _PLAN.c.id)
        )
        return [tuple(row) for row in self._rows(query)]

    def plans(self, ids: Sequence[str]) -> dict[str, Plan]:
        """Plans of the named candidates, by id."""
        return {
            row.id: _plan(row) for row in self._rows(sa.select(_PLAN).where(_PLAN.c.id.in_(ids)))
        }

    # --- outcomes ----------------------------------------------------------------------------

    def add_outcomes(self, made: Sequence[Made]) -> None:
        """Add what generating gave, with the clips; their audio is stored already."""
        ids = [row.candidate for row in made]
        count = sa.select(_OUTCOME.c.candidate, sa.func.count().label("n"))
        earlier = count.where(_OUTCOME.c.candidate.in_(ids)).group_by(_OUTCOME.c.candidate)
        attempts = {row.candidate: row.n for row in self._rows(earlier)}
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
        clips = [_clip_row(row.clip, row.clip.path, None) for row in made if row.clip is not None]
        self._add((_CLIP, clips), (_OUTCOME, outcomes))

    def ungated_count(self, gates: str) -> int:
        """Number of made candidates that these gates have not judged."""
        judged = sa.and_(_VERDICT.c.candidate == _LATEST.c.candidate, _VERDICT.c.gates == gates)
        query = sa.select(sa.func.count()).select_from(_LATEST).outerjoin(_VERDICT, judged)
        query = query.where(_LATEST.c.status == "ok", _VERDICT.c.candidate.is_(None))
        return int(next(self._rows(query))[0])

    def ungated(self, gates: str) -> Iterator[tuple[str, list[tuple[Made, bool]]]]:
        """Families of candidates with one that these gates have not judged, parent by parent.

        Each is (parent, its made candidates in id order, each with whether it has a verdict).
        """
        judged = sa.and_(_VERDICT.c.candidate == _LATEST.c.candidate, _VERDICT.c.gates == gates)
        unjudged = (
            sa.select(_PLAN.c.parent)
            .join(_LATEST, _LATEST.c.candidate == _PLAN.c.id)
            .outerjoin(_VERDICT, judged)
            .where(_LATEST.c.status == "ok", _VERDICT.c.candidate.is_(None))
        )
        query = (
            sa.select(_LATEST, _PLAN.c.parent, _VERDICT.c.gate)
            .join(_PLAN, _LATEST.c.candidate == _PLAN.c.id)
            .outerjoin(_VERDICT, judged)
            .where(_LATEST.c.status == "ok", _PLAN.c.parent.in_(unjudged))
            .order_by(_PLAN.c.parent, _PLAN.c.id)
        )
        for parent, rows in itertools.groupby(self._rows(query), key=lambda row: row.parent):
            yield parent, [(_made(row), row.gate is not None) for row in rows]

    def made(self, candidate: str) -> Made | None:
        """The latest outcome of one candidate, without its clip."""
        for row in self._rows(sa.select(_LATEST).where(_LATEST.c.candidate == candidate)):
            return _made(row)
        return None

    # --- verdicts of the gates -----------------------------------------------------------------

    def add_verdicts(self, gates: str, verdicts: Iterable[tuple[str, str, str]]) -> None:
        """Add (candidate, rejecting gate or "", sentence) under the gates' key."""
        rows = [
            {"gates": gates, "candidate": candidate, "gate": gate, "detail": detail}
            for candidate, gate, detail in verdicts
        ]
        self._add((_VERDICT, rows))

    # --- scores ------------------------------------------------------------------------------

    def judgeable(self, judge: str, gates: str) -> list[tuple[str, float, bool]]:
        """(id, duration, has a score) of recordings and of candidates past the gates.

        Shortest first, in an order that does not depend on what is scored already.
        """
        passed = sa.select(_VERDICT.c.candidate).where(
            _VERDICT.c.gates == gates, _VERDICT.c.gate == ""
        )
        query = (
            sa.select(_CLIP.c.id, _CLIP.c.duration, _SCORE.c.clip.is_not(None))
            .outerjoin(_SCORE, sa.and_(_SCORE.c.clip == _CLIP.c.id, _SCORE.c.judge == judge))
            .where(~_CLIP.c.generated | _CLIP.c.id.in_(passed))
            .order_by(_CLIP.c.duration, _CLIP.c.id)
        )
        return [tuple(row) for row in self._rows(query)]

    def add_scores(self, judge: str, scores: Sequence[Scored]) -> None:
        """Add what a judge said of a batch of clips."""
        rows = [
            {
                "judge": judge,
                "clip": score.clip,
                "distributions": canonical_json(
                    {name: [float(p) for p in probs] for name, probs in score.distributions.items()}
                ),
                "embedding": None if score.embedding is None else score.embedding.tobytes(),
                "error": score.error,
            }
            for score in scores
        ]
        self._add((_SCORE, rows))

    def scored_ids(self, judge: str, gates: str) -> list[str]:
        """Ids of the judged candidates past the gates, in order."""
        return [row.id for row in self._rows(_scored(judge, gates, _PLAN.c.id))]

    def scored_candidates(
        self, judge: str, gates: str
    ) -> Iterator[tuple[str, str, dict[str, list[float]]]]:
        """(id, carried emotion, distributions) of judged candidates past the gates, in id order."""
        columns = (_PLAN.c.id, _PLAN.c.emotion, _SCORE.c.distributions)
        for row in self._rows(_scored(judge, gates, *columns)):
            yield row.id, row.emotion, json.loads(row.distributions)

    # --- decisions ---------------------------------------------------------------------------

    def selection_config(self, key: str) -> dict[str, Any] | None:
        """Judge, gates, scheme and selector of a selection, or None if it was never made."""
        for row in self._rows(sa.select(_SELECTION.c.config).where(_SELECTION.c.key == key)):
            return cast(dict[str, Any], json.loads(row.config))
        return None

    def add_selection(
        self, key: str, config: Mapping[str, Any], decisions: Sequence[Decision]
    ) -> None:
        """Add a selection with all its decisions at once."""
        rows = [{"selection": key, **dataclasses.asdict(decision)} for decision in decisions]
        self._add((_DECISION, rows), (_SELECTION, [{"key": key, "config": canonical_json(config)}]))

    def decisions(self, selection: str) -> Iterator[Decision]:
        """Decisions of one selection in candidate order."""
        query = sa.select(_DECISION).where(_DECISION.c.selection == selection)
        for row in self._rows(query.order_by(_DECISION.c.candidate)):
            yield Decision(row.candidate, row.keep, row.reason, row.detail, row.probability)

    # --- overview ----------------------------------------------------------------------------

    def skipped(self) -> list[tuple[str, str, int]]:
        """(generator, reason, count) of the clips that generators declined."""
        columns = (_PLANNED.c.generator, _PLANNED.c.skipped)
        query = sa.select(*columns, sa.func.count()).where(_PLANNED.c.skipped.is_not(None))
        return [tuple(row) for row in self._rows(query.group_by(*columns).order_by(*columns))]

    def row_counts(self, table: Literal["verdict", "score"]) -> dict[str, int]:
        """Rows that each gates' key has in `verdict`, or each judge in `score`."""
        key = _VERDICT.c.gates if table == "verdict" else _SCORE.c.judge
        return dict(self._rows(sa.select(key, sa.func.count()).group_by(key).order_by(key)))

    def recordings(self) -> Iterator[tuple[str, str | None, str, str | None, Label, int, float]]:
        """(corpus, split, speaker, licence, label, clips, seconds) of recordings alike in these."""
        alike = (_CLIP.c.corpus, _CLIP.c.split, _CLIP.c.speaker, _CLIP.c.licence, _CLIP.c.label)
        query = sa.select(*alike, sa.func.count().label("n"), sa.func.sum(_CLIP.c.duration))
        query = query.where(~_CLIP.c.generated).group_by(*alike)
        query = query.order_by(*(column.nulls_first() for column in alike))
        for corpus, split, speaker, licence, label, count, seconds in self._rows(query):
            plain = Label.from_dict(json.loads(label))
            yield corpus, split, speaker, licence, plain, count, seconds

    def tallies(self, gates: str, judge: str, selection: str) -> list[Tally]:
        """All that is planned, counted by where it stands under these gates, judge, selection."""
        standing = _standing(gates, judge, selection)
        alike = [standing.c[name] for name in _ALIKE]
        query = sa.select(*alike, sa.func.min(standing.c.detail), sa.func.count())
        query = query.group_by(*alike).order_by(*alike)
        return [Tally(*row) for row in self._rows(query)]

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
        return [Standing(*row) for row in self._rows(query.order_by(numbered.c.candidate))]

    def judgements(self, judge: str, selection: str) -> Iterator[Judgement]:
        """What a judge said of every clip that it could score, in clip order."""
        query = (
            sa.select(
                _SCORE.c.clip,
                sa.func.coalesce(_PLAN.c.generator, ""),
                _CLIP.c.corpus,
                _CLIP.c.speaker,
                _CLIP.c.label,
                _SCORE.c.distributions,
                _DECISION.c.keep,
            )
            .join(_CLIP, _CLIP.c.id == _SCORE.c.clip)
            .outerjoin(_PLAN, _PLAN.c.id == _SCORE.c.clip)
            .outerjoin(_DECISION, _for_candidate(_DECISION, "selection", selection, _SCORE.c.clip))
            .where(_SCORE.c.judge == judge, _SCORE.c.error == "")
            .order_by(_SCORE.c.clip)
        )
        for clip, generator, corpus, speaker, label, distributions, keep in self._rows(query):
            carried, heard = Label.from_dict(json.loads(label)), json.loads(distributions)
            yield Judgement(clip, generator, corpus, speaker, carried, heard, keep)

    def distributions(self, judge: str, ids: Sequence[str]) -> dict[str, dict[str, list[float]]]:
        """What a judge said of the named clips: clip → scheme → probabilities."""
        query = sa.select(_SCORE.c.clip, _SCORE.c.distributions)
        query = query.where(_SCORE.c.judge == judge, _SCORE.c.clip.in_(ids))
        return {row.clip: json.loads(row.distributions) for row in self._rows(query)}

    def kept_seconds(self, selection: str) -> float:
        """Total duration of what a selection keeps."""
        query = sa.select(sa.func.coalesce(sa.func.sum(_CLIP.c.duration), 0.0))
        kept = sa.and_(_DECISION.c.candidate == _CLIP.c.id, _DECISION.c.keep)
        query = query.join(_DECISION, kept).where(_DECISION.c.selection == selection)
        return float(next(self._rows(query))[0])


def _scored(judge: str, gates: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .join(_SCORE, sa.and_(_SCORE.c.clip == _PLAN.c.id, _SCORE.c.judge == judge))
        .join(_VERDICT, sa.and_(_VERDICT.c.candidate == _PLAN.c.id, _VERDICT.c.gates == gates))
        .where(_VERDICT.c.gate == "", _SCORE.c.error == "")
        .order_by(_PLAN.c.id)
    )


def _made(row: Any) -> Made:
    return Made(
        row.candidate,
        row.status,
        row.reason,
        row.detail,
        json.loads(row.measured),
        None if row.fingerprint is None else np.frombuffer(row.fingerprint, np.float32),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _latest_outcomes() -> sa.Subquery:
    """The outcome of each candidate's latest attempt."""
    later = _OUTCOME.alias("later")
    is_last = ~sa.exists().where(
        later.c.candidate == _OUTCOME.c.candidate, later.c.attempt > _OUTCOME.c.attempt
    )
    return sa.select(_OUTCOME).where(is_last).subquery("latest")


_LATEST = _latest_outcomes()


_ALIKE = ("generator", "emotion", "reached", "outcome", "by", "reason")


def _for_candidate(
    table: sa.Table, name: str, key: str, candidate: sa.ColumnElement[str]
) -> sa.ColumnElement[bool]:
    return sa.and_(table.c[name] == key, table.c.candidate == candidate)


def _standing(gates: str, judge: str, selection: str) -> sa.Subquery:
    """One row of `Standing` for each planned candidate; the first step that stopped it counts."""
    candidate = _PLAN.c.id
    made, gate = _LATEST.c.status, _VERDICT.c.gate
    error, keep = _SCORE.c.error, _DECISION.c.keep
    # (condition, reached, outcome, by, reason, detail): the first whose condition holds.
    rules: list[tuple[Any, ...]] = [
        (made.is_(None), "planned", "pending", "", "", ""),
        *(
            (made == status, "planned", status, "generator", _LATEST.c.reason, _LATEST.c.detail)
            for status in ("rejected", "failed", "skipped")
        ),
        (gate != "", "generated", "rejected", "gate", gate, _VERDICT.c.detail),
        (keep.is_(True), "kept", "ok", "", _DECISION.c.reason, _DECISION.c.detail),
        (error != "", "gated", "failed", "judge", "unscored", error),
        (keep.is_(False), "judged", "rejected", "selector", _DECISION.c.reason, _DECISION.c.detail),
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
            _PLAN.c.generator,
            _PLAN.c.emotion,
            _PLAN.c.parent,
            *columns,
        )
        .outerjoin(_LATEST, _LATEST.c.candidate == candidate)
        .outerjoin(_VERDICT, _for_candidate(_VERDICT, "gates", gates, candidate))
        .outerjoin(_SCORE, sa.and_(_SCORE.c.judge == judge, _SCORE.c.clip == candidate))
        .outerjoin(_DECISION, _for_candidate(_DECISION, "selection", selection, candidate))
        .subquery("standing")
    )


def _sqlite_settings(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # In WAL mode NORMAL survives a killed process; only a power cut can lose the last commits.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()


def _clip_row(clip: Clip, path: str, state: str | None) -> dict[str, Any]:
    return {
        "id": clip.id,
        "generated": clip.lineage is not None,
        "corpus": clip.corpus,
        "path": path,
        "start": clip.start,
        "duration": clip.duration,
        "rate": clip.rate,
        "digest": clip.digest,
        "label": canonical_json(clip.label.to_dict()),
        "speaker": clip.speaker,
        "text": clip.text,
        "language": clip.language,
        "gender": clip.gender,
        "split": clip.split,
        "licence": clip.licence,
        "lineage": canonical_json(dataclasses.asdict(clip.lineage)) if clip.lineage else None,
        "source_state": state,
    }


def _plan_row(plan: Plan) -> dict[str, Any]:
    return {
        "id": plan.id,
        "generator": plan.generator,
        "version": plan.version,
        "weights": plan.weights,
        "parent": plan.parent,
        "params": canonical_json(plan.params),
        "label": canonical_json(plan.promise.label.to_dict()),
        "emotion": plan.promise.label.hard,
        "speaker": plan.promise.speaker,
        "duration": plan.promise.duration,
        "text": plan.promise.text,
        "language": plan.promise.language,
        "gender": plan.promise.gender,
    }


def _plan(row: Any) -> Plan:
    promise = Promise(
        Label.from_dict(json.loads(row.label)),
        row.speaker,
        row.duration,
        row.text,
        row.language,
        row.gender,
    )
    return Plan(
        row.id, row.generator, row.version, row.weights, row.parent, json.loads(row.params), promise
    )
