"""Lhotse recordings and supervisions."""

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from emoforge.augment.export.exporter import Add, Exporter
from emoforge.augment.export.row import Row
from emoforge.component import canonical_json

_OWN = ("id", "duration", "text", "language", "speaker", "gender")
"""What Lhotse has fields for; all else is in `custom`, and read as `supervision.emotion`."""


@dataclass(frozen=True)
class Lhotse(Exporter):
    """`emoforge_recordings_train.jsonl.gz`, `emoforge_supervisions_train.jsonl.gz`, `audio/`.

    Paths are relative to the folder, so that it can be moved.
    """

    name: ClassVar[str] = "lhotse"
    version: ClassVar[int] = 2
    usage: ClassVar[str] = (
        "from lhotse import CutSet\n"
        "from lhotse.recipes.utils import read_manifests_if_cached\n\n"
        'train = read_manifests_if_cached(["train"], "PATH", prefix="emoforge")["train"]\n'
        'recordings = train["recordings"].with_path_prefix("PATH")\n'
        'cuts = CutSet.from_manifests(recordings, train["supervisions"])\n'
        "cuts[0].load_audio(), cuts[0].supervisions[0].distribution"
    )

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Add]:
        """See Exporter."""
        manifests: dict[str, io.TextIOWrapper] = {}
        with ExitStack() as files:

            def line(kind: str, split: str, value: dict[str, Any]) -> None:
                name = f"emoforge_{kind}_{split}.jsonl.gz"
                if name not in manifests:
                    raw = files.enter_context((folder / name).open("xb"))
                    # No name and no time in the header: equal lines give equal bytes.
                    packed = files.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
                    manifests[name] = files.enter_context(
                        io.TextIOWrapper(packed, encoding="utf-8", newline="\n")
                    )
                manifests[name].write(canonical_json(value) + "\n")

            def add(row: Row) -> None:
                place = f"audio/{row.split}/{row.name}.flac"
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(row.flac())
                own = {key: row.columns[key] for key in _OWN}
                recording = {
                    "id": own["id"],
                    "sources": [{"type": "file", "channels": [0], "source": place}],
                    "sampling_rate": row.audio.rate,
                    "num_samples": len(row.audio.samples),
                    "duration": row.audio.duration,
                    "channel_ids": [0],
                }
                supervision = {
                    **{key: value for key, value in own.items() if value is not None},
                    "recording_id": own["id"],
                    "start": 0.0,
                    "channel": 0,
                    "custom": {k: v for k, v in row.columns.items() if k not in _OWN},
                }
                line("recordings", row.split, recording)
                line("supervisions", row.split, supervision)

            yield add
