"""Manifests: one table with a row for each clip."""

from collections.abc import Iterator
from glob import glob
from pathlib import Path

from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import CorpusConfig
from emoforge.augment.corpora.splits import split_named
from emoforge.augment.corpora.tables import Fields, RowFault, Table, open_table
from emoforge.errors import CorpusError, nearest


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of the tables that `config.manifest` names."""
    for table in manifests(config, root):
        split = split_named(table.path.stem, config.split.names) or ""
        for where, fields in table_rows(table, config):
            if isinstance(fields, dict):
                if split and not fields.get("split"):
                    fields["split"] = split
                if config.audio and isinstance(fields["path"], str):
                    fields["path"] = f"{config.audio}/{fields['path']}"
            yield where, fields


def manifests(config: CorpusConfig, root: Path) -> list[Table]:
    """The tables that `config.manifest` names; raises CorpusError if there is none."""
    if not config.manifest:
        raise CorpusError("say which table lists the clips: corpus.manifest=FILE")
    for folder in (root, Path()):
        if (folder / config.manifest).is_file():
            return [open_table(folder / config.manifest)]
        if found := sorted(glob(config.manifest, root_dir=folder)):
            return [open_table(folder / path) for path in found]
    raise CorpusError(f"there is no manifest {config.manifest}, neither in {root} nor here")


def table_rows(table: Table, config: CorpusConfig) -> Iterator[Row]:
    """Rows of a table whose columns are bound by `config.columns` and `config.votes`."""
    columns = config.columns
    rated = columns.votes or columns.distribution or config.votes
    required = ["path"] if rated else ["path", "emotion"]
    if "{speaker}" in config.speaker:
        required.append("speaker")
    bound = table.bind(columns, required, "corpus.columns")
    yield from named_rows(table, bound, config.votes, "corpus.votes")


def named_rows(
    table: Table, bound: dict[str, str], votes: dict[str, str], setting: str
) -> Iterator[Row]:
    """Rows as fields: `bound` is field → column, `votes` is column with counts → emotion."""
    for column in votes:
        if column not in table.columns:
            raise CorpusError(
                f"{table.path} has no column '{column}' ({setting}): "
                f"{nearest(column, table.columns)}"
            )
    names = [*bound]
    emotions = [*votes.values()]
    for line, values in table.rows([*bound.values(), *votes]):
        where = f"{table.path}:{line}"
        if isinstance(values, RowFault):
            yield where, values
            continue
        fields: Fields = dict(zip(names, values, strict=False))
        if emotions:
            fields["votes"] = [*zip(emotions, values[len(names) :], strict=True)]
        yield where, fields
