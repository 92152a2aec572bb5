"""Keeping all that passed the gates, for sets that are not made to teach emotion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emoforge.selection.pool import Material
from emoforge.selection.selectors.policies import carried
from emoforge.selection.selectors.selector import Choice, Round, Selector


@dataclass(frozen=True)
class Everything(Selector):
    """Keep every candidate that passed the gates, whatever the judge hears in it.

    For anti-spoofing sets and for looking at an engine. The probability of the carried label is
    kept with each decision, so that target and heard emotion stand side by side.
    """

    name: ClassVar[str] = "everything"
    version: ClassVar[int] = 1

    def select(
        self,
        material: Material,
        *,
        seed: int = 0,
        done: Sequence[Round] = (),
        note: Callable[[Round], None] = lambda _: None,
    ) -> Choice:
        count = len(material.candidates)
        return Choice(
            np.ones(count, bool),
            carried(material.candidates),
            np.zeros(count, np.int8),
            ("gated",),
            lambda _: "passed the gates",
        )
