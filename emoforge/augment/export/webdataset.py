"""WebDataset tar shards."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from emoforge.augment.export.exporter import Add, Exporter
from emoforge.augment.export.row import Row
from emoforge.augment.export.shards import by_split
from emoforge.component import canonical_json
from emoforge.errors import ConfigError


@dataclass(frozen=True)
class WebDataset(Exporter):
    """`train-000000.tar`, …: for each clip its `.flac` and a `.json` with its columns.

    shard_bytes: audio and JSON in a shard at most; a single longer clip has a shard of its own.
    """

    name: ClassVar[str] = "webdataset"
    version: ClassVar[int] = 2
    usage: ClassVar[str] = (
        "import glob, io, json, soundfile, webdataset\n\n"
        'shards = sorted(glob.glob("PATH/train-*.tar"))\n'
        "for one in webdataset.WebDataset(shards, shardshuffle=False):\n"
        '    samples, rate = soundfile.read(io.BytesIO(one["flac"]), dtype="float32")\n'
        '    distribution = json.loads(one["json"])["distribution"]'
    )

    shard_bytes: int = 500_000_000

    def __post_init__(self) -> None:
        if self.shard_bytes < 1:
            raise ConfigError(f"shard_bytes must be at least 1, got {self.shard_bytes}")

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Add]:
        """See Exporter."""
        with by_split(lambda split: _Shards(folder, split, self.shard_bytes)) as add:
            yield add


class _Shards:
    """The shards of one split."""

    def __init__(self, folder: Path, name: str, shard_bytes: int) -> None:
        self.folder = folder
        self.name = name
        self.shard_bytes = shard_bytes
        self.count = 0
        self.bytes = 0
        self.file: io.BufferedWriter | None = None
        self.tar: tarfile.TarFile

    def add(self, row: Row) -> None:
        parts = {
            "flac": row.flac(),
            "json": canonical_json(row.columns).encode(),
        }
        size = sum(map(len, parts.values()))
        if self.file is not None and self.bytes + size > self.shard_bytes:
            self.finish()
        if self.file is None:
            self.file = (self.folder / f"{self.name}-{self.count:06d}.tar").open("xb")
            self.tar = tarfile.TarFile(fileobj=self.file, mode="w", format=tarfile.GNU_FORMAT)
            self.count += 1
            self.bytes = 0
        self.bytes += size
        for suffix, data in parts.items():
            # No time, owner or group: equal clips give equal bytes.
            info = tarfile.TarInfo(f"{row.name}.{suffix}")
            info.size, info.mode = len(data), 0o644
            self.tar.addfile(info, io.BytesIO(data))

    def finish(self) -> None:
        """Complete the open shard."""
        if self.file is not None:
            self.tar.close()
            self.file.close()
            self.file = None

    def abandon(self) -> None:
        """Close the file whatever its state; does nothing after `finish`."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
