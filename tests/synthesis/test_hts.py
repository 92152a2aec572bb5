"""The engine `hts` with real voices, what reads for it, and the mixing of voices."""

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from emoforge.audio import speech_level
from emoforge.clip import Clip
from emoforge.component import create, rng_for
from emoforge.errors import AudioError, ConfigError, RequirementError, SkipClip
from emoforge.label import BASIC4, WIDE8, Label
from emoforge.selection import Judge
from emoforge.synthesis.tts.hts import Hts, find_speakers
from emoforge.synthesis.tts.libhts import say
from emoforge.synthesis.tts.openjtalk import UnreadableError, kana, labels

TEXT = "今日は駅前の店で魚を買いました。"
LINE = Clip(
    id="line",
    path="",
    duration=0,
    rate=48000,
    label=Label.of("sad", BASIC4),
    speaker="mei",
    corpus="",
    text=TEXT,
    language="ja",
)


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "weights" / "hts_voices"


@pytest.fixture(scope="module")
def hts(folder: Path) -> Hts:
    engine = cast(Hts, create("generator", "hts", {"model": str(folder)}))
    engine.setup()
    return engine


def test_voices_their_emotions_and_terms(hts: Hts) -> None:
    found = {v.name: (v.gender, v.emotions, v.licence) for v in hts.voices("ja-JP")}
    four = ("angry", "happy", "neutral", "sad")
    assert found == {
        "mei": ("female", four, "CC-BY-3.0"),  # bashful has no name in any scheme
        "nitech_jp_atr503_m001": ("male", ("neutral",), "CC-BY-3.0"),
        "takumi": ("male", four, "CC-BY-3.0"),
        "tohoku-f01": ("female", four, "CC-BY-4.0"),
    }
    assert not hts.voices("de")
    assert list(hts.languages) == ["ja"]


def test_an_own_folder_of_voices(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "deep" / "er"
    own.mkdir(parents=True)
    for name in ("anna_Anger", "anna_normal", "anna_shy", "b-m02"):
        (own / f"{name}.htsvoice").write_bytes(name.encode())
    found = find_speakers(tmp_path)
    assert {name: (set(one.files), one.voice.gender) for name, one in found.items()} == {
        "anna": ({"angry", "neutral"}, None),
        "b-m02": ({"neutral"}, "male"),
    }
    assert {one.voice.licence for one in found.values()} == {"unstated"}
    (own / "COPYRIGHT.txt").write_text("under the Creative Commons Attribution-NonCommercial 4.0")
    assert find_speakers(tmp_path)["anna"].voice.licence == "unstated"
    both = "Creative Commons Attribution 3.0 engine; the voice for non-commercial research only"
    (own / "COPYRIGHT.txt").write_text(both)
    assert find_speakers(tmp_path)["anna"].voice.licence == "unstated"
    (own / "LICENSE").write_text("# the Creative Commons\n#  Attribution 4.0 license")
    assert find_speakers(tmp_path)["anna"].voice.licence == "CC-BY-4.0"
    (own / "anna_angry.htsvoice").touch()
    with pytest.raises(ConfigError, match="two voices of anna, angry"):
        find_speakers(tmp_path)


def test_weights_are_the_files(folder: Path, tmp_path: Path, hts: Hts) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert Hts(model=str(copy)).weights == hts.weights
    assert Hts(model=str(copy)).signature() == hts.signature()
    with (copy / "mei_v1.5" / "mei_sad.htsvoice").open("ab") as file:
        file.write(b"\0")
    assert Hts(model=str(copy)).weights != hts.weights


def test_missing_voices(tmp_path: Path) -> None:
    for engine, sentence in (
        (Hts(), "hts has no voices: take Mei .* set generators.hts.model=DIR"),
        (Hts(model=str(tmp_path)), "no \\*.htsvoice in this folder"),
    ):
        with pytest.raises(RequirementError, match=sentence):
            engine.check_requirements()
        with pytest.raises(RequirementError, match=sentence):
            _ = engine.weights


def test_damaged_voice_fails_alone(folder: Path, tmp_path: Path) -> None:
    for name in ("mei_sad", "mei_normal"):
        shutil.copy(folder / "mei_v1.5" / f"{name}.htsvoice", tmp_path)
    (tmp_path / "other_normal.htsvoice").write_bytes(b"[GLOBAL]\n")
    engine = Hts(model=str(tmp_path))
    lines = [LINE, replace(LINE, speaker="other", label=Label.of("neutral", BASIC4))]
    outcomes = engine.apply_batch(lines, [engine.plan(line, rng_for(1)) for line in lines])
    assert [outcome.status for outcome in outcomes] == ["ok", "failed"]
    assert "other_normal.htsvoice: HTS Engine cannot load" in outcomes[1].detail


def test_same_plan_same_samples_in_any_batch(hts: Hts) -> None:
    lines = [
        replace(LINE, speaker=voice.name, label=Label.of(emotion, BASIC4), text="はい、どうぞ。")
        for voice in hts.voices("ja")
        for emotion in voice.emotions[:2]
    ]
    params = [json.loads(json.dumps(hts.plan(line, rng_for(i)))) for i, line in enumerate(lines)]
    together = hts.apply_batch(lines, params)
    alone = [hts.apply(*task) for task in list(zip(lines, params, strict=True))[::-1]][::-1]
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(hts.apply, lines, params))
    for outcome, first, second in zip(together, alone, threads, strict=True):
        assert outcome.audio is not None
        np.testing.assert_array_equal(outcome.audio.samples, first.samples)
        np.testing.assert_array_equal(outcome.audio.samples, second.samples)


def test_promise(hts: Hts) -> None:
    for voice in hts.voices("ja"):
        line = replace(LINE, speaker=voice.name, label=Label.of(voice.emotions[-1], WIDE8))
        params = hts.plan(line, rng_for(3))
        promise, made = hts.promise(line, params), hts.apply(line, params)
        assert (promise.speaker, promise.gender) == (f"hts:{voice.name}", voice.gender)
        assert promise.label == line.label
        assert 0.7 < made.duration / promise.duration < 1.4
        assert np.abs(made.samples).max() <= 1
        assert hts.licence(params) == voice.licence


def test_a_corpus_clip_gets_a_voice_of_its_gender_that_has_its_emotion(hts: Hts) -> None:
    clip = replace(LINE, path="/nowhere.flac", speaker="someone", gender="male")
    assert {hts.plan(clip, rng_for(i))["voice"] for i in range(10)} == {"takumi"}
    clip = replace(clip, gender=None)
    assert len({hts.plan(clip, rng_for(i))["voice"] for i in range(30)}) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"language": "de"}, "hts does not speak 'de'"),
        ({"speaker": "takumy"}, "no voice 'takumy': did you mean 'takumi'"),
        ({"label": Label.of("fearful", WIDE8)}, "no 'fearful': known: angry, happy, neutral, sad"),
        ({"text": "😀"}, "neither letters nor digits"),
    ],
)
def test_lines_that_it_cannot_serve(hts: Hts, change: dict[str, object], reason: str) -> None:
    with pytest.raises(SkipClip, match=reason):
        hts.plan(replace(LINE, **change), rng_for(1))  # type: ignore[arg-type]


def test_unreadable_text_fails_alone(hts: Hts) -> None:
    params = hts.plan(LINE, rng_for(1))
    outcomes = hts.apply_batch([LINE] * 3, [params, {**params, "text": "안녕"}, params])
    assert [outcome.status for outcome in outcomes] == ["ok", "failed", "ok"]
    assert outcomes[1].detail == "Open JTalk cannot read '안녕'"


def test_strength_beyond_the_recording_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"strength lies in \[0, 1\]"):
        Hts(strength=(0.5, 1.2))


def test_strength_needs_a_neutral_voice(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "mei_v1.5" / "mei_sad.htsvoice", tmp_path)
    with pytest.raises(SkipClip, match="no neutral to mix with"):
        Hts(model=str(tmp_path)).plan(LINE, rng_for(1))
    engine = Hts(model=str(tmp_path), strength=(1, 1))
    full = Hts(model=str(folder), strength=(1, 1))
    params = engine.plan(LINE, rng_for(1))
    np.testing.assert_array_equal(
        engine.apply(LINE, params).samples, full.apply(LINE, params).samples
    )


def test_mixing_goes_from_one_voice_to_the_other(hts: Hts) -> None:
    files = hts.speakers["mei"].files
    pair = [files["neutral"], files["sad"]]
    read = labels(TEXT)
    neutral, sad = (say(read, [file], [1]) for file in pair)
    for weights, expected in (((1, 0), neutral), ((0, 1), sad), ((0, 3), sad)):
        np.testing.assert_array_equal(say(read, pair, weights).samples, expected.samples)
    half = say(read, pair, (0.5, 0.5))
    low, high = sorted((neutral.duration, sad.duration))
    assert low < half.duration < high
    with pytest.raises(ValueError, match="weights"):
        say(read, pair, (-0.5, 1.5))


def test_strength_is_heard(hts: Hts) -> None:
    """The judge's probability of sadness grows with the strength (mean of two sentences)."""
    judge = cast(Judge, create("judge", "embedded"))
    judge.setup()
    sad = BASIC4.index("sad")
    texts = (TEXT, "弟は川の近くに住んでいます。")

    def heard(strength: float) -> float:
        engine = replace(hts, strength=(strength, strength))
        lines = [replace(LINE, text=text, rate=16000) for text in texts]
        made = [engine.apply(line, engine.plan(line, rng_for(0))).samples for line in lines]
        scores = [s for s in judge.score(made) if not isinstance(s, AudioError)]
        return float(np.mean([s.distributions["basic4"][sad] for s in scores]))

    weak, half, full = (heard(strength) for strength in (0, 0.5, 1))
    assert weak + 0.1 < half < full - 0.1


def test_every_voice_speaks_in_every_emotion(hts: Hts) -> None:
    read = labels("はい。")
    for speaker in hts.speakers.values():
        for file in speaker.files.values():
            made = say(read, [file], [1])
            level, active = speech_level(made)
            assert made.rate == 48000
            assert 0.3 < made.duration < 2
            assert level > -40
            assert active > 0.2


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("今日は、3時。", "キョーワ、サンジ。"),
        ("2023年11月3日", "ニセンニジューサンネンジューイチガツミッカ"),
        ("①㌔ﾊﾝ", "イチキロハン"),
        ("3.5kgで100%です！", "サンテンゴキログラムデヒャクパーセントデス！"),
        ("髙橋さん、ABC", "タカハシサン、エイビーシー"),
    ],
)
def test_kana(text: str, read: str) -> None:
    assert kana(text) == read


@pytest.mark.parametrize("text", ["안녕、こんにちは", "Привет", "…！？", "ー"])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(UnreadableError, match="Open JTalk"):
        labels(text)


def test_reading_is_safe_in_threads() -> None:
    texts: Sequence[str] = (TEXT, "弟は川の近くに住んでいます。", "店は九時に開きます。") * 4
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(labels, texts)) == [labels(text) for text in texts]
