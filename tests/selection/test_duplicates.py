"""Near-duplicates: the more certain one stays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emoforge.selection.selectors import distinct
from emoforge.selection.selectors.directions import on_grid


@given(st.integers(0, 2**32), st.integers(0, 60), st.floats(-1, 1), st.integers(1, 60))
def test_what_stays(seed: int, count: int, limit: float, wanted: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = on_grid(rng.integers(-2, 3, (count, 3)).astype(np.float32))
    ranked = rng.permutation(count)
    kept, twins = distinct(lambda rows: vectors[rows], ranked, wanted, limit)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1)
    cosines = vectors @ vectors.T / np.outer(lengths, lengths)
    nowhere = ~vectors.any(1)
    cosines[np.ix_(nowhere, nowhere)] = 1
    expected: list[int] = []
    passed: list[int] = []
    for row in ranked.tolist():
        if len(expected) == wanted:
            break
        # Cosines at the very limit may fall on either side of it by a rounding error.
        near = cosines[row, expected].max(initial=-2)
        if abs(near - limit) < 1e-6:
            return
        (passed if near > limit else expected).append(row)
    assert kept.tolist() == expected
    assert sorted(twins) == sorted(passed)
    for row, (twin, cosine) in twins.items():
        assert twin in expected
        assert ranked.tolist().index(twin) < ranked.tolist().index(row)
        assert abs(cosine - cosines[row, twin]) < 1e-6


def test_a_long_list_is_looked_at_in_blocks() -> None:
    rng = np.random.default_rng(3)
    vectors = on_grid(np.tile(rng.normal(size=(700, 16)), (3, 1)).astype(np.float32))
    kept, twins = distinct(lambda rows: vectors[rows], np.arange(2100), 2100, 0.999)
    assert kept.tolist() == list(range(700))
    assert {row: twin for row, (twin, _) in twins.items()} == {
        row: row % 700 for row in range(700, 2100)
    }
    asked: list[int] = []

    def counting(rows: np.ndarray) -> np.ndarray:
        asked.extend(rows)
        return vectors[rows]

    assert len(distinct(counting, np.arange(2100), 100, 0.999)[0]) == 100
    assert len(asked) < 700
