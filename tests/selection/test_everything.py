"""The selector that keeps all past the gates."""

import numpy as np
from materials import material, pool

from emoforge.selection.selectors.everything import Everything


def test_it_keeps_all_and_says_what_was_heard() -> None:
    heard = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.2, 0.6, 0.1], [0.25] * 4]
    candidates = pool("c", [0, 1, 3], heard)
    decisions = list(Everything().select(material(candidates)).decisions(candidates.ids))
    assert [d.keep for d in decisions] == [True] * 3
    assert np.allclose([d.probability for d in decisions], [0.7, 0.2, 0.25])
    assert {d.reason for d in decisions} == {"gated"}


def test_it_needs_no_recordings() -> None:
    choice = Everything().select(material(pool("c", [0, 1]), prior=(0, 0, 0, 0)))
    assert choice.keep.all()
