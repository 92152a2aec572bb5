"""The emotion-loss report as the corpus grows: peak memory, and what a second run does again.

    python benchmarks/emotion_loss.py

Every clip is another sound. `again` is the same report on what is kept, as a ratio of the first;
`one more` adds a codec to it.
"""

import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from emoforge.audio import Audio, write_flac
from emoforge.augment import CorpusConfig, EmotionLossConfig, report_emotion_loss
from emoforge.progress import Progress

SIZES = (100, 400, 1600)
EMOTIONS = ("angry", "happy", "neutral", "sad")
RATE = 16000
CODECS = ["opus@16", "amr_nb@12.2", "alaw"]


def make_corpus(folder: Path, size: int) -> None:
    """Two-second clips of voiced sounds, of twenty speakers."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    times = np.arange(2 * RATE) / RATE
    with (folder / "manifest.csv").open("w", encoding="utf-8") as table:
        table.write("path,speaker,emotion\n")
        for i in range(size):
            f0 = rng.uniform(90, 260) * (1 + 0.1 * np.sin(2 * np.pi * 2.5 * times))
            pulse = np.sin(np.cumsum(2 * np.pi * f0 / RATE)) ** 9
            syllables = np.clip(np.sin(2 * np.pi * 4 * times), 0, 1)
            noise = rng.normal(0, 0.002, len(times))
            sound = Audio((0.3 * pulse * syllables + noise).astype(np.float32), RATE)
            write_flac(folder / f"{i}.flac", sound)
            table.write(f"{i}.flac,s{i % 20},{EMOTIONS[i % 4]}\n")


def report(folder: Path, codecs: list[str]) -> float:
    """Seconds that the report takes."""
    corpus = CorpusConfig(
        name="sounds", reader="manifest", root="", manifest=str(folder / "corpus" / "manifest.csv")
    )
    config = EmotionLossConfig(
        corpus, codecs, str(folder / "out"), measures={"mel": {}}, workers=2, listen=0
    )
    began = time.perf_counter()
    report_emotion_loss(config, Progress(quiet=True))
    return time.perf_counter() - began


def run(folder: Path) -> None:
    """The measured reports, in a process of its own."""
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
    first = report(folder, CODECS)
    driver = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    again = report(folder, CODECS)
    more = report(folder, [*CODECS, "gsm"])
    ended.set()
    watcher.join()
    found = {"driver": driver, "worker": worker, "first": first, "again": again, "more": more}
    print(json.dumps(found))


def main() -> None:
    if len(sys.argv) > 1:
        run(Path(sys.argv[1]))
        return
    print(f"{'clips':>6} {'driver':>9} {'worker':>9} {'a clip':>8} {'again':>6} {'one more':>9}")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            make_corpus(Path(folder) / "corpus", size)
            done = subprocess.run(
                [sys.executable, __file__, folder], capture_output=True, text=True, check=True
            )
        one = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{size:>6} {one['driver']:>6.0f} MB {one['worker']:>6.0f} MB "
            f"{1000 * one['first'] / size:>5.0f} ms {one['again'] / one['first']:>6.2f} "
            f"{one['more'] / one['first']:>9.2f}"
        )


if __name__ == "__main__":
    main()
