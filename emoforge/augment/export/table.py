"""A Parquet table of clips, written row by row."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emoforge.augment.export.row import Row
from emoforge.component import canonical_json

_GROUP_ROWS, _GROUP_BYTES = 100, 32 << 20
"""A row group ends at either: what is in memory, and what a reader must fetch for one row."""

_TYPES: dict[str, Any] = {
    "id": pa.string(),
    "split": pa.string(),
    "emotion": pa.string(),
    "scheme": pa.string(),
    "distribution": pa.float64(),
    "votes": pa.int64(),
    "valence": pa.float64(),
    "arousal": pa.float64(),
    "dominance": pa.float64(),
    "modality": pa.string(),
    "speaker": pa.string(),
    "gender": pa.string(),
    "language": pa.string(),
    "text": pa.string(),
    "corpus": pa.string(),
    "licence": pa.string(),
    "consent": pa.string(),
    "origin": pa.string(),
    "duration": pa.float64(),
    "rate": pa.int64(),
    "digest": pa.string(),
    "lineage": pa.string(),
    "disclosure": pa.string(),
}


class Table:
    """One Parquet file: a leading column of the caller's, then the columns of a clip.

    distribution and votes are structs with a field a class; lineage is JSON text, because its
    parameters differ from generator to generator. Types are stated, so that a column without any
    value in one split has the same type as in the others.

    features: the leading columns in the words of `datasets`, by which it knows audio; None
    leaves its metadata away.
    """

    def __init__(
        self, path: Path, classes: list[str], first: Any, features: dict[str, Any] | None = None
    ) -> None:
        fields = [first]
        for name, kind in _TYPES.items():
            if name in ("distribution", "votes"):
                kind = pa.struct([(emotion, kind) for emotion in classes])
            fields.append(pa.field(name, kind))
        schema = pa.schema(fields)
        if features is not None:
            known = {**{field.name: _feature(field.type) for field in fields}, **features}
            schema = schema.with_metadata(
                {"huggingface": json.dumps({"info": {"features": known}})}
            )
        self.bytes = 0
        self._first = first.name
        self._rows: list[dict[str, Any]] = []
        self._waiting = 0
        self._file = path.open("xb")
        self._writer = pq.ParquetWriter(self._file, schema)

    def add(self, first: Any, row: Row, size: int = 0) -> None:
        """Add a clip, with the value of the leading column and its size in bytes."""
        lineage = row.columns["lineage"]
        text = None if lineage is None else canonical_json(lineage)
        self._rows.append({self._first: first, **row.columns, "lineage": text})
        self.bytes += size
        self._waiting += size
        if len(self._rows) == _GROUP_ROWS or self._waiting >= _GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        """Write what is left, and close the file."""
        self._write_group()
        self._writer.close()
        self._file.close()

    def abandon(self) -> None:
        """Close the file whatever its state; does nothing after `finish`."""
        with suppress(OSError):
            self._writer.close()
        with suppress(OSError):
            self._file.close()

    def _write_group(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._writer.schema))
        self._rows, self._waiting = [], 0


def _feature(kind: Any) -> Any:
    """An Arrow type in the words of `datasets`."""
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}
