"""Farthest-first traversal: a subset in which everybody is far from everybody else.

T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer
Science 38 (1985): take next whatever is farthest from all that is taken. Each set of k that it
takes covers the whole within twice the radius of the best k centres.
"""

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from emoforge.selection.pool import Floats

_ACTIVE = 2048
"""Points that compete at a time: their vectors stay in the processor's cache."""
_CHUNK = 512
_UNSEEN = -(2.0**25)
"""Below every dot product."""
_TAKEN = np.iinfo(np.int64).max


def farthest_first(vectors: Floats, count: int) -> npt.NDArray[np.int64]:
    """Rows of `count` vectors, in the order in which they are taken, row 0 first.

    vectors: float32 [n, width], whole numbers as `directions.on_grid` makes them; the next row is
    the one whose largest dot product with the rows taken is the smallest (of equals, the first).

    The result is exactly that of the plain algorithm, which compares every point with every
    taken one as soon as it is taken and so reads all vectors `count` times. Here a point's
    similarity to the taken is a lower bound until the point may be the farthest: the points of
    the least bounds are brought up to date, with many taken points in one matrix product, and
    take turns among themselves for as long as one of them is below the bounds of all others.
    """
    # Each product is small: handing it out to threads takes longer than the product does.
    with threadpool_limits(1, user_api="blas"):
        return _traverse(vectors, min(count, len(vectors)))


def _traverse(vectors: Floats, count: int) -> npt.NDArray[np.int64]:
    total, width = vectors.shape
    taken = np.zeros(count, np.int64)
    centres = np.empty((count, width), np.float32)
    rows = np.arange(total)
    similarity = np.full(total, _UNSEEN, np.float32)
    seen = np.zeros(total, np.int64)
    keys = _keys(similarity, rows)
    found = 0
    while found < count:
        if total > _ACTIVE:
            split = np.argpartition(keys, _ACTIVE)
            active, limit = split[:_ACTIVE], keys[split[_ACTIVE]]
        else:
            active, limit = rows, _TAKEN
        active = active[np.argsort(seen[active], kind="stable")]
        own = vectors[active]
        nearest = similarity[active]
        for first in range(0, len(active), _CHUNK):
            part = slice(first, first + _CHUNK)
            since = seen[active[first]]
            if since < found:
                products = own[part] @ centres[since:found].T
                np.maximum(nearest[part], products.max(1), out=nearest[part])
        gone = keys[active] == _TAKEN
        own_keys = np.where(gone, _TAKEN, _keys(nearest, active))
        while found < count:
            best = int(own_keys.argmin())
            if own_keys[best] >= limit:
                break
            taken[found], centres[found] = active[best], own[best]
            np.maximum(nearest, own @ own[best], out=nearest)
            gone[best] = True
            own_keys = np.where(gone, _TAKEN, _keys(nearest, active))
            found += 1
        keys[active], similarity[active], seen[active] = own_keys, nearest, found
    return taken


def _keys(similarity: Floats, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Similarity and row in one number: the least is the farthest point, of equals the first."""
    return (similarity.astype(np.int64) << 32) + rows
