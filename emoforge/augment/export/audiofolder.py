"""Hugging Face audiofolder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from emoforge.augment.export.card import HF_SPLIT
from emoforge.augment.export.exporter import Add, Exporter
from emoforge.augment.export.row import Row
from emoforge.augment.export.table import Table
from emoforge.clip import Split

_FILE_NAME = pa.field("file_name", pa.string())


@dataclass(frozen=True)
class AudioFolder(Exporter):
    """`data/train/*.flac` and `data/train/metadata.parquet`, and so for each split.

    The metadata is Parquet because of its types: from CSV or JSON lines `datasets` guesses them,
    takes `001` for a number, `NA` for nothing and `2024-01-01` for a time, and refuses splits
    whose guesses differ. For the Hugging Face Hub, which wants no more than 10,000 files in a
    folder, take Parquet beyond that.
    """

    name: ClassVar[str] = "audiofolder"
    version: ClassVar[int] = 2
    usage: ClassVar[str] = (
        "from datasets import load_dataset\n\n"
        "# splits train, validation (dev), test\n"
        'dataset = load_dataset("audiofolder", data_dir="PATH")\n'
        'dataset["train"].select_columns(["audio", "emotion", "distribution"])'
    )
    hf_files: ClassVar[str] = "data/{split}/**"

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Add]:
        """See Exporter."""
        tables: dict[Split, Table] = {}

        def add(row: Row) -> None:
            home = folder / "data" / HF_SPLIT[row.split]
            if row.split not in tables:
                home.mkdir(parents=True)
                classes = list(row.columns["distribution"])
                tables[row.split] = Table(home / "metadata.parquet", classes, _FILE_NAME)
            name = f"{row.name}.flac"
            (home / name).write_bytes(row.flac())
            tables[row.split].add(name, row)

        try:
            yield add
            for table in tables.values():
                table.finish()
        finally:
            for table in tables.values():
                table.abandon()
