"""Embeddings as directions from their mean, on a grid on which dot products are exact.

The cosine of raw embeddings is near 1 for any two clips; taking the mean away first gives it its
meaning back. The unit vectors are rounded to integers of a norm of at most 2¹²: every sum of
products of their coordinates, in any order, is then an integer of at most 2²⁴ (Cauchy–Schwarz)
and exact in float32. Who is nearest to whom thus does not depend on the machine, the number of
threads or the size of a batch; the rounding moves a cosine by about 1e-4.
"""

import numpy as np
import numpy.typing as npt

from emoforge.selection.pool import Floats

_NORM = 4096.0
_TINY = float(np.finfo(np.float32).tiny)


class Directions:
    """Directions of clips from the mean of all of them, made for the rows that are asked for."""

    def __init__(self, embeddings: Floats) -> None:
        """embeddings: [n, parts, width]; a clip's parts are averaged."""
        self._embeddings = embeddings
        self._centre = embeddings.mean((0, 1), dtype=np.float64).astype(np.float32)

    def of(self, rows: npt.NDArray[np.int64]) -> Floats:
        """Whole numbers as float32 [rows, width]; zeros for a clip that lies at the mean."""
        away = self._embeddings[rows].mean(1) - self._centre
        return on_grid(away)


def on_grid(vectors: Floats) -> Floats:
    """Vectors [n, width] scaled to one length and rounded to whole numbers, as float32."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # Rounding makes a vector longer by half the square root of its width at most.
    scale = _NORM - np.sqrt(vectors.shape[1]) / 2
    whole: Floats = np.rint(vectors * (scale / np.maximum(lengths, _TINY))).astype(np.float32)
    return whole
