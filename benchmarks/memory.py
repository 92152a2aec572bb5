"""Peak memory of a whole run, driver and largest worker, as the corpus grows."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import psutil

from emoforge.audio import Audio, write_flac
from emoforge.augment import AugmentConfig, augment
from emoforge.config import compose
from emoforge.progress import Progress

SIZES = (250, 1000, 4000)
EMOTIONS = ("angry", "happy", "neutral", "sad")
RATE = 16000


def make_corpus(folder: Path, size: int) -> None:
    """Two-second clips of a voiced sound, each under four hundred names at the most."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    sounds = []
    for i in range(10):
        f0 = 120 + 12 * i + 20 * np.sin(2 * np.pi * 2.5 * time)
        pulse = np.sin(np.cumsum(2 * np.pi * f0 / RATE)) ** 9
        syllables = np.clip(np.sin(2 * np.pi * 4 * time), 0, 1)
        noise = rng.normal(0, 0.002, len(time))
        sounds.append(folder / f"sound{i}.flac")
        write_flac(sounds[-1], Audio((0.3 * pulse * syllables + noise).astype(np.float32), RATE))
    with (folder / "manifest.csv").open("w", encoding="utf-8") as table:
        table.write("path,speaker,emotion\n")
        for i in range(size):
            os.link(sounds[i % len(sounds)], folder / f"{i}.flac")
            table.write(f"{i}.flac,s{i % 20},{EMOTIONS[i % 4]}\n")


def run(folder: Path) -> None:
    """The measured run, in a process of its own."""
    settings = [
        "corpus=manifest",
        f"corpus.manifest={folder / 'corpus' / 'manifest.csv'}",
        f"workspace={folder / 'workspace'}",
        "generators=[signal]",
        "generators.signal.operations=[gain,noise]",
        "splits=[train,dev,test]",
        "runner.workers=2",
    ]
    config = compose("augment", settings, AugmentConfig)
    worker = 0.0
    ended = threading.Event()

    def watch() -> None:
        nonlocal worker
        while not ended.wait(0.1):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker = max(worker, child.memory_info().rss / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    summary = augment(config, progress=Progress(quiet=True))
    ended.set()
    watcher.join()
    driver = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"driver": driver, "worker": worker, "seconds": summary.seconds}))


def main() -> None:
    if len(sys.argv) > 1:
        run(Path(sys.argv[1]))
        return
    print(f"{'recordings':>10}{'driver MB':>11}{'worker MB':>11}{'seconds':>9}")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            make_corpus(Path(name) / "corpus", size)
            command = [sys.executable, __file__, name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            print(
                f"{size:>10}{found['driver']:>11.0f}{found['worker']:>11.0f}"
                f"{found['seconds']:>9.0f}"
            )


if __name__ == "__main__":
    main()
