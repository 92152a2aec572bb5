"""A user's own texts: a file with one a line, or a table."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from emoforge.errors import CorpusError, LabelError
from emoforge.label import canonical

_COLUMNS = ("text", "language", "emotion")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")  # BCP 47, as far as it is used


@dataclass(frozen=True, slots=True)
class Text:
    """What is to be said.

    language: BCP 47 tag. emotion: canonical name of the one that its words fit, None: any.
    """

    text: str
    language: str
    emotion: str | None = None


def read_texts(path: Path) -> tuple[list[Text], list[tuple[str, str]]]:
    """Texts of a .csv, .tsv or .jsonl table, or of a .txt file with one a line.

    A table has the columns text, language and, if it likes, emotion: canonical names or what
    corpora call them, empty for a text that fits any. A .txt file says its language in its name,
    as `lines.de.txt` does. Empty lines are no texts. The second list has each row that could not
    be used: `file:line`, and a sentence about it. Raises CorpusError for a file that cannot be
    read, or that gives no text at all.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(path, file))
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 text, save it as UTF-8: {error.reason}") from None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}") from None
    texts: list[Text] = []
    problems: list[tuple[str, str]] = []
    for line, row in rows:
        try:
            texts.append(_text(row))
        except (ValueError, LabelError) as error:
            problems.append((f"{path}:{line}", str(error)))
    if not texts:
        why = f"; {': '.join(problems[0])}" if problems else ""
        raise CorpusError(f"{path} has no text to say{why}")
    return texts, problems


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, Any]]:
    """(line, column → value, or the sentence about a row that cannot be read) of a file."""
    match path.suffix.lower():
        case ".txt":
            language = Path(path.stem).suffix[1:]
            if not _LANGUAGE.fullmatch(language):
                raise CorpusError(
                    f"{path}: a .txt file says its language in its name, as lines.de.txt does"
                )
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, {"text": line, "language": language}
        case ".jsonl":
            yield from _json_rows(file)
        case ".csv" | ".tsv" as suffix:
            yield from _table_rows(path, file, "," if suffix == ".csv" else "\t")
        case _:
            raise CorpusError(f"{path}: texts are in a .txt, .csv, .tsv or .jsonl file")


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            yield number, f"the line is no JSON ({error})"
        else:
            yield number, row if isinstance(row, dict) else "the line is no JSON object"


def _table_rows(path: Path, file: TextIO, delimiter: str) -> Iterator[tuple[int, Any]]:
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if "text" not in header:
            known = ", ".join(header) or "none"
            raise CorpusError(f"{path} has no column 'text'; its columns are {known}")
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(header):
                yield line, dict(zip(header, cells, strict=True))
            elif any(cells):
                yield line, f"the row has {len(cells)} cells, the header has {len(header)}"
            line = reader.line_num + 1
    except csv.Error as error:
        raise CorpusError(f"{path}:{line}: {error}") from None


def _text(row: Mapping[str, Any] | str) -> Text:
    """The text of a row; raises ValueError or LabelError with a sentence about it."""
    if isinstance(row, str):
        raise ValueError(row)
    values = {name: row.get(name) or "" for name in _COLUMNS}
    for name, value in values.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} should be text, it is {json.dumps(value)}")
    text, language, emotion = (" ".join(values[name].split()) for name in _COLUMNS)
    if not text:
        raise ValueError("has no text")
    if not _LANGUAGE.fullmatch(language):
        raise ValueError(
            f"'{language}' is no language tag such as de or en-US"
            if language
            else "has no language"
        )
    return Text(text, language, canonical(emotion) if emotion else None)
