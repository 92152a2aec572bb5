"""What all text-to-speech engines share: one protocol from a text to labelled speech.

An engine is a generator: a frozen dataclass whose fields are its options. It says what it can do
in a few small methods:

    voices(language)          its own voices for a language; none for an engine that clones
    clones                    whether it speaks with the voice of reference clips
    supports(language)        whether it speaks a language; quick, loads nothing heavy
    languages                 the tags of those, where there are more than ISO 639-1 has
    speak(utterances)         the work, as one batch: samples or the error for each utterance

and this module does what is alike: which text, voice, emotion and strength (`plan`), what is
promised, batches, errors and rates. Emotion comes from where the engine has it: a voice that was
recorded in that emotion, or references that show it; elsewhere the emotion profile shapes the
prosody of neutral speech with WORLD.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from emoforge.audio import Audio, level_db
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Family, Generator, Outcome, Params, Promise
from emoforge.errors import ConfigError, EmoforgeError, SkipClip, nearest
from emoforge.label import Label
from emoforge.synthesis.prosody import (
    Controls,
    check_amounts,
    load_profile,
    transfer,
)
from emoforge.synthesis.tts.text import speakable, spoken_seconds

NEUTRAL_DB = -35.0
"""Level of neutral speech before it is shaped, dB re full scale: leaves room for anger, some
16 dB above it."""
REFERENCES = 3
"""At most so many reference clips are given to an engine that clones."""
SHORTEST_REFERENCE = 1.0
"""Shorter clips show too little of a voice, seconds."""

_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy "
    "da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu "
    "hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb "
    "lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om "
    "or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw "
    "ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that an engine has.

    emotions: canonical names that it was recorded in; none: neutral, others by the profile.
    licence: terms on what it says, "" for none.
    """

    name: str
    gender: str | None = None
    emotions: tuple[str, ...] = ()
    licence: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """What an engine is to say.

    text: plain, without mark-up; language: BCP 47 tag. voice: one of the engine's own, "" where
    `references` give it. emotion: canonical name. strength: 1 is as the emotion usually is, 0
    neutral; engines that cannot grade it refuse others than 1. seed: for engines that draw. An
    utterance with the same fields gives the same samples, whatever else is in its batch.
    params: all that was planned, for what an engine drew itself (`draw`).
    """

    text: str
    language: str
    voice: str
    references: tuple[Clip, ...]
    emotion: str
    strength: float
    seed: int
    params: Params


@dataclass(frozen=True)
class Engine(Generator):
    """A text-to-speech engine.

    emotion: `keep` speaks with the clip's own emotion, `random` with one drawn from those that
        are possible.
    strength: range from which the strength of the emotion is drawn; 1 is as measured.
    variation: share of the emotion's own spread that is drawn on top, where the emotion profile
        makes the emotion.
    profile: an emotion profile's YAML file; by default the one that emoforge ships.
    """

    emotion: str = "keep"
    strength: Sequence[float] = (0.7, 1.3)
    variation: float = 0.5
    profile: str = ""

    family: ClassVar[Family] = "tts"
    clones: ClassVar[bool] = False
    """Whether it speaks with the voice of reference clips, instead of voices of its own."""
    seeded: ClassVar[bool] = True
    """Whether it draws while it speaks: another seed, another sound."""

    def __post_init__(self) -> None:
        if self.emotion not in (known := ("keep", "random")):
            raise ConfigError(
                f"{self.name}: no emotion '{self.emotion}': {nearest(self.emotion, known)}"
            )
        check_amounts(self.name, self.strength, self.variation)
        load_profile(self.profile)  # an error in it comes before the run, not within

    @abstractmethod
    def supports(self, language: str) -> bool:
        """Whether it can speak a language (BCP 47 tag); quick, and the same every time."""

    @property
    def languages(self) -> Sequence[str]:
        """Languages that it speaks, by default those of ISO 639-1; for people to choose from."""
        return [tag for tag in _ISO_639_1.split() if self.supports(tag)]

    @abstractmethod
    def voices(self, language: str) -> Sequence[Voice]:
        """Its own voices for a language, in a fixed order; none if it clones."""

    @abstractmethod
    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | EmoforgeError]:
        """Say a batch: for each utterance mono audio at the engine's own rate, or what failed."""

    def draw(self, voice: str, rng: np.random.Generator) -> dict[str, Any]:
        """What else it draws when planning, as plain JSON values."""
        return {}

    def check(self, text: str, language: str) -> None:
        """Raise SkipClip for a text that this engine cannot read, beyond what none can."""

    def references(self, clip: Clip, cast: Cast, rng: np.random.Generator) -> tuple[Clip, ...]:
        """Of an engine that clones: the clearest clips of the clip's speaker in its emotion.

        Others than the clip itself where there are any, all of its split.
        """
        if not self.clones:
            return ()
        own = cast.clips(clip.speaker, clip.emotion, split=clip.split, shortest=SHORTEST_REFERENCE)
        others = [one for one in own if one.id != clip.id]
        return tuple((others or own)[:REFERENCES])

    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        language = clip.language or ""
        if not language:
            raise SkipClip("has no language")
        if not self.supports(language):
            raise SkipClip(f"{self.name} does not speak '{language}'")
        text = speakable(clip.text, language)
        self.check(text, language)
        voice = None if self.clones else self._voice(clip, language, rng)
        if voice is None:
            check_references(clip)
        emotion = self._emotion(clip, voice, rng)
        strength = round(float(rng.uniform(self.strength[0], self.strength[1])), 4)
        if emotion == "neutral":
            strength = 1.0  # there is no more or less of it
        name = voice.name if voice else ""
        plan = {
            "text": text,
            "language": language,
            "voice": name,
            "emotion": emotion,
            "strength": strength,
            **({"seed": int(rng.integers(2**31))} if self.seeded else {}),
            **self.draw(name, rng),
        }
        if voice is not None and emotion not in voice.emotions:
            controls = load_profile(self.profile).draw(
                "neutral", emotion, strength, self.variation, rng
            )
            plan["controls"] = controls.to_dict()
        return plan

    def _voice(self, clip: Clip, language: str, rng: np.random.Generator) -> Voice:
        """The voice that a line names, else one of the clip's gender if there is any."""
        voices = {voice.name: voice for voice in self.voices(language)}
        if clip.is_line and clip.speaker:
            if clip.speaker not in voices:
                known = nearest(clip.speaker, voices)
                raise SkipClip(f"{self.name} has no voice '{clip.speaker}': {known}")
            return voices[clip.speaker]
        alike = [voice for voice in voices.values() if voice.gender == clip.gender]
        choice = alike or list(voices.values())
        able = [voice for voice in choice if clip.emotion in voice.emotions] or choice
        return able[int(rng.integers(len(able)))]

    def _emotion(self, clip: Clip, voice: Voice | None, rng: np.random.Generator) -> str:
        if voice is None:  # the references show their own
            return clip.emotion
        scheme = clip.label.scheme
        shaped = {} if voice.emotions else load_profile(self.profile).emotions
        known = [e for e in scheme.classes if e in voice.emotions or e in shaped]
        if self.emotion == "random" and known:
            return str(rng.choice(known))
        if clip.emotion not in known:
            raise SkipClip(
                f"voice '{voice.name}' of {self.name} has no '{clip.emotion}': "
                f"{nearest(clip.emotion, known)}"
            )
        return clip.emotion

    def promise(self, clip: Clip, params: Params) -> Promise:
        rate = params["controls"]["rate"] if "controls" in params else 1.0
        voice = next(
            (v for v in self.voices(params["language"]) if v.name == params["voice"]), None
        )
        cloned = clip.references[0] if clip.references else clip
        return Promise(
            label=Label.of(params["emotion"], clip.label.scheme),
            speaker=f"{self.name}:{voice.name}" if voice else cloned.speaker,
            duration=spoken_seconds(params["text"], params["language"]) / rate,
            text=params["text"],
            language=params["language"],
            gender=voice.gender if voice else cloned.gender,
        )

    def licence(self, params: Params) -> str:
        """The licence of the voice."""
        voices = self.voices(params["language"])
        return next((v.licence for v in voices if v.name == params["voice"]), "")

    def apply(self, clip: Clip, params: Params) -> Audio:
        outcome = self.apply_batch([clip], [params])[0]
        if outcome.audio is None:
            raise EmoforgeError(outcome.detail)
        return outcome.audio

    def apply_batch(self, clips: Sequence[Clip], params: Sequence[Params]) -> list[Outcome]:
        utterances = [
            Utterance(
                text=one["text"],
                language=one["language"],
                voice=one["voice"],
                references=clip.references,
                emotion=one["emotion"],
                strength=one["strength"],
                seed=one.get("seed", 0),
                params=one,
            )
            for clip, one in zip(clips, params, strict=True)
        ]
        spoken = self._spoken(utterances)
        return [
            self._outcome(clip, one, said)
            for clip, one, said in zip(clips, params, spoken, strict=True)
        ]

    def _spoken(self, utterances: Sequence[Utterance]) -> Sequence[Audio | EmoforgeError]:
        """What `speak` says; where a batch raises, each alone, so that a bad one fails alone."""
        try:
            return self.speak(utterances)
        except Exception as error:
            if len(utterances) > 1:
                return [said for one in utterances for said in self._spoken([one])]
            if isinstance(error, EmoforgeError):
                return [error]
            return [EmoforgeError(f"{type(error).__name__}: {error}")]

    def _outcome(self, clip: Clip, params: Params, said: Audio | EmoforgeError) -> Outcome:
        if isinstance(said, EmoforgeError):
            return Outcome("failed", type(said).__name__, str(said))
        try:
            return Outcome("ok", audio=self._shaped(said, params, clip.rate))
        except EmoforgeError as error:
            return Outcome("failed", type(error).__name__, str(error))

    def _shaped(self, said: Audio, params: Params, rate: int) -> Audio:
        """With the prosody that was planned, at the clip's rate."""
        if "controls" not in params:
            return within_full_scale(said.resampled(rate))
        # WORLD's cost grows with the rate, and there is nothing above the engine's own.
        said = said.resampled(min(said.rate, rate))
        gain = 10 ** ((NEUTRAL_DB - level_db(said.samples)) / 20)
        neutral = Audio(said.samples * np.float32(gain), said.rate)
        shaped = transfer(neutral, Controls(**params["controls"]))
        return within_full_scale(shaped.resampled(rate))


def check_references(clip: Clip) -> None:
    """Raise SkipClip unless the clip's references show one voice for long enough."""
    if not clip.references:
        raise SkipClip(
            f"no clip of its speaker shows '{clip.emotion}' for {SHORTEST_REFERENCE:g} s"
        )
    speakers = sorted({one.speaker for one in clip.references})
    if len(speakers) > 1:
        raise SkipClip(f"its references are of several speakers: {', '.join(speakers)}")
    for one in clip.references:
        if one.duration < SHORTEST_REFERENCE:
            raise SkipClip(
                f"reference {one.id} is {one.duration:.2f} s long, "
                f"{SHORTEST_REFERENCE:g} s are needed"
            )


def within_full_scale(audio: Audio, peak: float = 0.99) -> Audio:
    """The audio, scaled down to that peak if it passes it."""
    highest = float(np.abs(audio.samples).max(initial=0.0))
    if highest <= peak:
        return audio
    return Audio(audio.samples * np.float32(peak / highest), audio.rate)
