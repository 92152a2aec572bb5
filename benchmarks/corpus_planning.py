"""Planning a corpus of 36,000 clips: 10 speakers × 4 emotions × 300 texts × 3 generators.

Script, plans and their rows, from recordings that are catalogued to candidates that can be made;
and the same script again, where all is known. The peer writes as many rows of the same size with
`sqlite3` alone.
"""

import json
import sqlite3
import tempfile
import time
from pathlib import Path

from emoforge.augment.corpus_builder.script import Scriptwriter
from emoforge.augment.corpus_builder.texts import load_texts
from emoforge.augment.job import RecipeConfig
from emoforge.augment.planner import plan_candidates
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Generator, create
from emoforge.label import BASIC4, Label
from emoforge.progress import Progress
from emoforge.workspace import Workspace

SPEAKERS, RECORDINGS, EACH = 10, 30, 300
GENERATORS = ("espeak", "world_vc", "prosody")


def recordings() -> list[Clip]:
    """So many of each speaker in each emotion; planning looks at no audio."""
    return [
        Clip(
            id=f"corpus/{speaker}-{emotion}-{number}",
            path="recording.flac",
            duration=3.0,
            rate=16000,
            label=Label.of(emotion, BASIC4),
            speaker=f"s{speaker}",
            corpus="corpus",
            digest=f"{speaker}-{emotion}-{number}",
            text="Kids are talking by the door.",
            language="en-US",
            gender=("female", "male")[speaker % 2],
            split="train",
            licence="CC0-1.0",
        )
        for speaker in range(SPEAKERS)
        for emotion in BASIC4.classes
        for number in range(RECORDINGS)
    ]


def plan(workspace: Workspace, clips: list[Clip], generators: list[Generator]) -> int:
    cast = Cast.of(clips)
    recipe = RecipeConfig("benchmark", EACH, list(BASIC4.classes))
    writer = Scriptwriter(recipe, BASIC4, cast, load_texts("neutral", clips), ["train"], 0)
    script = writer.write(generators)
    assert not script.problems, script.problems
    workspace.add_lines(script.lines)
    slots = script.slots
    planned = plan_candidates(workspace, slots, len(slots), 0, Progress(quiet=True), cast=cast)
    return len(planned.candidates)


def peer(folder: Path, rows: list[tuple[str, str]]) -> float:
    """Seconds for two tables of such rows."""
    began = time.perf_counter()
    with sqlite3.connect(folder / "peer.db") as database:
        database.execute("PRAGMA journal_mode=WAL")
        for table in ("plan", "planned"):
            database.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY, row TEXT)")
            database.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
    return time.perf_counter() - began


def main() -> None:
    generators = [create("generator", name) for name in GENERATORS]
    clips = recordings()
    with tempfile.TemporaryDirectory() as folder:
        with Workspace.open(Path(folder) / "workspace", write=True) as workspace:
            workspace.add_recordings([(clip, "") for clip in clips])
            times = []
            for _ in range(2):
                began = time.perf_counter()
                count = plan(workspace, clips, [g for g in generators if isinstance(g, Generator)])
                times.append(time.perf_counter() - began)
            rows = [
                (row["id"], json.dumps({key: str(value) for key, value in row.items()}))
                for row in workspace.table_rows("plan")
            ]
        alone = peer(Path(folder), rows)
    print(f"{count} candidates planned: {times[0]:.1f} s ({count / times[0]:.0f} a second)")
    print(f"the same again, all known:   {times[1]:.1f} s")
    print(f"their rows by sqlite3 alone: {alone:.1f} s; planning takes {times[0] / alone:.1f} ×")


if __name__ == "__main__":
    main()
