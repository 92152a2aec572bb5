"""Tables of any format: CSV, TSV, JSON lines, JSON and Parquet, with a column map."""

import csv
import dataclasses
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from emoforge.augment.corpora.config import Columns
from emoforge.errors import CorpusError, nearest

Fields = dict[str, Any]
"""What one row says: field of `Columns` → value as the file has it (text, number, mapping)."""

FIELDS = tuple(f.name for f in dataclasses.fields(Columns))

DIMENSIONS = ("valence", "arousal", "dominance")

# Column names that need no configuration, in any case; the first that is there counts.
USUAL: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "file_name", "filename", "wav", "audio", "audio_filepath"),
    "id": ("id", "utt_id", "clip_id"),
    "emotion": ("emotion", "label", "emo"),
    "speaker": ("speaker", "speaker_id", "spk_id", "spk"),
    "text": ("text", "transcript", "transcription", "wrd"),
    "language": ("language", "lang"),
    "gender": ("gender", "sex"),
    "split": ("split", "partition"),
    "start": ("start",),
    "duration": ("duration",),
    "licence": ("licence", "license"),
    "consent": ("consent",),
    "corpus": ("corpus",),
    "modality": ("modality",),
    "valence": ("valence",),
    "arousal": ("arousal", "activation"),
    "dominance": ("dominance",),
    "votes": ("votes",),
    "distribution": ("distribution",),
}


class RowFault(Exception):  # noqa: N818 - a value of a row, not an error of the run
    """One row that cannot be used; the message is a sentence about it."""


@dataclass(frozen=True)
class Table:
    """A table that is read row by row.

    path: its file. columns: their names, in order.
    rows: takes names of columns; gives the line (1-based, of the file; the row's number in JSON
        and Parquet) and the values of these columns for each row, or the RowFault of a row that
        cannot be read.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Callable[[Sequence[str]], Iterator[tuple[int, Sequence[Any] | RowFault]]]

    def bind(
        self, columns: Columns, required: Iterable[str], setting: str, usual: bool = True
    ) -> dict[str, str]:
        """Field → column that holds it; raises CorpusError for a column that is not there.

        `setting` is how the configuration calls `columns`, for the error messages; without
        `usual` a field that `columns` does not name is not looked for.
        """
        for field in FIELDS:
            wanted = cast(str, getattr(columns, field))
            if wanted and wanted not in self.columns:
                raise CorpusError(
                    f"{self.path} has no column '{wanted}' ({setting}.{field}): "
                    f"{nearest(wanted, self.columns)}"
                )
        given = [field for field in DIMENSIONS if getattr(columns, field)]
        bound = bind(self.columns, columns, usual)
        if given and any(field not in bound for field in DIMENSIONS):
            raise CorpusError(
                f"{setting} sets {' and '.join(given)}: a clip has all of "
                f"{', '.join(DIMENSIONS)} or none"
            )
        if absent := [field for field in required if field not in bound]:
            raise CorpusError(
                f"{self.path} has no column for {' and '.join(absent)}; "
                f"its columns are {', '.join(self.columns)}: "
                f"say which to use with {' '.join(f'{setting}.{field}=NAME' for field in absent)}"
            )
        return bound


def bind(names: Iterable[str], columns: Columns, usual: bool = True) -> dict[str, str]:
    """Field → the name that holds it, of those in `names`: the one that `columns` says, or else
    (if `usual`) the first usual one. `DIMENSIONS` are bound together or not at all."""
    exact = dict.fromkeys(names)
    folded = {name.lower(): name for name in reversed(exact)}
    bound = {}
    for field in FIELDS:
        if wanted := cast(str, getattr(columns, field)):
            if wanted in exact:
                bound[field] = wanted
        elif usual and (found := next((n for n in USUAL[field] if n in folded), None)):
            bound[field] = folded[found]
    if not all(field in bound for field in DIMENSIONS):
        for field in DIMENSIONS:
            bound.pop(field, None)
    return bound


def open_table(path: Path, header: Sequence[str] = (), encoding: str = "utf-8-sig") -> Table:
    """Open a table by its suffix: .csv, .tsv or .txt (a header line, unless `header` gives the
    columns), .jsonl or .jsonl.gz, .json (a list of objects, or id → object), .parquet.

    Raises CorpusError for a file that is missing, empty or not what its suffix says.
    """
    if not path.is_file():
        raise CorpusError(f"there is no file {path}")
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            return _parquet(path)
        if name.endswith((".jsonl", ".jsonl.gz", ".json")):
            return _json(path)
        if name.endswith((".csv", ".tsv", ".txt")):
            return _csv(path, header, encoding)
    except UnicodeDecodeError as error:
        raise _not_text(str(path), error) from None
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path} cannot be read: {error}") from None
    raise CorpusError(
        f"{path}: a table is a .csv, .tsv, .txt, .jsonl, .jsonl.gz, .json or .parquet file"
    )


def open_text(path: Path, encoding: str = "utf-8-sig") -> IO[str]:
    """Open text for reading: UTF-8 with or without a byte order mark, gzip by suffix."""
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return open(path, encoding=encoding, newline="")


def _not_text(where: str, error: UnicodeDecodeError) -> CorpusError:
    return CorpusError(f"{where} is not {error.encoding} text, save it as UTF-8: {error.reason}")


def _csv(path: Path, header: Sequence[str], encoding: str) -> Table:
    with open_text(path, encoding) as file:
        first = file.readline()
    if not first.strip():
        raise CorpusError(f"{path} is empty, it should start with a line of column names")
    tabbed = path.suffix.lower() != ".csv"
    delimiter = max("\t,;" if tabbed else ",;\t", key=first.count)
    names = tuple(header)
    if not names:
        names = tuple(name.strip() for name in next(csv.reader([first], delimiter=delimiter)))
    if twice := {name for name in names if names.count(name) > 1}:
        raise CorpusError(f"{path} has two columns of the name '{min(twice)}'")

    def rows(wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[Any] | RowFault]]:
        picks = [names.index(name) for name in wanted]
        with open_text(path, encoding) as file:
            # A file without a header line was not written by a CSV writer: quotes are text.
            reader = csv.reader(
                file,
                delimiter=delimiter,
                quoting=csv.QUOTE_NONE if header else csv.QUOTE_MINIMAL,
                skipinitialspace=True,
                strict=True,
            )
            line = 1
            try:
                if not header:
                    next(reader)
                    line = reader.line_num + 1
                for cells in reader:
                    if len(cells) == len(names):
                        yield line, [cells[i] for i in picks]
                    elif any(cells):
                        counts = f"{len(cells)} cells, the header has {len(names)}"
                        yield line, RowFault(f"the row has {counts}")
                    line = reader.line_num + 1
            except csv.Error as error:
                raise CorpusError(f"{path}:{line}: {error}") from None
            except UnicodeDecodeError as error:
                raise _not_text(f"{path}:{line}", error) from None

    return Table(path, names, rows)


def _json(path: Path) -> Table:
    found: list[tuple[int, dict[str, Any] | RowFault]] = []
    with open_text(path) as file:
        if path.suffix.lower() == ".json":
            try:
                whole = json.load(file)
            except ValueError as error:
                raise CorpusError(f"{path} is not JSON: {error}") from None
            if isinstance(whole, dict):
                whole = [
                    {"id": key, **item} if isinstance(item, dict) else item
                    for key, item in whole.items()
                ]
            if not isinstance(whole, list):
                raise CorpusError(f"{path} must be a list of objects, or id → object")
            found = [(n, _object(item)) for n, item in enumerate(whole, 1)]
        else:
            for n, line in enumerate(file, 1):
                if line.strip():
                    try:
                        found.append((n, _object(json.loads(line))))
                    except ValueError as error:
                        found.append((n, RowFault(f"the line is not JSON: {error}")))
    columns = tuple(dict.fromkeys(k for _, row in found if isinstance(row, dict) for k in row))

    def rows(wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[Any] | RowFault]]:
        for n, row in found:
            yield n, row if isinstance(row, RowFault) else [row.get(name) for name in wanted]

    return Table(path, columns, rows)


def _object(item: Any) -> dict[str, Any] | RowFault:
    return item if isinstance(item, dict) else RowFault(f"is not a JSON object: {item!r:.40}")


def _parquet(path: Path) -> Table:
    from pyarrow import ArrowInvalid, parquet

    try:
        columns = tuple(parquet.read_schema(path).names)
    except ArrowInvalid as error:
        raise CorpusError(f"{path} is not Parquet: {error}") from None

    def rows(wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[Any] | RowFault]]:
        n = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=list(wanted)):
                for values in zip(*(batch[name].to_pylist() for name in wanted), strict=True):
                    n += 1
                    yield n, values

    return Table(path, columns, rows)
