"""What a countermeasure costs: to prepare a clip, to learn from it once, to score it.

    python benchmarks/countermeasure.py [device]

Each row is the processor time of one thread for one clip of RAVDESS, the median of seven rounds;
with a device it is the time that passed. Preparing is everything before the network: reading,
preparation, the eight low-level features before and after it, and LFCC. The network hears 2 s.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from emoforge.audio import read
from emoforge.selection.countermeasures import Preparation, lfcc, measure
from emoforge.selection.countermeasures.countermeasure import Countermeasure, excerpt, placed
from emoforge.selection.countermeasures.lcnn import built, loss

CLIPS, ROUNDS = 32, 7
SHARED = Path(os.environ.get("EMOFORGE_SHARED", Path(__file__).parents[2] / "shared"))


def prepared(path: Path) -> np.ndarray:
    audio = read(path)
    sound = Preparation().apply(audio, path.name)
    measure(audio), measure(sound)
    return lfcc(sound.samples, *Preparation().span).astype(np.float16)


def milliseconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Of one clip, when `work` does them all."""
    work()
    taken = []
    for _ in range(ROUNDS):
        began = clock()
        work()
        taken.append(clock() - began)
    return 1000 * statistics.median(taken) / CLIPS


def main() -> None:
    device = sys.argv[1] if len(sys.argv) > 1 else "cpu"
    clock = time.process_time if device == "cpu" else time.perf_counter
    torch.set_num_threads(1)
    files = sorted((SHARED / "corpora" / "ravdess").glob("*.flac"))
    files = files[:: len(files) // CLIPS][:CLIPS]
    frames = [prepared(path) for path in files]
    network = placed(built(torch.Generator().manual_seed(0)), device)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    dropout = torch.Generator().manual_seed(0)
    spoof = torch.arange(CLIPS, device=device) % 2 == 0

    def learn() -> float:
        batch = torch.stack([excerpt(clip, 0, 200) for clip in frames]).to(device)
        error = loss(network.train()(batch, dropout), spoof)
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        return error.item()

    countermeasure = Countermeasure(network, 2.0, {})
    rows = {
        "prepare": milliseconds(lambda: [prepared(path) for path in files], time.process_time),
        "learn once": milliseconds(learn, clock),
        "score": milliseconds(lambda: countermeasure.scores(frames), clock),
    }
    print(f"{'ms a clip':12} {device:>6}")
    for name, value in rows.items():
        print(f"{name:12} {value:6.2f}")


if __name__ == "__main__":
    main()
