"""How fast bootstrapping and farthest-first traversal are, and how much memory they take.

    python benchmarks/selection.py

A round: a head is trained on 20,000 real clips, hears 1,000,000 candidates of width 256, the
policy chooses, and a second head is trained on real and kept clips and measured; beside
scikit-learn's logistic regression doing the training and hearing. Farthest-first: 10,000 of
100,000 of width 256; beside the plain algorithm in NumPy, whose first 500 steps are timed and
multiplied, all steps being alike. Each in a process of its own, on two threads; `made` is what
the process held before the work began.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

THREADS = "2"
CANDIDATES, REAL, WIDTH = 1_000_000, 20_000, 256
POINTS, TAKEN, PLAIN_STEPS = 100_000, 10_000, 500
CLASSES = 4


def measured(work: Callable[[], object]) -> dict[str, float]:
    made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": seconds, "made": made, "peak": peak}


def material():
    """Candidates of which half carry another emotion than their label says."""
    import numpy as np

    from emoforge.component import rng_for
    from emoforge.label import BASIC4
    from emoforge.selection import Material, Pool

    rng = rng_for("benchmark", "selection")
    places = rng.normal(size=(CLASSES, WIDTH)).astype(np.float32) / 4

    def pool(prefix: str, count: int, wrong: float) -> Pool:
        labels = rng.integers(0, CLASSES, count)
        truth = np.where(rng.random(count) < wrong, rng.integers(0, CLASSES, count), labels)
        embeddings = rng.standard_normal((count, 1, WIDTH), np.float32)
        for c in range(CLASSES):
            for rows in np.array_split(np.flatnonzero(truth == c), max(1, count // 20000)):
                embeddings[rows] += places[c]
        heard = rng.dirichlet(np.ones(CLASSES), count).astype(np.float32)
        names = np.zeros(count, "<U8")
        return Pool(
            [f"{prefix}{i:07}" for i in range(count)], labels,
            np.eye(CLASSES, dtype=np.float32)[labels], heard, heard[None], embeddings,
            names, names, names, names, names,
        )  # fmt: skip

    return Material(BASIC4, pool("c", CANDIDATES, 0.6), pool("r", REAL, 0), pool("d", 5000, 0))


def one_round() -> dict[str, float]:
    import torch  # noqa: F401 - importing it is no part of a round

    from emoforge.selection import Bootstrap

    given = material()
    return measured(lambda: Bootstrap(rounds=1, judge=False).select(given))


def one_round_by_sklearn() -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression

    given = material()

    def work() -> None:
        head = LogisticRegression(max_iter=400)
        head.fit(given.train.embeddings[:, 0], given.train.emotions)
        head.predict_proba(given.candidates.embeddings[:, 0])

    return measured(work)


def points():
    import numpy as np

    from emoforge.component import rng_for
    from emoforge.selection.selectors.directions import on_grid

    return on_grid(rng_for("benchmark", "points").standard_normal((POINTS, WIDTH), np.float32))


def farthest() -> dict[str, float]:
    from emoforge.selection.selectors import farthest_first

    given = points()
    return measured(lambda: farthest_first(given, TAKEN))


def farthest_in_numpy() -> dict[str, float]:
    import numpy as np

    given = points()

    def work() -> None:
        nearest = given @ given[0]
        for _ in range(PLAIN_STEPS):
            np.maximum(nearest, given @ given[nearest.argmin()], out=nearest)

    found = measured(work)
    return {**found, "seconds": found["seconds"] * TAKEN / PLAIN_STEPS}


WORKS = {
    "bootstrap round, 1,000,000": (one_round, one_round_by_sklearn, "scikit-learn"),
    "farthest-first, 10,000 of 100,000": (farthest, farthest_in_numpy, "NumPy"),
}


def run(work: Callable[[], dict[str, float]]) -> dict[str, float]:
    threads = {f"{name}_NUM_THREADS": THREADS for name in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(
        [sys.executable, __file__, work.__name__],
        check=True, capture_output=True, text=True, env={**os.environ, **threads},
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(globals()[sys.argv[1]]()))
        return
    print(
        f"{'':34}{'seconds':>8}{'made GB':>9}{'peak GB':>9}  {'peer':14}{'seconds':>8}{'ratio':>7}"
    )
    for name, (work, peer, label) in WORKS.items():
        own, other = run(work), run(peer)
        print(
            f"{name:34}{own['seconds']:>8.1f}{own['made']:>9.2f}{own['peak']:>9.2f}  {label:14}"
            f"{other['seconds']:>8.1f}{other['seconds'] / own['seconds']:>7.1f}"
        )


if __name__ == "__main__":
    main()
