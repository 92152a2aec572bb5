"""Files in shards, for the formats that have some for each split."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from emoforge.augment.export.exporter import Add
from emoforge.augment.export.row import Row
from emoforge.clip import Split


class Shards(Protocol):
    """The shards of one split."""

    def add(self, row: Row) -> None:
        """Write one clip."""

    def finish(self) -> None:
        """Complete the last shard."""

    def abandon(self) -> None:
        """Close what is open, completed or not."""


@contextmanager
def by_split(begin: Callable[[Split], Shards]) -> Iterator[Add]:
    """Write each clip into its split's shards, which `begin` opens when the first one comes."""
    splits: dict[Split, Shards] = {}

    def add(row: Row) -> None:
        if row.split not in splits:
            splits[row.split] = begin(row.split)
        splits[row.split].add(row)

    try:
        yield add
        for shards in splits.values():
            shards.finish()
    finally:
        for shards in splits.values():
            shards.abandon()
