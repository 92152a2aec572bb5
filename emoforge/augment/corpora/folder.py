"""Folder recipes: corpora whose file names say what the clips are."""

import codecs
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import CorpusConfig, Metadata
from emoforge.augment.corpora.manifest import named_rows
from emoforge.augment.corpora.tables import FIELDS, Fields, RowFault, open_table
from emoforge.errors import ConfigError, CorpusError, nearest

AUDIO = frozenset((".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aiff", ".wma"))
"""Suffixes of the files that count as audio of a folder corpus."""


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of the audio files under `root` whose path, or its end, matches `config.pattern`."""
    pattern = compile_pattern(config.pattern)
    tables = []
    for number, entry in enumerate(config.metadata):
        found: dict[str, Fields] = {}
        for where, fields in _metadata(entry, root, f"corpus.metadata[{number}]"):
            if isinstance(fields, RowFault):
                yield where, fields
            else:
                found.setdefault(str(fields.pop("id")), fields)
        tables.append((entry.by, found))
    matched, unmatched = 0, []
    for path in audio_files(root):
        if (named := match(pattern, path)) is None:
            unmatched.append(path)
            continue
        matched += 1
        for by, found in tables:
            named |= found.get(named.get(by, ""), {})
        yield str(root / path), named
    if not matched:
        there = " and ".join(unmatched[:2]) or "no audio file"
        raise CorpusError(
            f"no file under {root} fits the pattern of corpus '{config.name}', "
            f"{config.pattern}; there is {there}"
        )
    if unmatched:
        yield (
            str(root / unmatched[0]),
            RowFault(
                f"{len(unmatched)} of {matched + len(unmatched)} audio files do not fit the "
                f"pattern of corpus '{config.name}' and are not read; this is the first"
            ),
        )


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a recipe's pattern; raises ConfigError if it is faulty or names no such field."""
    try:
        compiled = re.compile(f"(?:.*/)?(?:{pattern})")
    except re.error as error:
        raise ConfigError(f"corpus.pattern {pattern}: {error}") from None
    for name in compiled.groupindex:
        if name not in FIELDS:
            raise ConfigError(f"corpus.pattern names a group '{name}': {nearest(name, FIELDS)}")
    return compiled


def match(pattern: re.Pattern[str], path: str) -> Fields | None:
    """Fields in a path under the root (`/` between folders), or None if it does not fit."""
    found = pattern.fullmatch(path)
    if found is None:
        return None
    named = {name: value for name, value in found.groupdict().items() if value is not None}
    return {"id": PurePosixPath(path).stem, **named, "path": path}


def audio_files(root: Path) -> Iterator[str]:
    """Audio files under a folder, as paths from there with `/`, in sorted order."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        under = Path(folder).relative_to(root).as_posix()
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in AUDIO and not name.startswith("."):
                yield name if under == "." else f"{under}/{name}"


def _metadata(entry: Metadata, root: Path, setting: str) -> Iterator[Row]:
    """Rows of the files of one metadata entry; field `id` is what they are looked up by."""
    for path in sorted(root.glob(entry.file)):
        table = open_table(path, entry.header, _encoding(path, entry.encoding))
        bound = table.bind(entry.columns, (), f"{setting}.columns", usual=False)
        for column in (entry.key, *entry.only):
            if column not in table.columns:
                raise CorpusError(
                    f"{path} has no column '{column}' ({setting}): {nearest(column, table.columns)}"
                )
        # Beside the fields: what the row is looked up by, and what decides whether it counts.
        extra = {"id": entry.key, **{f"only {column}": column for column in entry.only}}
        for where, fields in named_rows(table, bound | extra, entry.votes, f"{setting}.votes"):
            if isinstance(fields, RowFault):
                yield where, fields
            elif all(
                re.fullmatch(pattern, str(fields.pop(f"only {column}")))
                for column, pattern in entry.only.items()
            ):
                if entry.by == "id":
                    fields["id"] = clip_name(str(fields["id"]))
                yield where, {k: v for k, v in fields.items() if v not in (None, "")}


def clip_name(path: str) -> str:
    """A clip's name in a path or file name: without folders and an audio file's suffix."""
    name = path.strip().replace("\\", "/").rpartition("/")[2]
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in AUDIO else name


def _encoding(path: Path, fallback: str) -> str:
    """UTF-16 where the file starts with its mark, UTF-8 where it is that, else `fallback`."""
    content = path.read_bytes()
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return fallback or "utf-8-sig"
    return "utf-8-sig"
