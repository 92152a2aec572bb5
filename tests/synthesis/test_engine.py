"""What all text-to-speech engines share."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from emoforge.audio import Audio
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import rng_for
from emoforge.errors import AudioError, EmoforgeError, SkipClip
from emoforge.label import BASIC4, FULL, Label
from emoforge.synthesis import Engine, Utterance, Voice
from emoforge.synthesis.tts.engine import within_full_scale

LINE = Clip(
    id="line",
    path="",
    duration=0,
    rate=16000,
    label=Label.of("sad", BASIC4),
    speaker="",
    corpus="",
    text="hello there",
    language="en",
)


@dataclass(frozen=True)
class Hummer(Engine):
    """Hums at a pitch for each voice, far too loud; chokes on x, and falls over on y."""

    name: ClassVar[str] = "hummer"
    version: ClassVar[int] = 1

    def supports(self, language: str) -> bool:
        return language in ("en", "tlh")

    def voices(self, language: str) -> Sequence[Voice]:
        moody = Voice("moody", "female", ("neutral", "sad"), "CC-BY-4.0")
        return (Voice("plain", "male"), moody) if self.supports(language) else ()

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | EmoforgeError]:
        if any("y" in one.text for one in utterances):
            raise RuntimeError("fell over")
        return [AudioError("choked") if "x" in one.text else self._hum(one) for one in utterances]

    def _hum(self, one: Utterance) -> Audio:
        pitch = 120 if one.voice == "plain" else 220
        time = np.arange(24000) / 24000
        tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20))
        return Audio((3 * np.asarray(tone)).astype(np.float32), 24000)


@dataclass(frozen=True)
class Parrot(Hummer):
    """Clones."""

    name: ClassVar[str] = "parrot"
    clones: ClassVar[bool] = True


def recording(id_: str, emotion: str = "sad", duration: float = 2.0, speaker: str = "ann") -> Clip:
    return replace(
        LINE,
        id=id_,
        path=f"/{id_}.flac",
        duration=duration,
        speaker=speaker,
        label=Label.of(emotion, BASIC4),
        split="train",
        digest=id_,
        gender="female",
    )


def test_a_bad_item_fails_alone() -> None:
    engine = Hummer()
    lines = [replace(LINE, text=text) for text in ("hello", "x", "no", "why", "well")]
    outcomes = engine.apply_batch(lines, [engine.plan(line, rng_for(1)) for line in lines])
    assert [o.status for o in outcomes] == ["ok", "failed", "ok", "failed", "ok"]
    assert [o.detail for o in outcomes if o.status == "failed"] == [
        "choked",
        "RuntimeError: fell over",
    ]
    with pytest.raises(EmoforgeError, match="choked"):
        engine.apply(lines[1], engine.plan(lines[1], rng_for(1)))


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_results_stay_within_full_scale_at_the_lines_rate(rate: int) -> None:
    engine = Hummer()
    for voice in engine.voices("en"):
        line = replace(LINE, rate=rate, speaker=voice.name)
        made = engine.apply(line, engine.plan(line, rng_for(1)))
        assert made.rate == rate
        assert np.abs(made.samples).max() <= 1


def test_full_scale_scales_and_does_not_clip() -> None:
    loud = Audio(np.array([0.5, -4.0, 2.0], np.float32), 8000)
    np.testing.assert_allclose(
        within_full_scale(loud).samples, np.array([0.5, -4, 2]) * 0.99 / 4, rtol=1e-6
    )
    quiet = Audio(loud.samples / 8, 8000)
    assert within_full_scale(quiet) is quiet


def test_the_emotion_comes_from_the_voice_or_from_the_profile() -> None:
    engine = Hummer()
    plan = engine.plan(replace(LINE, speaker="moody"), rng_for(1))
    assert "controls" not in plan
    assert engine.licence(plan) == "CC-BY-4.0"
    plan = engine.plan(replace(LINE, speaker="plain"), rng_for(1))
    assert plan["controls"]["energy"] != 0
    assert engine.licence(plan) == ""
    assert json.loads(json.dumps(plan)) == plan
    random = Hummer(emotion="random")
    drawn = {random.plan(replace(LINE, speaker="moody"), rng_for(i))["emotion"] for i in range(20)}
    assert drawn == {"neutral", "sad"}


@pytest.mark.parametrize("emotion", ["keep", "random"])
def test_an_emotion_that_is_not_there_is_skipped(emotion: str) -> None:
    line = replace(LINE, speaker="plain", label=Label.of("other", FULL))
    if emotion == "keep":
        with pytest.raises(SkipClip, match="has no 'other': known: angry"):
            Hummer(emotion=emotion).plan(line, rng_for(1))
    else:
        assert Hummer(emotion=emotion).plan(line, rng_for(1))["emotion"] != "other"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": ""}, "has no text"),
        ({"language": None}, "has no language"),
        ({"language": "xx"}, "hummer does not speak 'xx'"),
        ({"speaker": "plian"}, "no voice 'plian': did you mean 'plain'"),
    ],
)
def test_lines_that_it_cannot_serve(change: dict[str, object], reason: str) -> None:
    with pytest.raises(SkipClip, match=reason):
        Hummer().plan(replace(LINE, **change), rng_for(1))  # type: ignore[arg-type]


def test_languages_are_those_of_iso_639_unless_an_engine_says() -> None:
    assert list(Hummer().languages) == ["en"]  # Klingon has no two letters


def test_references_are_the_clearest_of_speaker_emotion_and_split() -> None:
    own = [recording(f"s{i}") for i in range(5)]
    other = [recording("h", "happy"), recording("b", speaker="bob"), recording("t", duration=0.5)]
    dev = replace(recording("d"), split="dev")
    cast = Cast.of([*own, *other, dev], {"s3": 0.9, "s1": 0.8, "s2": 0.7, "s0": 0.6})
    chosen = Parrot().references(own[3], cast, rng_for(1))
    assert [clip.id for clip in chosen] == ["s1", "s2", "s0"]
    alone = Cast.of([own[3]])
    assert [clip.id for clip in Parrot().references(own[3], alone, rng_for(1))] == ["s3"]
    assert Hummer().references(own[3], cast, rng_for(1)) == ()


def test_a_clone_is_promised_as_its_reference() -> None:
    clip = replace(recording("c"), references=(recording("r"),))
    plan = Parrot().plan(clip, rng_for(1))
    promise = Parrot().promise(clip, plan)
    assert plan["voice"] == ""
    assert "controls" not in plan
    assert (promise.speaker, promise.gender, promise.label) == ("ann", "female", clip.label)


@pytest.mark.parametrize(
    ("references", "reason"),
    [
        ((), "no clip of its speaker shows 'sad'"),
        ((recording("r", duration=0.3),), "reference r is 0.30 s long, 1 s are needed"),
        ((recording("r"), recording("q", speaker="bob")), "of several speakers: ann, bob"),
    ],
)
def test_references_that_do_not_show_a_voice(references: tuple[Clip, ...], reason: str) -> None:
    with pytest.raises(SkipClip, match=reason):
        Parrot().plan(replace(LINE, references=references), rng_for(1))
