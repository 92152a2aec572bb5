"""What all voice converters share: one protocol from a clip and a voice to labelled speech.

The clip is what is said and how: its words, its timing, its emotion. Its references are clips of
another speaker, whose voice it gets. A converter is a frozen dataclass with its options that says
in one method, `convert`, how the voice is changed; which speaker and which of their clips, what is
promised, rate, length and level are the same for all and stand here.

References in the clip's own emotion come first: a voice differs from emotion to emotion (angry, it
lies 6 semitones above its neutral in the emotion profile), and a converter moves the clip towards
what it is shown.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from emoforge.audio import Audio, fit, level_db
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Family, Generator, Params, Promise
from emoforge.errors import ConfigError, SkipClip

TargetGender = Literal["same", "other", "any"]

SHORTEST, LONGEST = 0.2, 60.0
"""Shorter clips hardly hold a syllable, longer ones take much memory, seconds."""
SHORTEST_VOICE = 1.0
"""References that are shorter in total show too little of a voice, seconds."""
PEAK = 0.99
"""Louder results are scaled down to this peak."""


@dataclass(frozen=True)
class Converter(Generator):
    """A voice converter.

    targets: names of the speakers to convert to; by default all others of the clip's split.
    gender: whether a target's gender is the `same` as the speaker's, the `other`, or `any`.
    shown: how many clips of the target are given as references, at most.
    """

    targets: Sequence[str] = ()
    gender: TargetGender = "any"
    shown: int = 6

    family: ClassVar[Family] = "vc"
    seeded: ClassVar[bool] = True
    """Whether it draws while it converts: another seed, another sound."""

    def __post_init__(self) -> None:
        if self.shown < 1:
            raise ConfigError(f"{self.name}: shown must be ≥ 1, got {self.shown}")

    @abstractmethod
    def convert(self, source: Audio, references: Sequence[Clip], params: Params) -> Audio:
        """The source in the references' voice, in time with it, at any rate and level.

        The length may differ by the converter's frame. Raises EmoforgeError.
        """

    def draw(self, clip: Clip, rng: np.random.Generator) -> dict[str, Any]:
        """What else it draws when planning, as plain JSON values."""
        return {}

    def references(self, clip: Clip, cast: Cast, rng: np.random.Generator) -> tuple[Clip, ...]:
        """Clips of a speaker that is drawn, those in the clip's emotion first.

        Another speaker than the clip's, recorded in its split. Raises SkipClip if there is none.
        """
        return self.clips_of(str(rng.choice(self.targets_of(clip, cast))), clip, cast)

    def clips_of(self, target: str, clip: Clip, cast: Cast) -> tuple[Clip, ...]:
        """The clips of a target that show its voice for a clip: those in its emotion first."""
        clips = cast.clips(target, split=clip.split, shortest=SHORTEST)
        return tuple(sorted(clips, key=lambda one: one.emotion != clip.emotion)[: self.shown])

    def targets_of(self, clip: Clip, cast: Cast) -> list[str]:
        """Speakers whose voice a clip may get; raises SkipClip if there are none."""
        found = [
            name
            for name in cast.speakers(clip.split)
            if name != clip.speaker and (not self.targets or name in self.targets)
        ]
        if self.gender != "any":
            if clip.gender is None:
                raise SkipClip(f"its speaker's gender is not known, for gender={self.gender}")
            found = [
                name
                for name in found
                if (gender := cast.by_speaker[name][0].gender) is not None
                and (gender == clip.gender) == (self.gender == "same")
            ]
        if not found:
            among = f" among {', '.join(self.targets)}" if self.targets else ""
            gender = f" of {self.gender} gender" if self.gender != "any" else ""
            raise SkipClip(f"there is no other speaker{gender} in its split{among}")
        return found

    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        if clip.is_line:
            raise SkipClip("is a text without audio, there is no voice to convert")
        if not SHORTEST <= clip.duration <= LONGEST:
            raise SkipClip(f"is {clip.duration:.2f} s long, not {SHORTEST} to {LONGEST:.0f} s")
        _check_references(clip)
        target = clip.references[0].speaker
        seed = {"seed": int(rng.integers(2**31))} if self.seeded else {}
        return {"target": target, **seed, **self.draw(clip, rng)}

    def promise(self, clip: Clip, params: Params) -> Promise:
        """What is said and how is the source's, the voice the target's."""
        voice = clip.references[0]
        return Promise(
            clip.label, voice.speaker, clip.duration, clip.text, clip.language, voice.gender
        )

    def apply(self, clip: Clip, params: Params) -> Audio:
        source = clip.read()
        made = self.convert(source, clip.references, params).resampled(source.rate).samples
        # Emotion is in the level too, and networks give all speech their own.
        gain = 10 ** ((level_db(source.samples) - level_db(made)) / 20)
        gain = min(gain, PEAK / max(float(np.abs(made).max(initial=0.0)), 1e-9))
        return Audio(fit(made * np.float32(gain), len(source.samples)), source.rate)


def _check_references(clip: Clip) -> None:
    """Raise SkipClip unless the references show one other voice for long enough."""
    if not clip.references:
        raise SkipClip("has no references, which show the voice to convert to")
    speakers = sorted({one.speaker for one in clip.references})
    if len(speakers) > 1:
        raise SkipClip(f"its references are of several speakers: {', '.join(speakers)}")
    if speakers == [clip.speaker]:
        raise SkipClip(f"its references are of its own speaker, {clip.speaker}")
    shown = sum(one.duration for one in clip.references)
    if shown < SHORTEST_VOICE:
        raise SkipClip(
            f"its references are {shown:.2f} s long in total, {SHORTEST_VOICE:g} s are needed"
        )
