"""SpeechBrain CSV."""

import csv
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from emoforge.augment.export.exporter import Add, Exporter
from emoforge.augment.export.row import Row
from emoforge.clip import Split
from emoforge.component import canonical_json

_JSON = ("distribution", "votes", "lineage")


@dataclass(frozen=True)
class SpeechBrain(Exporter):
    """`train.csv`, `dev.csv`, `test.csv`, and the audio in `audio/`.

    The reader replaces `$name` in every value, and has no way to write a dollar sign before a
    letter or digit: in texts it becomes the full-width `＄`. distribution, votes and lineage are
    JSON text; an empty value means that it is not known.
    """

    name: ClassVar[str] = "speechbrain"
    version: ClassVar[int] = 2
    usage: ClassVar[str] = (
        "import json\n"
        "from speechbrain.dataio.dataio import read_audio\n"
        "from speechbrain.dataio.dataset import DynamicItemDataset\n\n"
        'train = DynamicItemDataset.from_csv("PATH/train.csv", {"data_root": "PATH"})\n'
        'train.add_dynamic_item(read_audio, takes="wav", provides="signal")\n'
        'train.add_dynamic_item(json.loads, takes="distribution", provides="probabilities")\n'
        'train.set_output_keys(["id", "signal", "emotion", "probabilities"])'
    )

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Add]:
        """See Exporter."""
        tables: dict[Split, Any] = {}
        with ExitStack() as files:

            def add(row: Row) -> None:
                place = f"audio/{row.split}/{row.name}.flac"
                cells = {
                    "ID": row.columns["id"],  # the one value that is read as it stands
                    "duration": repr(row.audio.duration),
                    "wav": f"$data_root/{place}",
                    **{key: _cell(key, value) for key, value in row.columns.items()},
                }
                del cells["id"]
                if row.split not in tables:
                    (folder / "audio" / row.split).mkdir(parents=True)
                    file = files.enter_context(
                        (folder / f"{row.split}.csv").open("x", encoding="utf-8", newline="")
                    )
                    # Quoted, because the reader strips blanks in front of what is not.
                    table = csv.DictWriter(file, list(cells), quoting=csv.QUOTE_ALL)
                    table.writeheader()
                    tables[row.split] = table
                (folder / place).write_bytes(row.flac())
                tables[row.split].writerow(cells)

            yield add


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key in _JSON:
        return canonical_json(value).replace("$", "\\u0024")
    return re.sub(r"\$(?=[\w.])", "＄", str(value))
