"""Hugging Face Parquet with the audio inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from emoforge.augment.export.card import HF_SPLIT
from emoforge.augment.export.exporter import Add, Exporter
from emoforge.augment.export.row import Row
from emoforge.augment.export.shards import by_split
from emoforge.augment.export.table import Table
from emoforge.errors import ConfigError

_AUDIO = pa.field("audio", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


@dataclass(frozen=True)
class Parquet(Exporter):
    """`data/train-00000-of-00002.parquet`, …: one table a split, FLAC bytes in `audio`.

    shard_bytes: audio in a file at most; a single longer clip has a file of its own.
    """

    name: ClassVar[str] = "parquet"
    version: ClassVar[int] = 2
    usage: ClassVar[str] = (
        "from datasets import load_dataset\n\n"
        'dataset = load_dataset("PATH")  # splits train, validation (dev), test\n'
        'dataset["train"].select_columns(["audio", "emotion", "distribution"])'
    )
    hf_files: ClassVar[str] = "data/{split}-*.parquet"

    shard_bytes: int = 500_000_000

    def __post_init__(self) -> None:
        if self.shard_bytes < 1:
            raise ConfigError(f"shard_bytes must be at least 1, got {self.shard_bytes}")

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Add]:
        """See Exporter."""
        (folder / "data").mkdir()
        with by_split(
            lambda split: _Shards(folder / "data", HF_SPLIT[split], self.shard_bytes)
        ) as add:
            yield add


class _Shards:
    """The files of one split; their names hold their number, which is known at the end."""

    def __init__(self, folder: Path, name: str, shard_bytes: int) -> None:
        self.folder = folder
        self.name = name
        self.shard_bytes = shard_bytes
        self.paths: list[Path] = []
        self.table: Table | None = None

    def add(self, row: Row) -> None:
        flac = row.flac()
        if self.table is not None and self.table.bytes + len(flac) > self.shard_bytes:
            self.table.finish()
            self.table = None
        if self.table is None:
            path = self.folder / f"{self.name}-{len(self.paths):05d}.parquet"
            classes = list(row.columns["distribution"])
            self.table = Table(path, classes, _AUDIO, {"audio": {"_type": "Audio"}})
            self.paths.append(path)
        self.table.add({"bytes": flac, "path": f"{row.name}.flac"}, row, len(flac))

    def finish(self) -> None:
        if self.table is not None:
            self.table.finish()
        for i, path in enumerate(self.paths):
            path.rename(path.with_stem(f"{self.name}-{i:05d}-of-{len(self.paths):05d}"))

    def abandon(self) -> None:
        if self.table is not None:
            self.table.abandon()
