"""Farthest-first traversal: exactly the plain algorithm, on whatever is given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.selection.selectors import farthest, farthest_first
from emoforge.selection.selectors.directions import Directions, on_grid


def plain(vectors: np.ndarray, count: int) -> list[int]:
    """Take the row whose largest product with the taken is the smallest; of equals the first."""
    whole = vectors.astype(np.int64)
    nearest = np.full(len(whole), np.iinfo(np.int64).min)
    taken: list[int] = []
    for _ in range(count):
        row = int(nearest.argmin())
        taken.append(row)
        nearest = np.maximum(nearest, whole @ whole[row])
        nearest[taken] = np.iinfo(np.int64).max
    return taken


@given(st.integers(0, 2**32), st.integers(1, 120), st.integers(1, 9), st.integers(0, 5), st.data())
def test_it_is_the_plain_algorithm(
    seed: int, total: int, width: int, copies: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    # Small whole numbers: many equals, many duplicates, vectors of no length.
    vectors = on_grid(rng.integers(-copies, copies + 1, (total, width)).astype(np.float32))
    count = data.draw(st.integers(0, total))
    assert farthest_first(vectors, count).tolist() == plain(vectors, count)


@pytest.mark.parametrize("active", [1, 7, 64])
def test_it_is_the_plain_algorithm_however_few_compete_at_a_time(
    active: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farthest, "_ACTIVE", active)
    monkeypatch.setattr(farthest, "_CHUNK", 5)
    rng = np.random.default_rng(active)
    vectors = rng.normal(size=(400, 6)).astype(np.float32)
    vectors[200:230] = vectors[:30]
    for points in (on_grid(vectors), on_grid(np.round(vectors))):
        assert farthest_first(points, 400).tolist() == plain(points, 400)


def test_with_thousands_of_rows_it_is_the_plain_algorithm() -> None:
    rng = np.random.default_rng(5)
    vectors = on_grid(rng.normal(size=(5000, 32)).astype(np.float32))
    assert farthest_first(vectors, 300).tolist() == plain(vectors, 300)


def test_more_than_there_is_gives_all() -> None:
    vectors = on_grid(np.eye(3, dtype=np.float32))
    assert sorted(farthest_first(vectors, 9)) == [0, 1, 2]


@given(st.integers(0, 2**32), st.sampled_from([3, 64, 1024]))
def test_products_on_the_grid_are_exact_in_any_order(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(8, width)) * 10.0 ** rng.integers(-6, 6, (8, 1))
    vectors = on_grid(raw.astype(np.float32))
    whole = vectors.astype(np.int64)
    assert (vectors == whole).all()
    assert (np.linalg.norm(whole, axis=1) <= 4096).all()
    order = rng.permutation(width)
    assert (vectors[:, order] @ vectors[:, order].T == whole @ whole.T).all()
    cosines = raw @ raw.T / np.outer(*[np.linalg.norm(raw, axis=1)] * 2)
    lengths = np.linalg.norm(whole, axis=1)
    assert np.abs(whole @ whole.T / np.outer(lengths, lengths) - cosines).max() < 2e-3


def test_directions_are_from_the_mean_of_all_parts() -> None:
    rng = np.random.default_rng(0)
    embeddings = (5 + rng.normal(size=(50, 3, 8))).astype(np.float32)
    rows = np.array([4, 2, 49])
    away = (embeddings.mean(1) - embeddings.mean((0, 1)))[rows]
    found = Directions(embeddings).of(rows)
    cosine = (found * away).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(away, axis=1)
    assert (cosine > 0.99999).all()
