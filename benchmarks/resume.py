"""Resuming a run of 100,000 planned candidates of which all are done: time and peak memory.

Planning, gating and selecting are done for real; outcomes and scores are rows without audio.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from emoforge.audio import Audio, write_flac
from emoforge.augment import AugmentConfig, augment
from emoforge.augment.generate import candidate_clip
from emoforge.config import compose
from emoforge.progress import Progress
from emoforge.selection import Given, measure_all
from emoforge.workspace import Encoded, Made, Scored, Workspace

COPIES = 3
RECORDINGS = 100_000 // COPIES + 1
EMOTIONS = ("angry", "happy", "neutral", "sad")
BATCH = 2000


def make_corpus(folder: Path) -> Path:
    """One sound under many names: what counts here is how many files there are."""
    folder.mkdir()
    tone = np.sin(np.arange(3200) * 0.05).astype(np.float32) * 0.3
    write_flac(folder / "sound.flac", Audio(tone, 16000))
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8") as table:
        table.write("path,speaker,emotion\n")
        for i in range(RECORDINGS):
            os.link(folder / "sound.flac", folder / f"{i}.flac")
            table.write(f"{i}.flac,s{i % 50},{EMOTIONS[i % 4]}\n")
    return manifest


def settings(folder: Path) -> list[str]:
    return [
        "corpus=manifest",
        f"corpus.manifest={folder / 'corpus' / 'manifest.csv'}",
        f"workspace={folder / 'workspace'}",
        "generators=[signal]",
        f"generators.signal.copies={COPIES}",
        "splits=[train,dev,test]",
        "export=[]",
        "runner.workers=0",
    ]


def fill(config: AugmentConfig) -> float:
    """Plan for real, add rows of outcomes and scores; returns candidates planned per second."""
    from emoforge.augment.job import Parts
    from emoforge.augment.pipeline import import_sources, plan_sources

    parts, quiet = Parts.of(config), Progress(quiet=True)
    rng = np.random.default_rng(0)
    with Workspace.open(config.workspace, write=True) as workspace:
        imported = import_sources(workspace, config, quiet)
        began = time.perf_counter()
        plan_sources(workspace, config, parts, imported, quiet)
        planning = time.perf_counter() - began
        clips = {clip.id: clip for clip in imported.clips}
        judge = parts.judge
        sound = imported.clips[0].read()
        noise = Audio(rng.normal(0, 0.1, len(sound.samples)).astype(np.float32), sound.rate)
        ids = [candidate for candidate, _, _ in workspace.pending(["signal"])]
        for first in range(0, len(ids), BATCH):
            page = workspace.plans(ids[first : first + BATCH])
            values = measure_all(
                parts.gates, noise, Given(next(iter(page.values())).promise, sound)
            )
            passing = {**values, "voiced": 1.0, "silence": 0.0, "level": -20.0, "duration": 1.0}
            made = []
            for plan in page.values():
                clip = candidate_clip(clips[plan.parent], plan, sound, f"00/{plan.id}.flac", "")
                vector = rng.normal(0, 1, 400).astype(np.float32)
                made.append(Made(plan.id, "ok", "", "", passing, vector, clip))
            workspace.add_outcomes(made)
        everything = [*ids, *clips]
        for first in range(0, len(everything), BATCH):
            page = everything[first : first + BATCH]
            heard = [{"basic4": (p / p.sum()).tolist()} for p in rng.random((len(page), 4))]
            vectors = rng.normal(0, 1, (len(page), 1, 192)).astype(np.float32)
            workspace.add_judged(
                judge.encoder,
                [Encoded(*row) for row in zip(page, vectors, heard, strict=True)],
                judge.key,
                [Scored(*row) for row in zip(page, heard, strict=True)],
            )
    return len(ids) / planning


def main() -> None:
    if len(sys.argv) > 1:  # the measured call, in a process of its own
        config = compose("augment", settings(Path(sys.argv[1])), AugmentConfig)
        began = time.perf_counter()
        augment(config, progress=Progress(quiet=True))
        seconds = time.perf_counter() - began
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "megabytes": megabytes}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder / "corpus")
        rate = fill(compose("augment", settings(folder), AugmentConfig))
        print(f"planned {rate:,.0f} candidates/s\n")
        print(f"{'call':<34}{'seconds':>9}{'peak MB':>9}")
        for title in ("gate, select and report 100,000", "resume, all done", "resume, all done"):
            done = subprocess.run(
                [sys.executable, __file__, name], check=True, capture_output=True, text=True
            )
            found = json.loads(done.stdout)
            print(f"{title:<34}{found['seconds']:>9.1f}{found['megabytes']:>9.0f}")


if __name__ == "__main__":
    main()
