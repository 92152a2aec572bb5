"""What the arms are compared on, and the same with less real speech."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emoforge.component import rng_for
from emoforge.errors import ConfigError
from emoforge.selection.pool import Floats, Material, Pool


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Clips that heads learn from, and clips that they are tested on.

    material: what the selector sees, with the judge's distributions and embeddings.
    train, candidates: float32 [n, parts, width], what heads learn from: of the rows of the
        material's `train` and `candidates`, the judge's embeddings or another encoder's.
    test: real clips of other speakers; its `embeddings` are the same encoder's as `train`.
    """

    material: Material
    train: Floats
    candidates: Floats
    test: Pool

    @property
    def emotions(self) -> npt.NDArray[np.int64]:
        """Classes that there are real training clips of, as places in the scheme."""
        return np.unique(self.material.train.emotions)

    def check(self) -> None:
        """Raise ConfigError if nothing can be learnt from these clips, or shown on them."""
        train, test, classes = self.material.train, self.test, self.material.scheme.classes
        if len(self.emotions) < 2:
            raise ConfigError(
                f"the arms need real training clips of two emotions or more, there are "
                f"{len(train)} clips of {len(self.emotions)}"
            )
        if len(np.unique(test.voices)) < 2:
            raise ConfigError(
                "the arms are compared on real test clips of two speakers or more, there are "
                f"{len(test)} clips of {len(np.unique(test.voices))}; give the test split more "
                "speakers (corpus.split.test=0.4) and augment into a new workspace"
            )
        shared = np.intersect1d(test.voices, np.append(train.voices, self.material.dev.voices))
        if len(shared):
            names = ", ".join(str(name).partition("\t")[2] for name in shared[:3])
            raise ConfigError(
                f"{len(shared)} test speakers are in train or dev too ({names}): nothing would "
                "be shown of people whom a head has not met; corpus.split.by=speaker keeps them "
                "apart"
            )
        if absent := [classes[c] for c in np.setdiff1d(self.emotions, test.emotions)]:
            raise ConfigError(
                f"there is no real test clip of {', '.join(absent)}; give the test split more "
                "speakers, or choose a scheme without it"
            )

    def few(self, n: int | None, seed: int) -> "Trial":
        """The trial with n real training clips of each class, drawn by the seed; None: all.

        Candidates that were made from other clips than these are left out: they would bring the
        speech in that is to be absent. The clips of a smaller n are among those of a larger one.
        Raises ConfigError if a class has fewer.
        """
        train, candidates = self.material.train, self.material.candidates
        rows = np.arange(len(train))
        if n is not None:
            rows = np.sort(np.concatenate(list(self._drawn(n, seed))))
        kept = train.take(rows)
        children = candidates.made_of(kept.ids)
        material = replace(self.material, train=kept, candidates=candidates.take(children))
        return Trial(material, self.train[rows], self.candidates[children], self.test)

    def _drawn(self, n: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
        train = self.material.train
        for c in self.emotions.tolist():
            own = np.flatnonzero(train.emotions == c)
            if len(own) < n:
                raise ConfigError(
                    f"n={n}: there are {len(own)} real training clips of "
                    f"{self.material.scheme.classes[c]}, n can be that at most"
                )
            yield rng_for("arms", "real", seed, c).permutation(own)[:n]
