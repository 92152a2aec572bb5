"""What every judge offers: audio in, class distributions and an embedding out."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.component import Component
from emoforge.errors import AudioError


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a judge hears in one clip.

    distributions: scheme name → one probability a class of the scheme, summing to 1.
    embedding: float32 of shape [d].
    """

    distributions: Mapping[str, tuple[float, ...]]
    embedding: npt.NDArray[np.float32]


class Judge(Component):
    """An SER model. rate: the sampling rate that it takes, Hz."""

    rate: ClassVar[int]

    @property
    @abstractmethod
    def schemes(self) -> Collection[str]:
        """Names of the schemes that `score` gives distributions under; needs no `setup`."""

    @abstractmethod
    def score(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Scores | AudioError]:
        """Hear a batch of mono clips at `rate`, each float32 of shape [n], n may differ.

        The same clip gets the same scores alone as in a batch (to 1e-4). A clip that cannot be
        judged (too short, not finite) gets its AudioError, and the others go on.
        """
