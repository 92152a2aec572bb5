"""How fast the embedded judge hears: clips a second and × real time, alone and in batches.

    python benchmarks/judge.py

Clips of 1 to 6 s of speech-like noise at 16 kHz on the CPU (one thread), best of 3 runs.
"""

import time

import numpy as np

from emoforge.component import rng_for
from emoforge.selection.judges import EmbeddedJudge

CLIPS, RUNS = 128, 3


def main() -> None:
    rng = rng_for("benchmark", "judge")
    lengths = rng.integers(16000, 6 * 16000, CLIPS)
    audios = [(0.1 * rng.standard_normal(n)).astype(np.float32) for n in lengths]
    speech = sum(lengths) / 16000
    judge = EmbeddedJudge()
    judge.setup()
    judge.score(audios[:8])
    print(f"{'batch':>5}  {'clips/s':>8}  {'x real time':>11}")
    for batch in (1, 32, CLIPS):
        best = float("inf")
        for _ in range(RUNS):
            start = time.perf_counter()
            for k in range(0, CLIPS, batch):
                judge.score(audios[k : k + batch])
            best = min(best, time.perf_counter() - start)
        print(f"{batch:>5}  {CLIPS / best:>8.1f}  {speech / best:>11.0f}")


if __name__ == "__main__":
    main()
