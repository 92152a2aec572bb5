"""Asking a judge about files, folders, tables and standard input."""

import csv
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from emoforge.audio import Audio, read
from emoforge.augment.corpora import USUAL, Columns, RowFault, Table, open_table
from emoforge.component import create
from emoforge.errors import AudioError, ConfigError
from emoforge.progress import Progress
from emoforge.selection.judges import Judge, chosen_scheme, score_items

AUDIO = (
    ".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".mka", ".mkv", ".mp3", ".mp4",
    ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma",
)  # fmt: skip
"""Names of files that a folder is searched for."""

TABLES = (".csv", ".tsv", ".jsonl", ".jsonl.gz", ".json", ".parquet")
STDIN = "-"

_MAGIC = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"FORM")


@dataclass(frozen=True)
class JudgeScoring:
    """What `configs/judge_score.yaml` says.

    judge: options, with `name`. scheme: basic4, or else the first that the judge knows, if "".
    columns: which columns of a table hold path, start and duration, if not the usual ones.
    """

    judge: dict[str, Any] = field(default_factory=lambda: {"name": "embedded"})
    scheme: str = ""
    columns: Columns = field(default_factory=Columns)


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """One answer. path: as it was given; row: what a table says of it; heard: class →
    probability, None where `error` says why there is none."""

    path: str
    row: Mapping[str, Any]
    heard: Mapping[str, float] | None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: `path`, `row` if there is one, and `heard` or `error`."""
        row = {"row": dict(self.row)} if self.row else {}
        answer = {"error": self.error} if self.heard is None else {"heard": dict(self.heard)}
        return {"path": self.path, **row, **answer}

    def to_row(self) -> dict[str, Any]:
        """The table's row with `heard` (the most probable class), `heard_<class>` and `error`."""
        heard = self.heard or {}
        return {
            **self.row,
            "path": self.path,
            "heard": max(heard, key=heard.__getitem__, default=""),
            **{f"heard_{name}": round(value, 6) for name, value in heard.items()},
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class _Item:
    """What is to be judged; file: where it is; fault: what is wrong with its row."""

    path: str
    file: str = ""
    row: Mapping[str, Any] = field(default_factory=dict)
    start: float = 0.0
    duration: float | None = None
    fault: str = ""

    def read(self) -> Audio:
        if self.fault:
            raise AudioError(self.fault)
        return read(self.file, self.start, self.duration)


@dataclass(frozen=True, slots=True)
class _Source:
    """Items that came of one argument, and the columns that their rows have."""

    items: Callable[[], Iterator[_Item]]
    columns: tuple[str, ...] = ()


def score(
    config: JudgeScoring,
    inputs: Sequence[str],
    out: Path | None = None,
    *,
    each: Callable[[ScoredFile], None] = lambda _: None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Ask a judge about files, folders (searched through for audio), tables (`TABLES`: a column
    with paths, which start from the table's folder) and `-`, standard input: a table, paths line
    by line, or one audio file.

    out: a .csv, .tsv or .jsonl file for the answers, with all that the tables say; memory is
    bounded then, however much there is. each: called with every answer, as it comes.
    Returns the judge's key, the scheme, how many were judged and how many could not be, and the
    answers as `ScoredFile.to_json` gives them; with `out`, that file in their place.
    Raises ConfigError, CorpusError or RequirementError where nothing can be judged.
    """
    own = dict(config.judge)
    judge = cast(Judge, create("judge", str(own.pop("name", "")), own))
    judge.check_requirements()
    scheme = chosen_scheme(judge, config.scheme)
    progress = progress or Progress()
    answers: list[dict[str, Any]] = []
    judged = failed = 0
    with ExitStack() as stack:
        sources = [_source(given, config.columns, stack) for given in inputs]
        note = stack.enter_context(_written(out, sources, judge, scheme)) if out else None
        total = sum(1 for source in sources for _ in source.items())
        if not total:
            raise ConfigError(f"there is nothing to judge in {', '.join(inputs)}")
        advance = stack.enter_context(progress.stage("judge", total))
        items = (item for source in sources for item in source.items())
        for item, heard in score_items(judge, items, _Item.read, scheme):
            fault = (
                str(heard).removeprefix(f"{item.file}: ") if isinstance(heard, AudioError) else ""
            )
            answer = ScoredFile(
                item.path, item.row, None if isinstance(heard, AudioError) else heard, fault
            )
            judged, failed = judged + (not fault), failed + bool(fault)
            if note:
                note(answer)
            else:
                answers.append(answer.to_json())
            each(answer)
            advance(1)
    result: dict[str, Any] = {
        "judge": judge.key, "scheme": scheme, "judged": judged, "failed": failed
    }  # fmt: skip
    return result | ({"out": str(out)} if out else {"answers": answers})


def _source(given: str, columns: Columns, stack: ExitStack) -> _Source:
    if given == STDIN:
        return _standard_input(sys.stdin.buffer.read(), columns, stack)
    if os.path.isdir(given):
        return _Source(lambda: _in_folder(given))
    if given.lower().endswith(TABLES):
        return _of_table(open_table(Path(given)), columns, os.path.dirname(given))
    return _Source(lambda: iter([_Item(given, given)]))


def _in_folder(folder: str) -> Iterator[_Item]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith(AUDIO):
                path = os.path.join(place, name)
                yield _Item(path, path)


def _of_table(table: Table, columns: Columns, root: str) -> _Source:
    bound = table.bind(columns, ["path"], "columns")
    times = [bound[name] for name in ("start", "duration") if "start" in bound and name in bound]

    def items() -> Iterator[_Item]:
        for line, values in table.rows(table.columns):
            where = f"{table.path}:{line}"
            if isinstance(values, RowFault):
                yield _Item(where, fault=str(values))
                continue
            row = dict(zip(table.columns, values, strict=True))
            path = row[bound["path"]]
            if not isinstance(path, str) or not path:
                yield _Item(where, row=row, fault=f"has no path in column '{bound['path']}'")
                continue
            try:
                cut = [float(row[name] or 0) for name in times]
            except (TypeError, ValueError):
                yield _Item(path, row=row, fault=f"{' and '.join(times)} must be numbers")
                continue
            start, duration = (*cut, 0.0, 0.0)[:2]
            file = path if "://" in path else os.path.join(root, path)
            yield _Item(path, file, row, start, duration or None)

    return _Source(items, table.columns)


def _standard_input(data: bytes, columns: Columns, stack: ExitStack) -> _Source:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emoforge-")))
    if data.startswith(_MAGIC):
        audio = folder / "audio"
        audio.write_bytes(data)
        return _Source(lambda: iter([_Item(STDIN, str(audio))]))
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ConfigError(
            "standard input is neither a table, nor paths line by line, nor a WAV, FLAC, Ogg, MP3 "
            "or AIFF file"
        ) from None
    first = lines[0] if lines else ""
    kind = "jsonl" if first.startswith("{") else "csv"
    head = {name.strip().strip('"') for name in re.split("[,;\t]", first)}
    if (
        kind == "jsonl"
        or {n.lower() for n in head} & {*USUAL["path"]}
        or columns.path in head - {""}
    ):
        table = folder / f"standard-input.{kind}"
        table.write_bytes(data)
        return _of_table(open_table(table), columns, "")
    paths = [line for line in lines if line.strip()]
    return _Source(lambda: (_Item(path, path) for path in paths))


@contextmanager
def _written(
    out: Path, sources: Sequence[_Source], judge: Judge, scheme: str
) -> Iterator[Callable[[ScoredFile], None]]:
    """Gives what writes one answer; the file appears, whole, at the end."""
    from emoforge.label import scheme as scheme_named

    if out.suffix not in (".csv", ".tsv", ".jsonl"):
        raise ConfigError(f"{out}: answers are written as .csv, .tsv or .jsonl")
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    own = ("path", "heard", *(f"heard_{name}" for name in scheme_named(scheme).classes), "error")
    told = dict.fromkeys(name for source in sources for name in source.columns)
    columns = [*(name for name in told if name not in own), *own]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield _lines(file, columns, out.suffix)
        partial.replace(out)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror})") from error
    finally:
        partial.unlink(missing_ok=True)


def _lines(
    file: io.TextIOWrapper, columns: Sequence[str], suffix: str
) -> Callable[[ScoredFile], None]:
    if suffix == ".jsonl":
        return lambda answer: print(
            json.dumps(answer.to_row(), ensure_ascii=False, default=str), file=file
        )
    table = csv.DictWriter(file, columns, restval="", delimiter="\t" if suffix == ".tsv" else ",")
    table.writeheader()

    def write(answer: ScoredFile) -> None:
        table.writerow(
            {
                name: json.dumps(value, ensure_ascii=False)
                if isinstance(value, dict | list)
                else value
                for name, value in answer.to_row().items()
            }
        )

    return write
