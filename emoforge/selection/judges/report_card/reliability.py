"""Calibration: how far a judge's probabilities can be taken at their word."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.component import rng_for
from emoforge.label import Scheme
from emoforge.selection.judges.metrics import ece, fit_temperature
from emoforge.selection.judges.report_card.sample import Sample

BINS = 15
_FOLDS = 5
_DRAWS = 100
_SMALLEST = 1e-12

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def calibration(sample: Sample, scheme: Scheme) -> dict[str, Any]:
    """ECE and reliability of one scheme's probabilities, as they are and scaled once more.

    The scaling is one temperature on the log-probabilities; what it does to a speaker is
    measured with the temperature of other speakers (`_FOLDS` folds), of all corpora together.
    Over all clips and corpus by corpus; `floor` is the ECE that so many clips of a judge whose
    probabilities were exactly true would show by chance.
    """
    known, labels = sample.labelled(scheme)
    heard = known.distributions[scheme.name]
    logs = np.log(np.clip(heard, _SMALLEST, 1))
    several = len(np.unique(known.groups)) > 1
    scaled = _cross_fitted(logs, labels, known.groups) if several else None
    parts = {str(corpus): known.corpora == corpus for corpus in np.unique(known.corpora)}

    def of(mine: npt.NDArray[np.bool_]) -> dict[str, Any]:
        return {
            "clips": int(mine.sum()),
            "floor": round(_floor(heard[mine], scheme.name), 4),
            "as_is": reliability(labels[mine], heard[mine]),
            "scaled": None if scaled is None else reliability(labels[mine], scaled[mine]),
        }

    return {
        "temperature": round(fit_temperature(logs, labels), 4),
        "all": of(np.ones(len(labels), dtype=bool)),
        "corpora": {name: of(mine) for name, mine in parts.items()},
    }


def reliability(labels: Ints, heard: Floats) -> dict[str, Any]:
    """ECE, and the bins that have clips: mean probability, share that is right, clips.

    labels: [n]; heard: probabilities [n, classes].
    """
    confidence, right = heard.max(1), heard.argmax(1) == labels
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return {
        "ece": round(ece(labels, heard.astype(np.float32), BINS), 4),
        "bins": [
            [
                round(float(confidence[place == b].mean()), 4),
                round(float(right[place == b].mean()), 4),
                int((place == b).sum()),
            ]
            for b in np.unique(place)
        ],
    }


def _cross_fitted(logs: Floats, labels: Ints, groups: npt.NDArray[np.str_]) -> Floats:
    """Probabilities, those of each fold of groups with the temperature of the others."""
    from scipy.special import softmax

    names = np.unique(groups)
    order = rng_for("calibration").permutation(len(names))
    fold = (order % min(_FOLDS, len(names)))[np.searchsorted(names, groups)]
    scaled = np.empty_like(logs)
    for k in np.unique(fold):
        temperature = fit_temperature(logs[fold != k], labels[fold != k])
        scaled[fold == k] = softmax(logs[fold == k] / temperature, axis=1)
    return scaled


def _floor(heard: Floats, name: str) -> float:
    """Mean ECE of labels that are drawn from the probabilities themselves."""
    rng = rng_for("floor", name)
    edges = heard.cumsum(1)
    edges[:, -1] = np.inf  # rounding must not leave a gap at the end
    draws = ((rng.uniform(size=(len(heard), 1)) > edges).sum(1) for _ in range(_DRAWS))
    return float(np.mean([ece(labels, heard.astype(np.float32), BINS) for labels in draws]))
