"""The classifier that weights bring: its own class names, in its own order, onto emoforge's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoforge.errors import ConfigError, LabelError
from emoforge.label import MERGES, SCHEMES, canonical
from emoforge.selection.judges.judge import Distributions

_UNNAMED = re.compile(r"label[_ ]?\d+|\d+", re.IGNORECASE)
_DIMENSIONS = {
    "arousal": "arousal",
    "activation": "arousal",
    "dominance": "dominance",
    "valence": "valence",
}


@dataclass(frozen=True, slots=True)
class NativeClasses:
    """A classifier's outputs and the schemes that they answer under.

    names: the weights' own class names, in the order of the outputs.
    places: scheme name → for each output its class's place in the scheme, None for one outside.
    """

    names: tuple[str, ...]
    places: Mapping[str, tuple[int | None, ...]]

    def distributions(self, logits: npt.NDArray[np.floating]) -> Distributions:
        """Distributions of a clip from logits (or log probabilities) of its parts [parts, outputs].

        Outputs outside a scheme are dropped and the rest renormalised, outputs of one class are
        added, and the clip gets the mean of its parts. {} for weights without classes.
        """
        wide = logits.astype(np.float64)
        found = {}
        for name, places in self.places.items():
            inside = [i for i, place in enumerate(places) if place is not None]
            # A softmax of these logits alone: dropping and renormalising, safe from underflow.
            powers = np.exp(wide[:, inside] - wide[:, inside].max(1, keepdims=True))
            mass = np.zeros((len(wide), len(SCHEMES[name].classes)))
            for column, i in enumerate(inside):
                mass[:, places[i]] += powers[:, column]
            mean = (mass / mass.sum(1, keepdims=True)).mean(0)
            found[name] = tuple((mean / mean.sum()).tolist())
        return found


NO_CLASSES = NativeClasses((), {})
"""Of an encoder without a classifier, or one that hears dimensions only: it needs a head."""


def native_classes(names: Sequence[str], where: str) -> NativeClasses:
    """Map a classifier's own class names, in the order of its outputs, onto emoforge's schemes.

    A scheme is answered under if every class of it has an output: a name that `emoforge.label`
    knows, alone or beside a translation (`生气/angry`), or one that it merges (excited → happy).
    Arousal, dominance and valence are no classes. where: what to call the weights in an error.

    Raises ConfigError if the weights do not name their classes, or no scheme is covered.
    """
    if dimensions(names):
        return NO_CLASSES
    shown = ", ".join(names)
    if all(_UNNAMED.fullmatch(name.strip()) for name in names):
        raise ConfigError(
            f"{where}: the weights do not name their classes ({shown}); write the emotions into "
            "id2label of config.json, or use a trained head (judge.head=…)"
        )
    known = [_canonical(name) for name in names]
    places = {}
    for scheme in SCHEMES.values():
        merged = [MERGES[scheme.name].get(name or "", name) for name in known]
        if set(scheme.classes) <= set(merged):
            places[scheme.name] = tuple(
                scheme.classes.index(name) if name in scheme.classes else None for name in merged
            )
    if not places:
        wanted = "; ".join(
            f"{scheme.name}: {', '.join(scheme.classes)}"
            for scheme in sorted(SCHEMES.values(), key=lambda scheme: len(scheme.classes))[:2]
        )
        raise ConfigError(
            f"{where}: the weights' classes ({shown}) cover no scheme of emoforge ({wanted}); "
            "use a trained head (judge.head=…)"
        )
    return NativeClasses(tuple(names), places)


def dimensions(names: Sequence[str]) -> tuple[str, ...]:
    """Outputs as arousal, dominance and valence, in their order; () if they are anything else."""
    known = [_DIMENSIONS.get(name.strip().lower(), "") for name in names]
    return tuple(known) if all(known) else ()


def _canonical(name: str) -> str | None:
    """Canonical emotion of a class name, None for what is no emotion that emoforge knows."""
    for part in (name, *name.split("/")):
        try:
            return canonical(part.strip().replace("_", " "))
        except LabelError:
            continue
    return None


def config_classes(id2label: Mapping[str, str], where: str) -> tuple[str, ...]:
    """Class names from `id2label` of config.json, in the order of the outputs.

    Raises ConfigError if the outputs are not numbered 0, 1, 2, ….
    """
    try:
        numbered = {int(number): str(name) for number, name in id2label.items()}
    except ValueError:
        numbered = {}
    if sorted(numbered) != list(range(len(id2label))):
        raise ConfigError(
            f"{where}: id2label of config.json must number the outputs 0, 1, 2, …, "
            f"it has {', '.join(map(str, id2label))}"
        )
    return tuple(numbered[number] for number in range(len(numbered)))
