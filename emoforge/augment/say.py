"""Trying out text-to-speech: what an engine offers, and one text spoken and judged."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from emoforge.audio import Audio, probe, read, write_audio
from emoforge.clip import Clip
from emoforge.component import Params, component_class, create, registered, rng_for
from emoforge.errors import AudioError, ConfigError, EmoforgeError, SkipClip, nearest
from emoforge.label import BASIC4, FULL, SCHEMES, Label, canonical
from emoforge.licence import together
from emoforge.selection import several_voices
from emoforge.selection.judges import EmbeddedJudge
from emoforge.synthesis import Engine, Voice

RATE = 48000
"""Of what is written, Hz: the highest that an engine has."""


@dataclass(frozen=True, slots=True)
class TtsSettings:
    """What `configs/tts.yaml` says: options of engines, by engine."""

    generators: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """One text as it was spoken.

    speed: seconds of speech per second of work, loading left out. licence: terms on the sound,
    None if there are none. target: the emotion that was asked for; achieved: the one that the
    judge heard, under `scheme`; heard: class → probability; all three None, empty where the judge
    could not hear, for the reason in `unheard`.
    """

    out: str
    engine: str
    language: str
    voice: str
    seconds: float
    speed: float
    licence: str | None
    target: str
    achieved: str | None
    heard: Mapping[str, float]
    scheme: str
    judge: str
    unheard: str
    params: Params

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EngineVoices:
    """What an engine offers.

    languages: all that it speaks; language: the one that `voices` are for, "" where several could
    be meant. clones: it speaks with the voice of reference clips. missing: what it lacks to run.
    """

    engine: str
    languages: Sequence[str]
    language: str
    clones: bool
    voices: Sequence[Voice]
    missing: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return asdict(self)


def speak_text(
    text: str,
    out: Path,
    settings: TtsSettings | None = None,
    *,
    engine: str,
    emotion: str,
    language: str = "",
    voice: str = "",
    strength: float | None = None,
    references: Sequence[Path] = (),
    seed: int = 0,
) -> Said:
    """Speak one text into `out` (FLAC or WAV, by its name), and have the embedded judge hear it.

    language: may be left out where the engine has one only. voice: one of the engine's own; by
    default any that has the emotion. references: recordings of one voice in the emotion, for an
    engine that clones. strength: of the emotion, 1 is as usual; by default what the settings
    say, else that.

    Raises ConfigError for what cannot be said, RequirementError for what the engine lacks,
    AudioError for files, EmoforgeError if the engine fails.
    """
    if out.suffix not in (".flac", ".wav"):
        raise ConfigError(f"{out}: a name in .flac or .wav is needed")
    own = (settings or TtsSettings()).generators.get(engine, {})
    if strength is not None:
        own = {**own, "strength": [strength, strength]}
    speaking = _engine(engine, {"strength": [1.0, 1.0], **own})
    if not emotion:
        raise ConfigError(f"no emotion is named: {nearest('', FULL.classes)}")
    wanted = canonical(emotion)
    speaking.check_requirements()
    tag = _language(speaking, language)
    line = _line(speaking, text, tag, wanted, voice, references)
    try:
        params = speaking.plan(line, rng_for(seed, line.id, engine))
    except SkipClip as reason:
        subject = "it " if str(reason).startswith(("has ", "is ")) else ""
        raise ConfigError(f"this cannot be said: {subject}{reason}") from reason
    _check_one_voice(references)
    speaking.setup()
    start = time.perf_counter()
    audio = speaking.apply(line, params)
    took = time.perf_counter() - start
    write_audio(out, audio)
    promise = speaking.promise(line, params)
    return _heard(
        audio,
        Said(
            out=str(out),
            engine=engine,
            language=tag,
            voice=params["voice"] or promise.speaker,
            seconds=round(audio.duration, 3),
            speed=round(audio.duration / took, 1),
            licence=together(speaking.licence(params)),
            target=promise.label.hard,
            achieved=None,
            heard={},
            scheme="",
            judge="",
            unheard="",
            params=params,
        ),
    )


def list_voices(
    settings: TtsSettings | None = None, *, engine: str = "", language: str = ""
) -> list[EngineVoices]:
    """What an engine offers, or all engines; for a language, or the only one of an engine.

    Raises ConfigError for a name or language that there is not, and with `engine` named
    RequirementError for what that one lacks.
    """
    options = (settings or TtsSettings()).generators
    if engine:
        return [_offer(engine, options.get(engine, {}), language)]
    offers = []
    for name in _engines():
        try:
            offers.append(_offer(name, options.get(name, {}), language))
        except ConfigError:  # it does not speak this language
            continue
        except EmoforgeError as error:
            offers.append(EngineVoices(name, (), language, False, (), str(error)))
    return offers


def _offer(name: str, options: Mapping[str, Any], language: str) -> EngineVoices:
    engine = _engine(name, options)
    engine.check_requirements()
    languages = engine.languages
    tag = language or (languages[0] if len(languages) == 1 else "")
    if tag and not engine.supports(tag):
        raise ConfigError(f"{name} does not speak '{tag}': {nearest(tag, languages)}")
    voices = engine.voices(tag) if tag and not engine.clones else ()
    return EngineVoices(name, languages, tag, engine.clones, tuple(voices), "")


def _engines() -> list[str]:
    """Names of the generators that are text-to-speech engines."""
    return [
        name
        for name in sorted(registered("generator"))
        if issubclass(component_class("generator", name), Engine)
    ]


def _engine(name: str, options: Mapping[str, Any]) -> Engine:
    engines = _engines()
    if not name:
        raise ConfigError(f"no engine is named: {nearest('', engines)}")
    if name not in engines:
        what = "no text-to-speech engine" if name in registered("generator") else "unknown"
        raise ConfigError(f"engine '{name}' is {what}: {nearest(name, engines)}")
    return cast(Engine, create("generator", name, options))


def _language(engine: Engine, language: str) -> str:
    if not language:
        if len(engine.languages) != 1:
            known = ", ".join(engine.languages)
            raise ConfigError(f"{engine.name} speaks several languages, name one of them: {known}")
        return engine.languages[0]
    if not engine.supports(language):
        raise ConfigError(
            f"{engine.name} does not speak '{language}': {nearest(language, engine.languages)}"
        )
    return language


def _line(
    engine: Engine,
    text: str,
    language: str,
    emotion: str,
    voice: str,
    references: Sequence[Path],
) -> Clip:
    if engine.clones and voice:
        raise ConfigError(f"{engine.name} has no voices of its own: give recordings of '{voice}'")
    if engine.clones and not references:
        raise ConfigError(f"{engine.name} clones a voice: give recordings of it")
    if references and not engine.clones:
        raise ConfigError(f"{engine.name} speaks with voices of its own and takes no recordings")
    line = Clip(
        id="line",
        path="",
        duration=0.0,
        rate=RATE,
        label=Label.of(emotion, FULL),
        speaker=voice,
        corpus="",
        text=text,
        language=language,
    )
    if not references:
        return line
    speaker = references[0].stem
    return replace(line, references=tuple(_reference(line, one, speaker) for one in references))


def _reference(line: Clip, file: Path, speaker: str) -> Clip:
    about = probe(file)
    return replace(
        line,
        id=str(file),
        path=str(file),
        duration=about.duration,
        rate=about.rate,
        speaker=speaker,
        text=None,
        language=None,
    )


def _check_one_voice(references: Sequence[Path]) -> None:
    """Raise AudioError where the recordings, one after the other, change the voice."""
    if not references:
        return
    heard = np.concatenate([read(file).resampled(RATE).samples for file in references])
    if several_voices(Audio(heard, RATE)):
        named = ", ".join(map(str, references))
        raise AudioError(f"{named}: more than one voice is heard; give recordings of one person")


def _heard(audio: Audio, said: Said) -> Said:
    """With what the embedded judge hears, under the narrowest scheme that has the target."""
    judge = EmbeddedJudge()
    known = [BASIC4.name, *judge.schemes]
    scheme = next((name for name in known if said.target in SCHEMES[name].classes), BASIC4.name)
    judge.setup()
    answer = judge.score([audio.resampled(judge.rate).samples])[0]
    said = replace(said, scheme=scheme, judge=judge.key)
    if isinstance(answer, AudioError):
        return replace(said, unheard=str(answer))
    heard = dict(zip(SCHEMES[scheme].classes, answer.distributions[scheme], strict=True))
    rounded = {name: round(value, 4) for name, value in heard.items()}
    return replace(said, achieved=max(heard, key=heard.__getitem__), heard=rounded)
