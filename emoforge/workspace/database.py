"""Opening a catalogue, holding its lock, and reading and adding rows."""

import errno
import fcntl
import importlib.util
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from emoforge.errors import RequirementError, WorkspaceBusyError, WorkspaceError
from emoforge.workspace.audio_store import AudioStore, storage_sentence
from emoforge.workspace.tables import META, SCHEMA, TABLES

CATALOGUE = "catalogue.db"
LOCK = "lock"
_AUDIO_ROOT = "audio_root"

PAGE = 1000
"""Rows read from the catalogue at a time, so that memory stays flat."""


class Database:
    """The catalogue and the audio store of one workspace."""

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
                    raise WorkspaceError(storage_sentence(text, error)) from error
            # As parts: in a URL, `?` and `%` of a folder's name would mean something else.
            engine = sa.create_engine(sa.URL.create("sqlite", database=str(database)))
            sa.event.listen(engine, "connect", _sqlite_settings)
            workspace = cls(text, engine, AudioStore(audio_root or str(folder / "audio")))
        try:
            if write:
                workspace._take_lock()
                TABLES.create_all(workspace._engine)
            workspace._check_schema(write)
            workspace._find_audio(audio_root, write)
            if write:
                workspace.audio.clear_partial()
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
            place = Path(self.location) / LOCK
            try:
                self._lock = open(place, "w")  # noqa: SIM115 - held until close
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise WorkspaceBusyError(busy) from error
            except OSError as error:
                raise WorkspaceError(storage_sentence(self.location, error)) from error

    def _check_schema(self, write: bool) -> None:
        with self._engine.begin() as db:
            if not sa.inspect(db).has_table(META.name):
                raise WorkspaceError(f"{self.location}: the database is no catalogue of emoforge")
            found = db.execute(sa.select(META.c.value).where(META.c.key == "schema")).scalar()
            if found is None and write:
                db.execute(META.insert().values(key="schema", value=str(SCHEMA)))
            elif found != str(SCHEMA):
                raise WorkspaceError(
                    f"{self.location}: this workspace has schema {found}, this emoforge reads "
                    f"schema {SCHEMA}; use the emoforge that made it, or a new workspace"
                )

    def _find_audio(self, given: str | None, write: bool) -> None:
        """Keep to where the first run put the audio: who reads need not say it again."""
        with self._engine.begin() as db:
            known = db.execute(sa.select(META.c.value).where(META.c.key == _AUDIO_ROOT)).scalar()
            if known is None and write:
                db.execute(META.insert().values(key=_AUDIO_ROOT, value=_absolute(given)))
        if given is None and known:
            self.audio = AudioStore(known)
        elif given is not None and known is not None and write and _absolute(given) != known:
            raise WorkspaceError(
                f"{self.location}: the audio of this workspace is in "
                f"{known or 'the workspace itself'}, not in {given}; "
                "leave audio_root as it was, or start a new workspace"
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

    def add(self, *batches: tuple[sa.Table, list[dict[str, Any]]]) -> None:
        """Add rows to several tables in one transaction; rows that are there already stay."""
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        try:
            with self._engine.begin() as db:
                for table, rows in batches:
                    if rows:
                        db.execute(insert(table).on_conflict_do_nothing(), rows)
        except sa.exc.IntegrityError:  # a mistake of emoforge, not of the place
            raise
        except sa.exc.DBAPIError as error:
            reason = _reason(error)
            # SQLite's and PostgreSQL's words.
            if "is full" in reason or "No space left" in reason:
                full = OSError(errno.ENOSPC, "")
                raise WorkspaceError(storage_sentence(self.location, full)) from error
            raise WorkspaceError(f"{self.location}: cannot be written ({reason})") from error

    def rows(self, query: sa.Select[Any]) -> Iterator[Any]:
        """Rows of a query, streamed page by page."""
        try:
            with (
                self._engine.connect() as db,
                # Closed also where the reader stops early: a server's cursor must not linger.
                closing(db.execution_options(yield_per=PAGE).execute(query)) as result,
            ):
                for page in result.partitions():
                    yield from page
        except sa.exc.DBAPIError as error:
            raise WorkspaceError(f"{self.location}: cannot be read ({_reason(error)})") from error

    def table_rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Every row of one table in primary-key order, as plain values (for tests and tools)."""
        table = TABLES.tables[name]
        for row in self.rows(sa.select(table).order_by(*table.primary_key.columns)):
            yield dict(row._mapping)


def _absolute(audio_root: str | None) -> str:
    """An audio root that means the same from every folder; "" for that of the workspace."""
    if not audio_root or "://" in audio_root:
        return (audio_root or "").rstrip("/")
    return os.path.abspath(audio_root)


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


def _sqlite_settings(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # In WAL mode NORMAL survives a killed process; only a power cut can lose the last commits.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA cache_size=-65536")  # 64 MB: 100,000 candidates are looked up in it
    cursor.close()
