"""Manifests: one table with a row for each clip."""

from collections.abc import Iterator
from pathlib import Path

from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import CorpusConfig
from emoforge.augment.corpora.tables import Fields, RowFault, Table, open_table
from emoforge.errors import CorpusError, nearest


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of the table `config.manifest`."""
    for where, fields in table_rows(open_table(manifest_path(config, root)), config):
        if config.audio and isinstance(fields, dict) and fields["path"]:
            fields["path"] = f"{config.audio}/{fields['path']}"
        yield where, fields


def manifest_path(config: CorpusConfig, root: Path) -> Path:
    """Where the manifest is: as given, or under the root; raises CorpusError if it is not."""
    if not config.manifest:
        raise CorpusError("say which table lists the clips: corpus.manifest=FILE")
    for path in (Path(config.manifest), root / config.manifest):
        if path.is_file():
            return path
    raise CorpusError(f"there is no manifest {config.manifest}, neither here nor in {root}")


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
