"""How well distributions over emotions agree with labels: recall, F1, calibration, intervals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float32]
Metric = Callable[[npt.NDArray[Any]], npt.NDArray[np.float64]]
"""Confusion counts [..., true, predicted] in, score in [0, 1] out."""


def confusion(labels: Labels, predicted: Labels, classes: int) -> npt.NDArray[np.int64]:
    """How often each class was heard as each: int64 [true, predicted]."""
    counts = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)


def uar(counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Unweighted average recall: the mean over the classes that occur."""
    return _mean(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-1))


def macro_f1(counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Mean F1 over the classes that occur."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return _mean(2 * right, counts.sum(-1) + counts.sum(-2), counts.sum(-1))


def _mean(
    part: npt.NDArray[Any], whole: npt.NDArray[Any], occurs: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    ratios = np.where(occurs > 0, part / np.maximum(whole, 1), 0.0)
    return np.asarray(ratios.sum(-1) / np.count_nonzero(occurs, axis=-1), dtype=np.float64)


def multilabel_macro_f1(
    targets: Probabilities, probabilities: Probabilities, speakers: npt.NDArray[np.str_]
) -> tuple[float, tuple[float, float]]:
    """Macro-F1 of several emotions at a time, and its interval as in `clustered_interval`.

    An emotion is present, or heard, if its probability exceeds 1/C (H. Wu et al., EMO-SUPERB,
    arXiv 2402.13018). The mean is over the classes that are present in some clip, 0 if none is.

    targets, probabilities: [n, C], each row a distribution.
    """
    even = np.float32(1 / targets.shape[1])
    present, heard = targets.astype(np.float32) > even, probabilities.astype(np.float32) > even
    found = np.stack([present & heard, present & ~heard, ~present & heard], 1)
    names, place = np.unique(speakers, return_inverse=True)
    counts = np.zeros((len(names), *found.shape[1:]), np.int64)
    np.add.at(counts, place, found)
    return float(_f1_of_present(counts.sum(0))), _interval(_f1_of_present, counts)


def _f1_of_present(counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Counts [..., (hits, misses, false alarms), classes] in, mean F1 out."""
    hits, misses, alarms = np.moveaxis(counts, -2, 0)
    occurs = hits + misses > 0
    ratios = np.where(occurs, 2 * hits / np.maximum(2 * hits + misses + alarms, 1), 0.0)
    return np.asarray(ratios.sum(-1) / np.maximum(occurs.sum(-1), 1), dtype=np.float64)


def ece(labels: Labels, probabilities: Probabilities, bins: int = 15) -> float:
    """Expected calibration error in [0, 1] of the predicted class, over equally wide bins.

    probabilities: [n, classes]. C. Guo et al., "On calibration of modern neural networks",
    ICML 2017.
    """
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = [
        np.count_nonzero(place == b) * abs(confidence[place == b].mean() - right[place == b].mean())
        for b in np.unique(place)
    ]
    return float(np.sum(gaps) / len(labels))


def clustered_interval(
    metric: Metric,
    labels: Labels,
    predicted: Labels,
    speakers: npt.NDArray[np.str_],
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of a metric, from a bootstrap that draws whole speakers.

    Clips of one speaker are not independent, so drawing single clips would give intervals that
    are too narrow.
    """
    classes = int(max(labels.max(), predicted.max())) + 1
    names, place = np.unique(speakers, return_inverse=True)
    cells = (place * classes + labels) * classes + predicted
    counts = np.bincount(cells, minlength=len(names) * classes**2)
    return _interval(metric, counts.reshape(-1, classes, classes), resamples, seed)


def _interval(
    metric: Metric, counts: npt.NDArray[Any], resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Of a metric of counts that add up, from those of each speaker: [speakers, …]."""
    # How often each speaker is drawn, in each resample.
    drawn = np.random.default_rng(seed).multinomial(
        len(counts), [1 / len(counts)] * len(counts), resamples
    )
    low, high = np.percentile(metric(np.tensordot(drawn, counts, 1)), [2.5, 97.5])
    return float(low), float(high)


def fit_temperature(logits: npt.NDArray[Any], labels: Labels) -> float:
    """The T > 0 for which softmax(logits / T) gives the labels the highest likelihood.

    logits: [n, classes]; a class that is impossible for an item may be -inf. Items whose own
    label is impossible say nothing about T; 1 if there is no other.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    possible = np.isfinite(logits[np.arange(len(labels)), labels])
    if not possible.any():
        return 1.0
    logits, labels = logits[possible], labels[possible]

    def loss(log_t: float) -> float:
        scaled = log_softmax(logits.astype(np.float64) / np.exp(log_t), axis=1)
        return float(-scaled[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.3, 2.3), method="bounded").x))
