"""What a workspace has for the arms: judged clips, with the embeddings that heads learn from."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from emoforge.errors import ConfigError
from emoforge.label import Scheme
from emoforge.selection import Judge, Material, Pool, load_pool
from emoforge.selection.arms import Trial
from emoforge.workspace import Workspace


def load_trial(
    workspace: Workspace,
    judge: Judge,
    encoder: Judge,
    gates: str,
    scheme: Scheme,
    splits: Collection[str],
) -> Trial:
    """Candidates, and recordings of `splits`, dev and test, that both have heard.

    judge: what the selector sees; encoder: whose embeddings heads learn from.
    """
    if "test" in splits:
        raise ConfigError(
            "the workspace's candidates are made from the test split too, so that no speaker is "
            "left to test on; augment with splits=[train] into a new workspace"
        )
    made = load_pool(workspace, judge, gates, scheme, generated=True)
    real = load_pool(workspace, judge, gates, scheme, generated=False)
    material = Material.of(scheme, made, real, splits)
    candidates, learnt = _embedded(workspace, judge, encoder, material.candidates)
    train, known = _embedded(workspace, judge, encoder, material.train)
    test, heard = _embedded(workspace, judge, encoder, real.take(real.splits == "test"))
    return Trial(
        replace(material, candidates=candidates, train=train),
        known,
        learnt,
        replace(test, embeddings=heard),
    )


def _embedded(
    workspace: Workspace, judge: Judge, encoder: Judge, pool: Pool
) -> tuple[Pool, npt.NDArray[np.float32]]:
    """Those clips that the encoder could encode, and their embeddings [n, parts, width]."""
    if encoder.encoder == judge.encoder:
        return pool, pool.embeddings
    encoded = {row.clip for row in workspace.encodings(encoder.encoder, pool.ids)}
    own = pool.take(np.array([clip in encoded for clip in pool.ids], bool))
    return own, workspace.embeddings(encoder.encoder, own.ids)
