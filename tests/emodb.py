"""A small real corpus: a few clips of EmoDB with splits of a test's own."""

import csv
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path


def manifest_of(
    shared: Path, folder: Path, splits: Mapping[str, str], emotions: Collection[str] = ()
) -> Path:
    """A table in `folder` of the three shortest clips of each emotion of each speaker.

    splits: speaker → split; emotions: as EmoDB calls them, all if none is named.
    """
    with (shared / "corpora" / "emodb" / "metadata.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"] in splits]
    seen: Counter[tuple[str, str]] = Counter()
    chosen = []
    for row in sorted(rows, key=lambda row: float(row["duration_s"])):
        seen[row["speaker"], row["emotion"]] += 1
        wanted = not emotions or row["emotion"] in emotions
        if wanted and seen[row["speaker"], row["emotion"]] <= 3:
            path = str(shared / "corpora" / row["path"])
            chosen.append([path, row["emotion"], row["speaker"], splits[row["speaker"]]])
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["path", "emotion", "speaker", "split"], *chosen])
    return manifest
