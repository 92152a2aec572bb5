"""Who hears the emotion after a codec: the judge as it is, and heads that learnt here."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoforge.component import rng_for
from emoforge.label import Scheme
from emoforge.selection.judges import HeadRecipe
from emoforge.selection.measures import Result

if TYPE_CHECKING:
    from emoforge.selection.judges import Head

Floats = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]
Learnt = tuple[npt.NDArray[np.int64], "Head"]
"""The clips that a head may hear, as places, and the head."""

RECIPE = HeadRecipe()
DIVERGENCE = Result("js", "Divergence of what the judge hears", "bit", "lower", "emotion")
COSINE = Result("cosine", "Centred cosine of embeddings", "", "higher", "emotion")


class Listeners:
    """Heads that learnt from clips of other speakers than those they hear, corpus by corpus.

    corpora, folds, emotions: of N clips; folds: -1 for a clip that nobody can be trained beside
    (one speaker alone). Each fold's heads learn from the other folds of the same corpus.
    """

    def __init__(
        self, scheme: Scheme, corpora: npt.NDArray[np.str_], folds: Classes, emotions: Classes
    ) -> None:
        self._scheme = scheme
        self._emotions = emotions
        self._tests = [
            (test, rest)
            for corpus in np.unique(corpora)
            for fold in np.unique(folds[(corpora == corpus) & (folds >= 0)])
            if len(test := np.flatnonzero((corpora == corpus) & (folds == fold)))
            and len(rest := np.flatnonzero((corpora == corpus) & (folds >= 0) & (folds != fold)))
            and len(np.unique(emotions[rest])) > 1
        ]

    def learn(self, embeddings: Floats, known: npt.NDArray[np.bool_]) -> list[Learnt]:
        """Heads, one a fold, from embeddings [N, parts, width]; known [N]: which there are."""
        from emoforge.selection.judges import fit_head

        classes = len(self._scheme.classes)
        found = []
        for test, rest in self._tests:
            rows = rest[known[rest]]
            if len(np.unique(self._emotions[rows])) < 2:
                continue
            targets = np.eye(classes, dtype=np.float32)[self._emotions[rows]]
            head = fit_head(embeddings[rows], targets, self._scheme, RECIPE, partial=True)
            found.append((test, head))
        return found

    def hear(
        self, heads: list[Learnt], embeddings: Floats, known: npt.NDArray[np.bool_]
    ) -> Classes:
        """The class that the heads hear in each clip, [N]; -1: no answer."""
        heard = np.full(len(known), -1, np.int64)
        for test, head in heads:
            rows = test[known[test]]
            if len(rows):
                heard[rows] = head.probabilities(embeddings[rows]).argmax(1)
        return heard


def divergence(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon divergence of distributions [N, classes], in bits, each in [0, 1].

    J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37(1), 1991.
    """
    one, other = p.astype(np.float64), q.astype(np.float64)
    middle = (one + other) / 2

    def surprise(of: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        ratio = np.divide(of, middle, out=np.ones_like(of), where=of > 0)
        return np.asarray((of * np.log2(ratio)).sum(1))

    return np.clip((surprise(one) + surprise(other)) / 2, 0, 1).astype(np.float32)


def centred_cosine(
    embeddings: Floats,
    originals: Floats,
    corpora: npt.NDArray[np.str_],
    known: npt.NDArray[np.bool_],
) -> Floats:
    """Cosine of embeddings [N, …] to those of the originals, both less the originals' mean.

    The mean is that of each corpus: without it all speech looks alike to an encoder. known [N]:
    clips that have both; NaN for the others, and for a corpus of one clip.
    """
    found = np.full(len(known), np.nan, np.float32)
    for corpus in np.unique(corpora):
        rows = np.flatnonzero((corpora == corpus) & known)
        if len(rows) < 2:
            continue
        own = originals[rows].reshape(len(rows), -1).astype(np.float64)
        mean = own.mean(0)
        own = own - mean
        other = embeddings[rows].reshape(len(rows), -1) - mean
        scale = np.linalg.norm(own, axis=1) * np.linalg.norm(other, axis=1)
        found[rows] = (own * other).sum(1) / np.maximum(scale, 1e-12)
    return found


def strangers(corpora: npt.NDArray[np.str_]) -> Classes:
    """For each of N clips a clip of its corpus at random, [N]: the random-label anchor.

    What is heard in a stranger says nothing of the clip, and yet is heard as often.
    """
    found = np.arange(len(corpora))
    for corpus in np.unique(corpora):
        rows = np.flatnonzero(corpora == corpus)
        found[rows] = rng_for("random label", str(corpus)).permutation(rows)
    return found
