"""The script of a corpus: which voice says which text in which emotion, by which generator."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from emoforge.augment.corpora import Problem
from emoforge.augment.corpus_builder.texts import Texts
from emoforge.augment.job import RecipeConfig
from emoforge.augment.planner import Slot
from emoforge.cast import Cast
from emoforge.clip import Clip, Split
from emoforge.component import Generator, digest, rng_for
from emoforge.errors import ConfigError, EmoforgeError, SkipClip
from emoforge.label import Label, Scheme
from emoforge.synthesis import Converter, Engine, Voice

SENTENCES = "sentences"
"""Corpus of what was spoken with a generator's own voice, from a text alone."""


@dataclass
class Script:
    """Slots to plan; lines: the texts without recordings among them; problems: what is left out."""

    slots: list[Slot] = field(default_factory=list)
    lines: list[Clip] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Scriptwriter:
    """Writes the part of each generator; cast: the corpus's speakers, none without a corpus."""

    recipe: RecipeConfig
    scheme: Scheme
    cast: Cast
    texts: Texts
    splits: Sequence[Split]
    seed: int

    def write(self, generators: Sequence[Generator]) -> Script:
        """The script of all; a generator that cannot take part is a problem, the rest goes on."""
        script = Script()
        problems: dict[Problem, None] = {}
        for generator in generators:
            own = isinstance(generator, Engine) and not generator.clones
            if not own and not self.cast.by_speaker:
                problems[Problem(generator.name, "needs the recordings of a corpus")] = None
            for split in self._splits(generator):
                for emotion in self.recipe.emotions or self.scheme.classes:
                    for cell in self._cells(generator, split, emotion):
                        try:
                            script.slots += list(cell)
                        except (EmoforgeError, SkipClip) as error:
                            problems[Problem(generator.name, str(error))] = None
        script.lines = [s.clip for s in script.slots if s.clip.is_line and s.copy == 0]
        script.problems = list(problems)  # each once
        return script

    def _splits(self, generator: Generator) -> list[Split]:
        if not self.recipe.unseen:
            return list(self.splits)
        only_test = generator.name in self.recipe.unseen
        return [split for split in self.splits if (split == "test") == only_test]

    def _cells(self, generator: Generator, split: Split, emotion: str) -> Iterator[Iterable[Slot]]:
        """Slots speaker by speaker; of voices of its own all at once. Reading one may raise."""
        speakers = self._speakers(split)
        if self.cast.by_speaker and not speakers:
            yield _nothing(f"the corpus has no speakers in {split}")
            return
        if isinstance(generator, Engine) and not generator.clones:
            yield self._own_voices(generator, split, emotion, len(speakers))
            return
        for speaker in speakers:
            if isinstance(generator, Engine):
                yield self._cloned(generator, speaker, split, emotion)
            elif isinstance(generator, Converter):
                yield self._converted(generator, speaker, split, emotion)
            else:
                yield self._changed(generator, speaker, split, emotion)

    def _speakers(self, split: Split) -> list[str]:
        wanted = self.recipe.speakers
        return [s for s in self.cast.speakers(split) if not wanted or s in wanted]

    def _cloned(self, engine: Engine, speaker: str, split: Split, emotion: str) -> Iterator[Slot]:
        """The speaker's voice, by its clearest clips of the emotion, with other texts."""
        clearest = self._clips(speaker, emotion, split)[0]
        rng = rng_for(self.seed, engine.name, speaker, emotion)
        # Nothing is spoken again: the clearest clip itself may show the voice.
        references = engine.references(replace(clearest, id=""), self.cast, rng)
        if not references:
            raise SkipClip(f"no clip of speaker {speaker} shows '{emotion}' for long enough")
        language = self.language(engine, references[0].language)
        texts = self._texts(language, emotion)
        first = _offset(self.seed, speaker, emotion, engine.name)
        clip = replace(references[0], language=language, references=references)
        for number in range(self.recipe.each):
            text = texts[(first + number) % len(texts)]
            yield Slot(engine, replace(clip, text=text), number)

    def _converted(
        self, converter: Converter, target: str, split: Split, emotion: str
    ) -> Iterator[Slot]:
        """Clips of other speakers in the emotion, with the target's voice."""
        sources = [
            clip
            for speaker in self._speakers(split)
            if speaker != target
            for clip in self._convertible(converter, target, speaker, emotion, split)
        ]
        if not sources:
            raise SkipClip(
                f"nobody's '{emotion}' in {split} can be given to speaker {target}: a conversion "
                "needs two speakers of a split"
            )
        sources.sort(key=lambda clip: digest(self.seed, target, clip.id))
        references = converter.clips_of(target, sources[0], self.cast)  # all are of one emotion
        for number in range(self.recipe.each):
            clip, copy = sources[number % len(sources)], number // len(sources)
            yield Slot(converter, replace(clip, references=references), copy)

    def _changed(
        self, generator: Generator, speaker: str, split: Split, emotion: str
    ) -> Iterator[Slot]:
        """The speaker's own clips, as a codec or an edit changes them."""
        clips = self._clips(speaker, emotion, split)
        for number in range(self.recipe.each):
            yield Slot(generator, clips[number % len(clips)], number // len(clips))

    def _clips(self, speaker: str, emotion: str, split: Split) -> list[Clip]:
        """A speaker's clips of an emotion, at least one; raises SkipClip."""
        if not (found := self.cast.clips(speaker, emotion, split=split)):
            raise SkipClip(f"speaker {speaker} has no clip of '{emotion}' to start from")
        return found

    def _convertible(
        self, converter: Converter, target: str, speaker: str, emotion: str, split: Split
    ) -> list[Clip]:
        """A speaker's clips of an emotion; none where the converter gives them other voices."""
        clips = self.cast.clips(speaker, emotion, split=split)
        if not clips:
            return []
        try:
            return clips if target in converter.targets_of(clips[0], self.cast) else []
        except SkipClip:
            return []

    def _own_voices(
        self, engine: Engine, split: Split, emotion: str, speakers: int
    ) -> Iterator[Slot]:
        """The engine's voices of the split in turn, each with the texts in turn."""
        language = self.language(engine, self._spoken())
        voices = [
            voice
            for voice in self._voices(engine, language, split)
            if not voice.emotions or emotion in voice.emotions
        ]
        if not voices:
            raise SkipClip(f"none of its voices for {split} has '{emotion}'")
        texts = self._texts(language, emotion)
        count = self.recipe.each * (speakers if self.cast.by_speaker else len(voices))
        first = _offset(self.seed, split, emotion, engine.name)
        pairs = [(text, voice) for text in texts for voice in voices]
        for number in range(count):
            text, voice = pairs[(first * len(voices) + number) % len(pairs)]
            line = self._line(engine, text, language, voice, emotion, split)
            yield Slot(engine, line, number // len(pairs))

    def _voices(self, engine: Engine, language: str, split: Split) -> list[Voice]:
        """The voices of a split: dealt out one after the other, so that none is in two.

        A single split has them all; those with most emotions come first, train deals first.
        """
        voices = engine.voices(language)
        order = sorted(voices, key=lambda voice: (-len(voice.emotions), voice.name))
        splits = self._splits(engine)
        if self.cast.by_speaker:  # what nobody is heard in needs no voices
            splits = [split for split in splits if self._speakers(split)]
        hands = [name for name in ("train", "test", "dev") if name in splits]
        return [v for v, hand in zip(order, itertools.cycle(hands)) if hand == split]

    def _line(
        self, engine: Engine, text: str, language: str, voice: Voice, emotion: str, split: Split
    ) -> Clip:
        rate, licence = self.recipe.rate, self.texts.licence
        said = (text, language, voice.name, emotion)
        identity = digest(engine.name, *said, split, rate, licence)
        return Clip(
            id=f"{SENTENCES}/{identity}",
            path="",
            duration=0.0,
            rate=rate,
            label=Label.of(emotion, self.scheme),
            speaker=voice.name,
            corpus=SENTENCES,
            digest=identity,
            text=text,
            language=language,
            gender=voice.gender,
            split=split,
            licence=licence,
        )

    def language(self, engine: Engine, spoken: str | None) -> str:
        """The language that an engine speaks here: as configured, as the speaker, or its only one.

        Raises ConfigError where none is left or several are.
        """
        wanted = self.recipe.languages.get(engine.name) or spoken
        if wanted and engine.supports(wanted) and self.texts.has(wanted):
            return wanted
        able = [one for one in self.texts.languages() if engine.supports(one)]
        if self.recipe.languages.get(engine.name) or len(able) != 1:
            have = ", ".join(able) or "none of those that there are texts in"
            raise ConfigError(
                f"does not speak {wanted or 'a language that is known'}; of the texts it could "
                f"speak {have}: say which with recipe.languages.{engine.name}=…"
            )
        return able[0]

    def _spoken(self) -> str | None:
        """The language of the corpus, None without one or if it has several."""
        found = {clip.language for clips in self.cast.by_speaker.values() for clip in clips}
        return found.pop() if len(found) == 1 else None

    def _texts(self, language: str, emotion: str) -> list[str]:
        texts = self.texts.of(language, emotion)
        if not texts:
            raise ConfigError(f"there is no text in '{language}' for '{emotion}'")
        return texts


def _nothing(reason: str) -> Iterator[Slot]:
    raise SkipClip(reason)
    yield


def _offset(*key: str | int) -> int:
    """Where in the texts a voice begins, so that not all say the same ones."""
    return int(digest(*key)[:8], 16)
