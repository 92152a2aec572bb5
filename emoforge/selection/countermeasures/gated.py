"""The gated ensemble: a countermeasure for each emotion, mixed by what a judge hears.

GEM, of EmoSpoof-TTS (arXiv 2505.23962): the score is Σ p(e | audio) · s_e.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emoforge.progress import Progress
from emoforge.selection.countermeasures.countermeasure import Countermeasure
from emoforge.selection.countermeasures.error_rates import Mask, Scores
from emoforge.selection.countermeasures.recipe import CountermeasureRecipe
from emoforge.selection.countermeasures.training import Examples, train_countermeasure


def gate(scores: Scores, probabilities: npt.NDArray[np.float64]) -> Scores:
    """Mix scores [n, emotions] by probabilities of the emotions [n, emotions]: [n].

    Probabilities are made to sum to 1; a clip with none at all gets the plain mean.
    """
    total = probabilities.sum(1, keepdims=True)
    even = np.full_like(probabilities, 1 / probabilities.shape[1])
    weights = np.divide(probabilities, total, out=even, where=total > 0)
    return np.asarray((weights * scores).sum(1))


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """One training of both: the pooled countermeasure, and one of each emotion in order.

    All begin at the same pooled weights. The pooled one goes on with clips of all emotions, each
    other one with those of its own: in sum the same number of clips and steps.
    """

    pooled: Countermeasure
    experts: Sequence[Countermeasure]


def train_gated(
    examples: Examples,
    emotions: npt.NDArray[np.int64],
    names: Sequence[str],
    train: Mask,
    dev: Mask,
    recipe: CountermeasureRecipe,
    folder: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress,
) -> Trained:
    """Train on the rows of `train`, choose epochs by those of `dev`; see `train_countermeasure`.

    emotions: int64 [n], places in `names`. Writes the countermeasures into `folder`.
    """

    def trained(name: str, rows: Mask, start: Countermeasure | None) -> Countermeasure:
        return train_countermeasure(
            f"seed {seed} {name}",
            examples.take(train & rows),
            examples.take(dev & rows),
            recipe,
            folder / f"{name}.safetensors",
            start=start,
            seed=seed,
            device=device,
            progress=progress,
        )

    everything = np.ones(len(emotions), bool)
    start = trained("start", everything, None)
    pooled = trained("pooled", everything, start)
    own = [trained(name, emotions == place, start) for place, name in enumerate(names)]
    return Trained(pooled, own)
