"""Source probe: can machines be told from people by a judge's embedding?

Where they can, the judge hears who made a clip and not only what it expresses, and may answer
for the former.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.component import rng_for
from emoforge.selection.judges.metrics import clustered_interval, confusion, uar
from emoforge.selection.judges.report_card.intervals import score
from emoforge.selection.judges.report_card.sample import Mask, Sample

_FOLDS = 5
_FEWEST = 10
MOST = 2000
"""Clips of each side that a probe learns from or is tested on, at most."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def source_probe(recordings: Sample, made: Sample) -> dict[str, Any]:
    """Balanced accuracy of a logistic regression that tells recordings from each generator.

    0.5: it cannot tell; 1: it always can. `within`: learned from the generator itself;
    `left_out`: learned from the other generators, so that it shows what machines have in common.
    Speakers (for a candidate: its source's) that are tested are never learned from. On both
    sides the same speakers carry the same emotions equally often, so that neither gives the
    answer away. Voices that nobody has, such as an engine's own, are paired with speakers, dealt
    out at random; voice and speakers of a pair count as one speaker. Intervals are over
    speakers. A generator that cannot be probed has a `why`.
    """
    names = [str(name) for name in np.unique(made.generators)]
    found: dict[str, Any] = {}
    for name in names:
        of_name = made.generators == name
        partners = _partners(recordings, made, name)
        known = _renamed(recordings, partners)
        own, others = (_renamed(made.take(rows), partners) for rows in (of_name, ~of_name))
        real_rows, own_rows = _matched(known, own, name)
        groups = np.unique(known.groups[real_rows])
        if len(groups) < 2 or len(own_rows) < _FEWEST:
            found[name] = {
                "clips": len(own_rows),
                "speakers": len(groups),
                "why": f"needs {_FEWEST} clips of 2 speakers of whom there are recordings "
                "of the same emotions",
            }
            continue
        found[name] = {
            "clips": len(own_rows),
            "speakers": len(groups),
            "within": _probe(known.take(real_rows), own.take(own_rows), None),
            "left_out": _probe(known.take(real_rows), own.take(own_rows), (known, others))
            if len(names) > 1
            else None,
        }
    return found


def _partners(recordings: Sample, made: Sample, name: str) -> Mapping[str, str]:
    """Group → the group that it counts as when generator `name` is probed.

    As many as the generator has voices of its own, else the recorded speakers as they are; over
    them speakers and voices that nobody has are dealt out.
    """
    rng = rng_for("source probe", "partners", name)
    speakers = np.unique(recordings.groups)
    own = np.setdiff1d(made.groups[made.generators == name], speakers)
    pairs = [f"pair {n}" for n in range(min(len(own), len(speakers)))] or speakers.tolist()
    sides = [
        np.setdiff1d(made.groups[made.generators == one], speakers)
        for one in np.unique(made.generators)
    ]
    dealt = [*([rng.permutation(speakers)] if len(own) else []), *map(rng.permutation, sides)]
    return (
        {
            str(group): pairs[place % len(pairs)]
            for side in dealt
            for place, group in enumerate(side)
        }
        if pairs
        else {}
    )


def _renamed(sample: Sample, names: Mapping[str, str]) -> Sample:
    groups = [names.get(group, group) for group in sample.groups.tolist()]
    return replace(sample, groups=np.array(groups, np.str_))


def _matched(recordings: Sample, made: Sample, *key: str) -> tuple[Ints, Ints]:
    """Rows of both, drawn so that each speaker and emotion is equally often on both sides."""
    rng = rng_for("source probe", *key)
    sides = [_cells(recordings), _cells(made)]
    real: list[int] = []
    artificial: list[int] = []
    for cell in sorted(sides[0].keys() & sides[1].keys()):
        count = min(len(side[cell]) for side in sides)
        real += rng.permutation(sides[0][cell])[:count].tolist()
        artificial += rng.permutation(sides[1][cell])[:count].tolist()
    # Pairs of one cell stay together when there are too many.
    some = np.sort(rng.permutation(len(real))[:MOST])
    return np.array(real, np.int64)[some], np.array(artificial, np.int64)[some]


def _cells(sample: Sample) -> Mapping[tuple[str, str], list[int]]:
    cells: dict[tuple[str, str], list[int]] = {}
    pairs = zip(sample.groups.tolist(), sample.emotions.tolist(), strict=True)
    for row, cell in enumerate(pairs):
        cells.setdefault(cell, []).append(row)
    return cells


def _probe(real: Sample, made: Sample, lessons: tuple[Sample, Sample] | None) -> dict[str, Any]:
    """Tested on `real` and `made`; learned from them or from `lessons`, always by other groups."""
    names = np.unique(real.groups)
    folds = min(_FOLDS, len(names))
    order = rng_for("folds").permutation(len(names)) % folds
    fold_of = dict(zip(names.tolist(), order.tolist(), strict=True))
    labels, predicted, groups = [], [], []
    for k in range(folds):
        learn_real, learn_made = lessons or (real, made)
        learn_real = learn_real.take(_elsewhere(learn_real, fold_of, k))
        learn_made = learn_made.take(_elsewhere(learn_made, fold_of, k))
        if lessons:
            rows, made_rows = _matched(learn_real, learn_made, str(k))
            learn_real, learn_made = learn_real.take(rows), learn_made.take(made_rows)
        if not len(learn_real) or not len(learn_made):
            continue
        tell = _learned(learn_real.embeddings, learn_made.embeddings)
        for label, side in enumerate((real, made)):
            tested = side.take(np.array([fold_of[g] == k for g in side.groups.tolist()]))
            if len(tested):
                predicted.append(tell(tested.embeddings))
                labels.append(np.full(len(tested), label))
                groups.append(tested.groups)
    if not labels:
        return score(np.nan, None)
    y, heard, who = np.concatenate(labels), np.concatenate(predicted), np.concatenate(groups)
    return score(
        float(uar(confusion(y, heard, 2))),
        clustered_interval(uar, y, heard, who) if len(np.unique(who)) > 1 else None,
    )


def _elsewhere(sample: Sample, fold_of: Mapping[str, int], k: int) -> Mask:
    return np.array([fold_of.get(group) != k for group in sample.groups.tolist()], dtype=bool)


def _learned(real: Floats, made: Floats) -> Any:
    """A function from embeddings [n, width] to 0 (a person) or 1 (a machine), int64 [n]."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    with warnings.catch_warnings():
        # What is nearly found tells as well as what is found.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.concatenate([real, made]), np.repeat([0, 1], [len(real), len(made)]))
    return lambda embeddings: np.asarray(model.predict(embeddings), np.int64)
