"""The `espeak` generator."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emoforge.clip import Clip
from emoforge.component import create, rng_for
from emoforge.errors import ConfigError, SkipClip
from emoforge.label import BASIC4, Label
from emoforge.synthesis.prosody import measure
from emoforge.synthesis.tts import openjtalk, spoken_seconds
from emoforge.synthesis.tts.espeak import Espeak
from emoforge.synthesis.tts.libespeak import say, voice_for, voices

CLIP = Clip(
    id="c/1",
    path="/nowhere.flac",  # the recording is never read
    duration=2.0,
    rate=16000,
    label=Label.of("neutral", BASIC4),
    speaker="a",
    corpus="c",
    text="Der Lappen liegt auf dem Eisschrank.",
    language="de",
    gender="female",
)


def test_plan_is_plain_and_repeatable() -> None:
    generator = create("generator", "espeak")
    plans = [generator.plan(CLIP, rng_for(1)) for _ in range(2)]  # type: ignore[attr-defined]
    assert plans[0] == plans[1] == json.loads(json.dumps(plans[0]))
    assert plans[0] != generator.plan(CLIP, rng_for(2))  # type: ignore[attr-defined]


def test_same_params_same_samples() -> None:
    params = Espeak().plan(CLIP, rng_for(1))
    first = Espeak().apply(CLIP, params)
    Espeak().apply(CLIP, Espeak().plan(CLIP, rng_for(2)))
    again = Espeak().apply(CLIP, json.loads(json.dumps(params)))
    np.testing.assert_array_equal(first.samples, again.samples)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_rate_is_the_clips(rate: int) -> None:
    clip = replace(CLIP, rate=rate)
    generator = Espeak()
    params = generator.plan(clip, rng_for(1))
    made = generator.apply(clip, params)
    assert made.rate == rate
    assert made.duration == pytest.approx(generator.promise(clip, params).duration, rel=0.25)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": None}, "has no text"),
        ({"text": " \n"}, "has no text"),
        ({"text": "… 😀 !"}, "neither letters nor digits"),
        ({"text": "a" * 1001}, "1001 characters"),
        ({"language": None}, "has no language"),
        ({"language": "xx"}, "espeak does not speak 'xx'"),
        ({"label": Label.of("other")}, "no 'other': known: angry"),
    ],
)
def test_clips_that_it_cannot_serve(change: dict[str, object], reason: str) -> None:
    with pytest.raises(SkipClip, match=reason):
        Espeak().plan(replace(CLIP, **change), rng_for(1))  # type: ignore[arg-type]


def test_voice_matches_the_gender() -> None:
    for gender, other in (("female", "male"), ("male", "female")):
        clip = replace(CLIP, gender=gender)
        drawn = {Espeak().plan(clip, rng_for(i))["voice"] for i in range(60)}
        assert len(drawn) >= 12
        own = {voice.name for voice in Espeak().voices("de") if voice.gender == gender}
        assert drawn <= own
        assert not own & {v.name for v in Espeak().voices("de") if v.gender == other}
    unknown = replace(CLIP, gender=None)
    drawn = {Espeak().plan(unknown, rng_for(i))["voice"] for i in range(60)}
    assert {v.gender for v in Espeak().voices("de") if v.name in drawn} == {"female", "male"}


def test_every_variant_is_a_voice_of_its_own() -> None:
    names = [voice.name for voice in Espeak().voices("en-US")]
    assert len(names) == 31
    sounds = {say("Kids are talking.", name).samples.tobytes() for name in names}
    assert len(sounds) == len(names)


def test_a_line_names_its_voice() -> None:
    line = replace(CLIP, path="", speaker="de+m3")
    assert {Espeak().plan(line, rng_for(i))["voice"] for i in range(5)} == {"de+m3"}
    with pytest.raises(SkipClip, match="no voice 'de\\+m33': did you mean 'de\\+m3'"):
        Espeak().plan(replace(line, speaker="de+m33"), rng_for(1))


def test_languages_are_all_that_it_brings() -> None:
    engine = Espeak()
    assert set(engine.languages) == set(voices())
    assert len(engine.languages) > 140
    assert all(engine.supports(tag) and engine.voices(tag) for tag in engine.languages)


def test_kanji_are_read_by_open_jtalk() -> None:
    engine = Espeak()
    clip = replace(CLIP, language="ja", text="今日は三時に会います。")
    params = engine.plan(clip, rng_for(1))
    assert params["open_jtalk"] == openjtalk.version()
    kana = {**params, "text": "キョーワサンジニアイマス。"}
    del kana["open_jtalk"]
    np.testing.assert_array_equal(
        engine.apply(clip, params).samples, engine.apply(clip, kana).samples
    )
    assert "open_jtalk" not in engine.plan(CLIP, rng_for(1))


def test_kanji_are_left_alone_without_open_jtalk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openjtalk, "version", lambda: None)
    clip = replace(CLIP, language="ja", text="今日は")
    with pytest.raises(SkipClip, match="kana only"):
        Espeak().plan(clip, rng_for(1))
    assert "open_jtalk" not in Espeak().plan(replace(clip, text="きょうは"), rng_for(1))


def test_texts_that_cannot_be_read_fail_alone() -> None:
    engine = Espeak()
    clip = replace(CLIP, language="ja", text="はい")
    params = engine.plan(clip, rng_for(1))
    outcomes = engine.apply_batch([clip, clip], [{**params, "text": "안녕"}, params])
    assert [outcome.status for outcome in outcomes] == ["failed", "ok"]
    assert outcomes[0].detail == "Open JTalk cannot read '안녕'"


def test_promise() -> None:
    generator = Espeak(emotion="random")
    seen = set()
    for i in range(40):
        params = generator.plan(CLIP, rng_for(i))
        promise = generator.promise(CLIP, params)
        seen.add(promise.label.hard)
        assert promise.label.scheme == BASIC4
        assert promise.speaker == f"espeak:{params['voice']}"
        assert promise.text == CLIP.text
    assert seen == set(BASIC4.classes)


@pytest.mark.parametrize("language", ["en-US", "de", "pl"])
def test_estimated_duration_on_corpus_texts(clips: list[Clip], language: str) -> None:
    texts = {c.text for c in clips if c.language == language and c.text}
    for text in sorted(texts)[:12]:
        voice = f"{voice_for(language)}+f3"
        assert spoken_seconds(text, language) == pytest.approx(say(text, voice).duration, rel=0.2)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("It cost 1,250 dollars in 1998.", "en"),
        ("No.", "en"),
        ("きょうはとてもいいてんきですね", "ja"),
        ("Сегодня очень хорошая погода.", "ru"),
        ("오늘 날씨가 아주 좋네요.", "ko"),
        ("आज मौसम बहुत अच्छा है।", "hi"),
    ],
)
def test_estimated_duration_elsewhere(text: str, language: str) -> None:
    spoken = say(text, str(voice_for(language))).duration
    assert 0.6 < spoken_seconds(text, language) / spoken < 1.6


def test_emotions_differ_as_the_profile_says() -> None:
    """Closed loop: the prosody that was asked for is in the sound."""
    generator = Espeak(strength=(1.0, 1.0), variation=0.0)
    texts = {"de": "Heute abend könnte ich es ihm sagen.", "en": "Dogs are sitting by the door."}

    def shaped(emotion: str) -> np.ndarray:
        rows = []
        for language, text in texts.items():
            line = replace(
                CLIP,
                path="",
                label=Label.of(emotion, BASIC4),
                text=text,
                language=language,
                speaker=f"{language}+m3",
            )
            found = measure(generator.apply(line, generator.plan(line, rng_for(language))))
            rows.append([found.f0_level, found.energy, np.log(found.rate)])
        return np.mean(rows, axis=0)

    neutral = shaped("neutral")
    from emoforge.synthesis.prosody import load_profile

    for emotion in ("angry", "happy", "sad"):
        asked = load_profile().shift("neutral", emotion)
        f0, energy, rate = shaped(emotion) - neutral
        assert f0 == pytest.approx(asked["f0_level"], abs=1.0)
        assert energy == pytest.approx(asked["energy"], abs=1.5)
        assert rate == pytest.approx(asked["rate"], abs=0.2)


@pytest.mark.parametrize(
    "options", [{"emotion": "loud"}, {"strength": (2, 1)}, {"strength": (1,)}, {"variation": -1}]
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        create("generator", "espeak", options)
