"""Near-duplicates: which of a ranked list of clips say the same thing twice."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emoforge.selection.pool import Floats

_BLOCK = 512


def distinct(
    vectors: Callable[[npt.NDArray[np.int64]], Floats],
    ranked: npt.NDArray[np.int64],
    wanted: int,
    limit: float,
) -> tuple[npt.NDArray[np.int64], dict[int, tuple[int, float]]]:
    """The first `wanted` rows that are no near-duplicates of one before them.

    ranked: rows, the best first. vectors: rows → their directions (`Directions.of`). Two rows
    are near-duplicates if their cosine is above `limit`.
    Returns those rows, and duplicate → (the row that stays, cosine) for what was passed over.
    Only as much of the list is looked at as it takes, a block in one matrix product.
    """
    kept: list[int] = []
    twins: dict[int, tuple[int, float]] = {}
    known = np.empty((0, 0), np.float32)
    lengths = np.empty(0)
    for first in range(0, len(ranked), _BLOCK):
        if len(kept) >= wanted:
            break
        rows = ranked[first : first + _BLOCK]
        block = vectors(rows)
        own = np.linalg.norm(block.astype(np.float64), axis=1)
        if first == 0:
            room = min(wanted, len(ranked))
            known, lengths = np.empty((room, block.shape[1]), np.float32), np.empty(room)
        old = len(kept)
        before = _cosines(block, own, known[:old], lengths[:old])
        within = _cosines(block, own, block, own)
        places: list[int] = []
        for i, row in enumerate(rows.tolist()):
            twin = _above(before[i], limit) or _above(within[i, places], limit, old)
            if twin:
                twins[row] = kept[twin[0]], twin[1]
                continue
            known[len(kept)], lengths[len(kept)] = block[i], own[i]
            kept.append(row)
            places.append(i)
            if len(kept) == wanted:
                break
    return np.array(kept, np.int64), twins


def _above(cosines: Floats, limit: float, first: int = 0) -> tuple[int, float] | None:
    """(place + `first`, cosine) of the largest if it is above the limit."""
    place = int(cosines.argmax()) if len(cosines) else 0
    above = len(cosines) > 0 and cosines[place] > limit
    return (first + place, float(cosines[place])) if above else None


def _cosines(
    a: Floats, a_lengths: npt.NDArray[np.float64], b: Floats, b_lengths: npt.NDArray[np.float64]
) -> Floats:
    """Cosines [a, b]; 1 for two vectors of no length, which are equal."""
    products = a @ b.T
    products /= np.maximum(a_lengths, 1)[:, None]
    products /= np.maximum(b_lengths, 1)
    if not (a_lengths.all() and b_lengths.all()):
        products[np.ix_(a_lengths == 0, b_lengths == 0)] = 1
    return products
