"""Materials for selectors: small ones drawn by Hypothesis, and a world where truth is known."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from emoforge.label import BASIC4
from emoforge.selection import Material, Pool

CLASSES = len(BASIC4.classes)


def pool(
    prefix: str,
    emotions: npt.ArrayLike,
    probabilities: npt.ArrayLike | None = None,
    embeddings: npt.ArrayLike | None = None,
    *,
    members: npt.ArrayLike | None = None,
    generators: npt.ArrayLike | None = None,
    speakers: npt.ArrayLike | None = None,
    parents: npt.ArrayLike | None = None,
    split: str = "train",
) -> Pool:
    """A pool of basic4; what is not given says nothing."""
    carried = np.asarray(emotions, np.int64).reshape(-1)
    n = len(carried)
    heard = np.full((n, CLASSES), 1 / CLASSES) if probabilities is None else probabilities
    heard = np.asarray(heard, np.float32).reshape(n, CLASSES)
    vectors = np.zeros((n, 1, 2)) if embeddings is None else np.asarray(embeddings)

    def column(values: npt.ArrayLike | None, default: str) -> npt.NDArray[np.str_]:
        return np.array([default] * n if values is None else values, np.str_).reshape(n)

    return Pool(
        [f"{prefix}{i:05}" for i in range(n)],
        carried,
        np.eye(CLASSES, dtype=np.float32)[carried],
        heard,
        heard[None] if members is None else np.asarray(members, np.float32),
        vectors.astype(np.float32),
        column(generators, "" if prefix == "real" else "espeak"),
        column(None, "corpus"),
        column(speakers, "s0"),
        column(None, split),
        column(parents, ""),
    )


def material(
    candidates: Pool, prior: npt.ArrayLike = (5, 5, 5, 5), dev: Pool | None = None
) -> Material:
    """Candidates beside as many real training clips of each class as the prior says."""
    train = pool("real", np.repeat(np.arange(CLASSES), prior))
    return Material(BASIC4, candidates, train, pool("real", []) if dev is None else dev)


@st.composite
def distributions(draw: st.DrawFn, count: int) -> npt.NDArray[np.float32]:
    weights = np.array(
        [[draw(st.integers(1, 100)) for _ in range(CLASSES)] for _ in range(count)], np.float64
    ).reshape(-1, CLASSES)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


@st.composite
def materials(draw: st.DrawFn, dev: int = 0) -> Material:
    """Up to 40 candidates of two generators with embeddings on a coarse grid, three judges.

    dev: real dev clips of each class, heard rightly.
    """
    n = draw(st.integers(0, 40))
    emotions = draw(st.lists(st.integers(0, CLASSES - 1), min_size=n, max_size=n))
    members = np.stack([draw(distributions(n)) for _ in range(3)])
    points = st.lists(st.integers(-2, 2), min_size=3 * n, max_size=3 * n)
    candidates = pool(
        "c",
        emotions,
        members.mean(0),
        np.array(draw(points), np.float32).reshape(n, 1, 3),
        members=members,
        generators=draw(st.lists(st.sampled_from(["espeak", "signal"]), min_size=n, max_size=n)),
    )
    prior = draw(st.lists(st.integers(0, 8), min_size=CLASSES, max_size=CLASSES))
    real = np.repeat(np.arange(CLASSES), dev)
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    heard = 0.5 * np.eye(CLASSES)[real] + 0.5 * chance.dirichlet(np.ones(CLASSES), len(real))
    return material(candidates, prior, pool("real", real, heard, split="dev"))


def shuffled(given: Material, order: npt.NDArray[np.int64]) -> Material:
    """The same candidates under the same ids in another order."""
    c = given.candidates
    return replace(
        given,
        candidates=Pool(
            [c.ids[i] for i in order],
            c.emotions[order],
            c.targets[order],
            c.probabilities[order],
            c.members[:, order],
            c.embeddings[order],
            c.generators[order],
            c.corpora[order],
            c.speakers[order],
            c.splits[order],
            c.parents[order],
        ),
    )


def world(
    seed: int = 0,
    *,
    candidates: int = 600,
    wrong: float = 0.5,
    dev: bool = True,
    speakers: int = 6,
    width: int = 16,
    prior: tuple[int, ...] = (30, 24, 40, 26),
    apart: float = 1.2,
) -> tuple[Material, npt.NDArray[np.bool_]]:
    """Clips of known truth, and which candidates carry the emotion that they are labelled with.

    An embedding is its emotion's place, its speaker's, its source's (real or made), and noise;
    each candidate's label is wrong with probability `wrong`. The judge is told the truth of
    three in five, and guesses the rest.
    """
    rng = np.random.default_rng(seed)
    places = apart * rng.normal(size=(CLASSES, width))
    voices = 0.6 * rng.normal(size=(2 * speakers, width))
    made = 0.5 * rng.normal(size=width)

    def embed(
        truth: npt.NDArray[np.int64], voice: npt.NDArray[np.int64], source: npt.ArrayLike
    ) -> npt.NDArray[np.float32]:
        noise = rng.normal(size=(len(truth), width))
        return (places[truth] + voices[voice] + source + noise).astype(np.float32)[:, None]

    def judge(truth: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        guess = rng.integers(0, CLASSES, len(truth))
        heard = np.where(rng.random(len(truth)) < 0.6, truth, guess)
        return (0.3 * np.eye(CLASSES)[heard] + 0.7 * rng.dirichlet(np.ones(4), len(truth))).astype(
            np.float32
        )

    def real(split: str, first: int) -> Pool:
        truth = np.repeat(np.arange(CLASSES), prior)
        voice = first + np.arange(len(truth)) % speakers
        return pool(
            f"real-{split}-",
            truth,
            judge(truth),
            embed(truth, voice, 0),
            generators=[""] * len(truth),
            speakers=[f"s{v}" for v in voice],
            split=split,
        )

    train, held = real("train", 0), real("dev", speakers)
    parent = rng.integers(0, len(train), candidates)
    labels = train.emotions[parent]
    truth = np.where(
        rng.random(candidates) < wrong,
        (labels + rng.integers(1, CLASSES, candidates)) % CLASSES,
        labels,
    )
    voice = np.array([int(name[1:]) for name in train.speakers[parent]])
    generated = pool(
        "c",
        labels,
        judge(truth),
        embed(truth, voice, made),
        speakers=train.speakers[parent],
        parents=[train.ids[i] for i in parent],
        generators=np.where(rng.random(candidates) < 0.5, "espeak", "signal"),
    )
    return (
        Material(BASIC4, generated, train, held if dev else held.take(np.array([], np.int64))),
        truth == labels,
    )
