"""What was measured of each clip under each condition, kept so that nothing is done twice."""

import fcntl
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.augment.emotion_loss.job import Numbers
from emoforge.errors import AudioError, WorkspaceBusyError, WorkspaceError
from emoforge.selection import Encoding

_TABLES = """
CREATE TABLE IF NOT EXISTS sound (
  condition TEXT, clip TEXT, kbps REAL, rate INTEGER, delay_ms REAL, fault TEXT NOT NULL,
  PRIMARY KEY (condition, clip)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measured (
  condition TEXT, measure TEXT, clip TEXT, numbers TEXT NOT NULL,
  PRIMARY KEY (condition, measure, clip)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heard (
  condition TEXT, encoder TEXT, clip TEXT, parts INTEGER NOT NULL, embedding BLOB NOT NULL,
  native TEXT NOT NULL, dimensions TEXT NOT NULL,
  PRIMARY KEY (condition, encoder, clip)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One clip under one condition; what is new of it.

    fault: why there is no sound, "" where there is one. measured: measure's key → numbers by
    name, or why there are none. heard: what the judge's encoder made of it, or why it
    could not; None where it was not asked.
    """

    condition: str
    clip: str
    kbps: float
    rate: int
    delay_ms: float
    fault: str = ""
    measured: Mapping[str, Numbers] = field(default_factory=dict)
    heard: Encoding | AudioError | None = None


class Store:
    """A file with the rows of a report; one process at a time has it, until `close`.

    Keys: a clip's content digest; a condition's, a measure's and an encoder's signature digests.
    A codec or a measure that is added later adds rows, another head none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with ExitStack() as stack:
            try:
                lock = stack.enter_context(path.with_suffix(".lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._file = stack.enter_context(closing(sqlite3.connect(path)))
                self._file.execute("PRAGMA journal_mode=WAL")
                self._file.execute("PRAGMA synchronous=NORMAL")
                self._file.executescript(_TABLES)
            except BlockingIOError as error:
                raise WorkspaceBusyError(
                    f"{path.parent}: another report is being made here"
                ) from error
            except OSError as error:
                raise WorkspaceError(
                    f"{path.parent}: cannot be written ({error.strerror})"
                ) from error
            except sqlite3.DatabaseError as error:
                raise self._fault(error) from error
            self.close = stack.pop_all().close

    def _fault(self, error: sqlite3.Error) -> WorkspaceError:
        return WorkspaceError(
            f"{self._path}: what was measured before cannot be read ({error}); delete the file to "
            "measure again"
        )

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with self._file:
                yield
        except sqlite3.DatabaseError as error:
            raise self._fault(error) from error

    def add(self, rows: Iterable[Row], encoder: str) -> None:
        """Add rows in one transaction; a fault takes the place of no sound that there is."""
        rows = list(rows)
        with self._guarded():
            self._file.executemany(
                "INSERT INTO sound VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "kbps = excluded.kbps, rate = excluded.rate, delay_ms = excluded.delay_ms, "
                "fault = excluded.fault WHERE sound.fault != ''",
                [(r.condition, r.clip, r.kbps, r.rate, r.delay_ms, r.fault) for r in rows],
            )
            self._file.executemany(
                "INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?)",
                [
                    (r.condition, measure, r.clip, _text(numbers))
                    for r in rows
                    for measure, numbers in r.measured.items()
                ],
            )
            self._file.executemany(
                "INSERT OR REPLACE INTO heard VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (r.condition, encoder, r.clip, *_packed(r.heard))
                    for r in rows
                    if r.heard is not None
                ],
            )

    def done(self, condition: str, measures: Sequence[str], encoder: str) -> dict[str, int]:
        """Clip → bits of what a condition has of it: bit i for `measures[i]`, the next for hearing.

        A clip whose sound failed has none, so that it is tried again.
        """
        found: dict[str, int] = {}
        queries = [
            ("SELECT clip FROM measured WHERE condition = ? AND measure = ?", key)
            for key in measures
        ] + [("SELECT clip FROM heard WHERE condition = ? AND encoder = ?", encoder)]
        with self._guarded():
            for bit, (query, key) in enumerate(queries):
                for (clip,) in self._file.execute(query, (condition, key)):
                    found[clip] = found.get(clip, 0) | 1 << bit
        return found

    def sounds(self, condition: str) -> dict[str, tuple[float, int, float, str]]:
        """Clip → kbit/s, coded rate (Hz), delay (ms) and fault."""
        with self._guarded():
            rows = self._file.execute(
                "SELECT clip, kbps, rate, delay_ms, fault FROM sound WHERE condition = ?",
                (condition,),
            ).fetchall()
        # SQLite keeps NaN as NULL.
        return {
            clip: (float("nan") if kbps is None else kbps, rate, delay, fault)
            for clip, kbps, rate, delay, fault in rows
        }

    def measured(self, condition: str, measure: str) -> Iterator[tuple[str, Numbers]]:
        """(clip, numbers by name, or why there are none)."""
        with self._guarded():
            for clip, numbers in self._file.execute(
                "SELECT clip, numbers FROM measured WHERE condition = ? AND measure = ?",
                (condition, measure),
            ):
                found = json.loads(numbers)
                yield clip, AudioError(found) if isinstance(found, str) else found

    def heard(self, condition: str, encoder: str) -> Iterator[tuple[str, Encoding]]:
        """(clip, what the judge's encoder made of it)."""
        with self._guarded():
            for clip, *packed in self._file.execute(
                "SELECT clip, parts, embedding, native, dimensions FROM heard "
                "WHERE condition = ? AND encoder = ? AND parts > 0",
                (condition, encoder),
            ):
                yield clip, _unpacked(*packed)

    def unheard(self, condition: str, encoder: str) -> Iterator[tuple[str, str]]:
        """(clip, why the judge's encoder could make nothing of it)."""
        with self._guarded():
            yield from self._file.execute(
                "SELECT clip, native FROM heard WHERE condition = ? AND encoder = ? AND parts = 0",
                (condition, encoder),
            )


def _text(numbers: Numbers) -> str:
    return json.dumps(str(numbers) if isinstance(numbers, AudioError) else dict(numbers))


def _packed(heard: Encoding | AudioError) -> tuple[int, bytes, str, str]:
    if isinstance(heard, AudioError):  # asked, and not to be asked again
        return 0, b"", str(heard), ""
    values: npt.NDArray[np.float32] = np.ascontiguousarray(heard.embedding, np.float32)
    native = {name: [round(p, 7) for p in own] for name, own in heard.native.items()}
    return len(values), values.tobytes(), json.dumps(native), json.dumps(dict(heard.dimensions))


def _unpacked(parts: int, embedding: bytes, native: str, dimensions: str) -> Encoding:
    values = np.frombuffer(embedding, np.float32).reshape(parts, -1)
    told: dict[str, Any] = json.loads(dimensions)
    return Encoding(values, json.loads(native), told)
