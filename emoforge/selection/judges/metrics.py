"""How well distributions over emotions agree with labels: recall, F1, calibration, intervals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float32]
Metric = Callable[[Labels, Labels], float]


def uar(labels: Labels, predicted: Labels) -> float:
    """Unweighted average recall, in [0, 1]: the mean over the classes that occur in `labels`."""
    return float(np.mean([np.mean(predicted[labels == c] == c) for c in np.unique(labels)]))


def macro_f1(labels: Labels, predicted: Labels) -> float:
    """Mean F1 in [0, 1] over the classes that occur in `labels`."""
    scores = []
    for c in np.unique(labels):
        right = np.count_nonzero((labels == c) & (predicted == c))
        scores.append(
            2 * right / (np.count_nonzero(labels == c) + np.count_nonzero(predicted == c))
        )
    return float(np.mean(scores))


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
    rng = np.random.default_rng(seed)
    clips = [np.flatnonzero(speakers == name) for name in np.unique(speakers)]
    values = []
    for _ in range(resamples):
        drawn = np.concatenate([clips[i] for i in rng.integers(0, len(clips), len(clips))])
        values.append(metric(labels[drawn], predicted[drawn]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def fit_temperature(logits: npt.NDArray[Any], labels: Labels) -> float:
    """The T > 0 for which softmax(logits / T) gives the labels the highest likelihood.

    logits: [n, classes]; a class that is impossible for an item may be -inf.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_t: float) -> float:
        scaled = log_softmax(logits.astype(np.float64) / np.exp(log_t), axis=1)
        return float(-scaled[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.3, 2.3), method="bounded").x))
