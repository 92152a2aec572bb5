"""Contrastive triplets: is an embedding nearer to the emotion, or to the voice and the words?

After Y.-S. Tsai et al., "The False Resonance" (arXiv 2604.26347): an anchor, a clip that shares
its emotion, and a distractor that shares all but its emotion.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.component import rng_for
from emoforge.selection.judges.report_card.intervals import clustered_mean
from emoforge.selection.judges.report_card.sample import Mask, Sample

MOST_ANCHORS = 2000

CONDITIONS = ("take", "text", "speaker", "both")
"""In what the clip of the same emotion differs from the anchor: it is another take of the same
words by the same speaker; says another text; comes from another speaker; both."""


def triplets(sample: Sample) -> dict[str, Any]:
    """Corpus → condition → share of triplets in which the same emotion is nearer; 0.5: chance.

    The distractor always has the anchor's text and speaker, and another emotion. Near is by the
    cosine of embeddings from which the corpus's mean is taken off. All triplets of an anchor
    count (a tie counts half), and each anchor weighs the same; at most `MOST_ANCHORS` of them are
    drawn. Intervals are over the anchors' speakers. Corpora without such texts are left out.
    """
    return {
        str(corpus): found
        for corpus in np.unique(sample.corpora)
        if (found := _corpus(sample.take((sample.corpora == corpus) & (sample.texts != ""))))
    }


def _corpus(sample: Sample) -> dict[str, Any]:
    if not len(sample):
        return {}
    directions = _centred(sample.embeddings)
    rng = rng_for("triplets", str(sample.corpora[0]))
    shares: dict[str, list[float]] = {name: [] for name in CONDITIONS}
    who: dict[str, list[str]] = {name: [] for name in CONDITIONS}
    counts = dict.fromkeys(CONDITIONS, 0)
    anchors = 0
    for row in rng.permutation(len(sample)).tolist():
        positives, distractors = _about(sample, row)
        if not distractors.any():
            continue
        near = directions @ directions[row]
        against = np.sort(near[distractors])
        for name, mask in positives.items():
            if mask.any():
                shares[name].append(_nearer(near[mask], against))
                who[name].append(str(sample.groups[row]))
                counts[name] += int(mask.sum()) * len(against)
        anchors += 1
        if anchors == MOST_ANCHORS:
            break
    return {
        name: {
            "anchors": len(values),
            "triplets": counts[name],
            "speakers": len(set(who[name])),
            **clustered_mean(np.array(values), np.array(who[name])),
        }
        for name, values in shares.items()
        if values
    }


def _about(sample: Sample, row: int) -> tuple[dict[str, Mask], Mask]:
    """By condition, the clips of the anchor's emotion; and the distractors."""
    speaker = sample.groups == sample.groups[row]
    text = sample.texts == sample.texts[row]
    emotion = sample.emotions == sample.emotions[row]
    other = np.arange(len(sample)) != row
    positives = {
        "take": emotion & speaker & text & other,
        "text": emotion & speaker & ~text,
        "speaker": emotion & ~speaker & text,
        "both": emotion & ~speaker & ~text,
    }
    return positives, ~emotion & speaker & text


def _centred(embeddings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Directions [n, width] from the mean, of length 1; a clip that is the mean stays zero."""
    away = embeddings - embeddings.mean(0)
    return np.asarray(away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12))


def _nearer(near: npt.NDArray[np.float64], against: npt.NDArray[np.float64]) -> float:
    """Share of pairs in which `near` is above `against` (sorted); a tie is half."""
    above = np.searchsorted(against, near, "left") + np.searchsorted(against, near, "right")
    return float(above.mean() / (2 * len(against)))
