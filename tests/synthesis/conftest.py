"""Real clips for the tests of synthesis."""

import csv
from pathlib import Path

import pytest

from emoforge.clip import Clip
from emoforge.label import Label, canonical


@pytest.fixture(scope="session")
def clips(shared: Path) -> list[Clip]:
    """All clips of the real corpora, in the order of their manifest."""
    root = shared / "corpora"
    with (root / "manifest.csv").open(encoding="utf-8") as file:
        return [
            Clip(
                id=row["path"],
                path=str(root / row["path"]),
                duration=float(row["duration_s"]),
                rate=16000,
                label=Label.of(canonical(row["emotion"])),
                speaker=row["speaker"],
                corpus=row["corpus"],
                text=row["text"],
                language=row["lang"],
                gender=row["gender"],
                licence=row["licence"],
            )
            for row in csv.DictReader(file)
        ]


@pytest.fixture(scope="session")
def short_clips(clips: list[Clip]) -> list[Clip]:
    """Two short neutral clips of each corpus, of a woman and of a man."""
    found: dict[tuple[str, str | None], Clip] = {}
    for clip in sorted(clips, key=lambda c: (c.duration, c.id)):
        if clip.emotion == "neutral":
            found.setdefault((clip.corpus, clip.gender), clip)
    return list(found.values())
