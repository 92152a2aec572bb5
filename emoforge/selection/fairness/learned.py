"""Heads without and with the kept candidates, tested on people whom they have not met."""

from collections.abc import Sequence

import numpy as np

from emoforge.label import Scheme
from emoforge.selection.fairness.gaps import Labels, Names
from emoforge.selection.pool import Mask, Pool


def before_and_after(
    real: Pool, kept: Pool, scheme: Scheme, tested: Sequence[Mask], seed: int = 0
) -> tuple[Labels, Labels]:
    """What heads hear in recordings of people whom they have not met: [n] each.

    Before: learned from real recordings alone; after: from these and the kept candidates. tested:
    masks [n] of the recordings of each fold; a fold's heads meet neither its speakers nor what was
    made from or of them. Recordings of no fold are learned from only, and get -1.
    """
    from emoforge.selection.judges import HeadRecipe, fit_head

    recipe = HeadRecipe(schemes=(scheme.name,))
    found = [np.full(len(real), -1, np.int64) for _ in range(2)]
    speaker_of = dict(zip(real.ids, real.speakers.tolist(), strict=True))
    sources = np.array([speaker_of.get(parent, "") for parent in kept.parents], dtype=np.str_)
    for fold in tested:
        met = np.unique(real.speakers[fold])
        own = real.take(~np.isin(real.speakers, met))
        made = kept.take(~(np.isin(kept.speakers, met) | np.isin(sources, met)))
        for heard, pools in zip(found, ([own], [own, made]), strict=True):
            head = fit_head(
                np.concatenate([pool.embeddings for pool in pools]),
                np.concatenate([pool.targets for pool in pools]),
                scheme,
                recipe,
                seed=seed,
                partial=True,
            )
            heard[fold] = head.probabilities(real.embeddings[fold]).argmax(1)
    return found[0], found[1]


def group_folds(speakers: Names, groups: Names, folds: int, seed: int = 0) -> list[Mask]:
    """Masks [n] of disjoint folds that share the speakers of each group evenly."""
    pairs = sorted(set(zip(groups.tolist(), speakers.tolist(), strict=True)))
    rng = np.random.default_rng(seed)
    order = [pairs[i] for i in rng.permutation(len(pairs))]
    order.sort(key=lambda pair: pair[0])
    fold_of: dict[str, int] = {}
    for _, speaker in order:
        fold_of.setdefault(speaker, len(fold_of) % folds)
    places = np.array([fold_of[speaker] for speaker in speakers.tolist()])
    return [places == fold for fold in range(folds)]
