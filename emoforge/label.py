"""Emotion labels: schemes, distributions, rater votes, and the mapping between label sets.

Every corpus names its emotions its own way. Readers translate a corpus's names into the
canonical ones of `FULL` (through `ALIASES` or the recipe's own map); a run then projects the
label onto the scheme that it works in (`Label.project`, by the rules of `MERGES`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from emoforge.errors import LabelError, nearest

Modality = Literal["audio", "video", "audiovisual", "text", "intended"]
"""What the raters saw. `intended`: nobody rated, the label is what the actor was asked for."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """An ordered list of emotion classes."""

    name: str
    classes: tuple[str, ...]

    def index(self, emotion: str) -> int:
        """Position of a class; raises LabelError with the nearest known class."""
        try:
            return self.classes.index(emotion)
        except ValueError:
            raise LabelError(
                f"emotion '{emotion}' is not in scheme {self.name}: "
                f"{nearest(emotion, self.classes)}"
            ) from None


FULL = Scheme(
    "full",
    (
        "angry", "bored", "calm", "contemptuous", "disgusted", "excited", "fearful",
        "frustrated", "happy", "neutral", "sad", "surprised", "other",
    ),
)  # fmt: skip
WIDE8 = Scheme(
    "wide8",
    ("angry", "calm", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
)
BASIC4 = Scheme("basic4", ("angry", "happy", "neutral", "sad"))
SCHEMES: Mapping[str, Scheme] = {scheme.name: scheme for scheme in (FULL, WIDE8, BASIC4)}

# Merges that the field makes when it narrows a label set. Whatever is neither in the target
# scheme nor listed here has no counterpart there, and its clips are left out of the run.
MERGES: Mapping[str, Mapping[str, str]] = {
    "full": {},
    # excited → happy: the usual IEMOCAP four-class protocol.
    "wide8": {"excited": "happy"},
    "basic4": {"excited": "happy"},
}

# Names that corpora use for the canonical classes (lower case).
ALIASES: Mapping[str, str] = {
    **{name: name for name in FULL.classes},
    **dict.fromkeys(("anger", "ang", "hot anger"), "angry"),
    **dict.fromkeys(("boredom", "bor"), "bored"),
    **dict.fromkeys(("contempt", "con"), "contemptuous"),
    **dict.fromkeys(("disgust", "dis"), "disgusted"),
    **dict.fromkeys(("excitement", "exc"), "excited"),
    **dict.fromkeys(("fear", "fea", "anxiety", "afraid"), "fearful"),
    **dict.fromkeys(("frustration", "fru"), "frustrated"),
    **dict.fromkeys(("happiness", "hap", "joy", "joyful", "amused"), "happy"),
    **dict.fromkeys(("neu", "normal"), "neutral"),
    **dict.fromkeys(("sadness",), "sad"),
    **dict.fromkeys(("surprise", "sur", "ps", "pleasant surprise"), "surprised"),
    **dict.fromkeys(("oth", "xxx", "unknown"), "other"),
}


def scheme(name: str) -> Scheme:
    """The scheme of that name; raises LabelError with the nearest known one."""
    if name not in SCHEMES:
        raise LabelError(f"there is no label scheme '{name}': {nearest(name, SCHEMES)}")
    return SCHEMES[name]


def canonical(name: str, label_map: Mapping[str, str] | None = None) -> str:
    """Canonical class of a corpus's own emotion name; raises LabelError with the nearest known.

    `label_map` holds the corpus's own names and wins over `ALIASES`; its values must be
    canonical names.
    """
    own = label_map or {}
    if name in own:
        return FULL.classes[FULL.index(own[name])]
    found = ALIASES.get(name.strip().lower())
    if found is None:
        raise LabelError(f"unknown emotion '{name}': {nearest(name, {*own, *ALIASES})}")
    return found


@dataclass(frozen=True, slots=True)
class Label:
    """An emotion as a distribution over a scheme's classes.

    distribution: one probability a class, summing to 1.
    votes: raters' counts a class, where raters were counted.
    vad: valence, arousal, dominance, each in [0, 1].
    """

    scheme: Scheme
    distribution: tuple[float, ...]
    votes: tuple[int, ...] | None = None
    vad: tuple[float, float, float] | None = None
    modality: Modality = "intended"

    def __post_init__(self) -> None:
        if len(self.distribution) != len(self.scheme.classes):
            raise LabelError(
                f"scheme {self.scheme.name} has {len(self.scheme.classes)} classes, "
                f"the label gives {len(self.distribution)} probabilities"
            )
        if not (min(self.distribution) >= 0 and abs(sum(self.distribution) - 1) <= 1e-6):  # NaN too
            raise LabelError(f"probabilities must be ≥ 0 and sum to 1, got {self.distribution}")
        if self.votes is not None and len(self.votes) != len(self.distribution):
            raise LabelError(f"{len(self.votes)} vote counts for {len(self.distribution)} classes")
        if self.vad is not None and not all(0 <= value <= 1 for value in self.vad):
            raise LabelError(f"valence, arousal and dominance must lie in [0, 1], got {self.vad}")
        if self.modality not in get_args(Modality):
            raise LabelError(f"unknown modality '{self.modality}': {get_args(Modality)}")

    @classmethod
    def of(cls, emotion: str, scheme: Scheme = FULL, modality: Modality = "intended") -> Self:
        """One class with certainty."""
        hot = scheme.index(emotion)
        return cls(
            scheme,
            tuple(float(i == hot) for i in range(len(scheme.classes))),
            modality=modality,
        )

    @classmethod
    def from_votes(
        cls, votes: Mapping[str, int], scheme: Scheme = FULL, modality: Modality = "audio"
    ) -> Self:
        """Distribution of raters' votes; raises LabelError when there is no vote."""
        total = sum(votes.values())
        if total <= 0 or min(votes.values()) < 0:
            raise LabelError(f"votes must be counts with at least one vote, got {dict(votes)}")
        counts = [0] * len(scheme.classes)
        for emotion, count in votes.items():
            counts[scheme.index(emotion)] += count
        return cls(scheme, tuple(c / total for c in counts), votes=tuple(counts), modality=modality)

    @property
    def hard(self) -> str:
        """The most probable class; the first in scheme order where several tie."""
        return self.scheme.classes[self.distribution.index(max(self.distribution))]

    def probability(self, emotion: str) -> float:
        """Probability of one class of the scheme."""
        return self.distribution[self.scheme.index(emotion)]

    def project(self, target: Scheme) -> "Label | None":
        """The label under another scheme, or None where its hard class has no counterpart.

        Probability and votes of classes without a counterpart are dropped, and the
        distribution is renormalised.
        """
        if target == self.scheme:
            return self
        merges = MERGES.get(target.name, {})
        mass = [0.0] * len(target.classes)
        votes = [0] * len(target.classes)
        for i, source in enumerate(self.scheme.classes):
            name = merges.get(source, source)
            if name in target.classes:
                mass[target.classes.index(name)] += self.distribution[i]
                votes[target.classes.index(name)] += self.votes[i] if self.votes else 0
        if merges.get(self.hard, self.hard) not in target.classes:
            return None
        total = sum(mass)
        return Label(
            target,
            tuple(m / total for m in mass),
            votes=tuple(votes) if self.votes else None,
            vad=self.vad,
            modality=self.modality,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form: scheme name, distribution, and what else is known."""
        plain: dict[str, Any] = {
            "scheme": self.scheme.name,
            "distribution": list(self.distribution),
            "modality": self.modality,
        }
        if self.votes is not None:
            plain["votes"] = list(self.votes)
        if self.vad is not None:
            plain["vad"] = list(self.vad)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        votes, vad = plain.get("votes"), plain.get("vad")
        return cls(
            scheme(plain["scheme"]),
            tuple(plain["distribution"]),
            votes=None if votes is None else tuple(votes),
            vad=None if vad is None else (vad[0], vad[1], vad[2]),
            modality=plain.get("modality", "intended"),
        )
