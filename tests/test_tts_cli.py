"""`emoforge tts`, from the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from emoforge.audio import Audio, probe, read, write_flac
from emoforge.augment import TtsSettings, list_voices, speak_text
from emoforge.cli import app
from emoforge.errors import AudioError, ConfigError, EmoforgeError
from emoforge.label import BASIC4, WIDE8

JAPANESE = "今日は三時に会います。"


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["tts", *map(str, arguments)])
    if isinstance(done.exception, EmoforgeError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def spoken(*arguments: object) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(run("say", *arguments, "--json"))
    return said


def test_say_writes_and_says_target_and_achieved(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.wav"
    model = f"model={shared / 'weights' / 'hts_voices'}"
    arguments = ("--engine", "hts", "--emotion", "sad", "--voice", "mei", "--out", out, model)
    said = spoken(JAPANESE, *arguments)
    assert said["language"] == "ja"
    assert (said["voice"], said["licence"]) == ("mei", "CC-BY-3.0")
    assert said["target"] == "sad"
    assert said["achieved"] == max(said["heard"], key=said["heard"].__getitem__)
    assert sum(said["heard"].values()) == pytest.approx(1, abs=0.01)
    assert tuple(said["heard"]) == BASIC4.classes
    assert said["speed"] > 0
    assert probe(out).duration == pytest.approx(said["seconds"], abs=0.01)
    text = run("say", JAPANESE, *arguments)
    assert f"target: sad (p {said['heard']['sad']:.2f})" in text
    assert f"achieved: {said['achieved']} (p " in text
    assert "voice mei" in text
    assert "CC-BY-3.0" in text


def test_the_same_seed_says_the_same(tmp_path: Path) -> None:
    def heard(name: str, seed: int) -> bytes:
        speak_text(
            "Hello.", tmp_path / name, engine="espeak", emotion="calm", language="en", seed=seed
        )
        return read(tmp_path / name).samples.tobytes()

    first = heard("a.flac", 1)
    assert first == heard("b.wav", 1)
    assert first != heard("c.flac", 2)


def test_an_emotion_beyond_the_narrow_scheme_is_judged_in_the_wide_one(tmp_path: Path) -> None:
    out = tmp_path / "x.flac"
    said = speak_text("Hello.", out, engine="espeak", emotion="fear", language="en")
    assert (said.target, said.scheme) == ("fearful", "wide8")
    assert tuple(said.heard) == WIDE8.classes
    settings = TtsSettings({"espeak": {"variation": 0.0}})
    strong = speak_text(
        "Hello.", out, settings, engine="espeak", emotion="fear", language="en", strength=1.2
    )
    assert strong.params["strength"] == 1.2
    assert strong.params["controls"] != said.params["controls"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--emotion", "sad"), "no engine is named: known: .*espeak, .*hts"),
        (("--engine", "espaek", "--emotion", "sad"), "'espaek' is unknown: did you mean 'espeak'"),
        (("--engine", "codec", "--emotion", "sad"), "'codec' is no text-to-speech engine: known"),
        (("--engine", "espeak"), "no emotion is named: known: angry"),
        (("--engine", "espeak", "--emotion", "sda"), "'sda': did you mean 'sad'"),
        (("--engine", "espeak", "--emotion", "sad"), "several languages, name one of them: af"),
        (
            ("--engine", "espeak", "--emotion", "sad", "--language", "xx"),
            "espeak does not speak 'xx': known: af",
        ),
        (
            ("--engine", "espeak", "--emotion", "sad", "--language", "en", "--voice", "en+f33"),
            r"no voice 'en\+f33': did you mean 'en\+f3'",
        ),
        (
            ("--engine", "espeak", "--emotion", "other", "--language", "en"),
            "has no 'other': known: angry",
        ),
        (("--engine", "espeak", "--emotion", "sad", "loud"), "'loud' is not a setting"),
        (("--engine", "espeak", "--emotion", "sad", "lod=1"), "no setting .*lod'.* known: emotion"),
        (("--engine", "espeak", "--emotion", "sad", "--strength", "-1"), "strength is a range"),
        (("--engine", "hts", "--emotion", "sad"), "hts has no voices: take Mei"),
        (
            ("--engine", "espeak", "--emotion", "sad", "--language", "en", "--reference", "x.wav"),
            "voices of its own and takes no recordings",
        ),
    ],
)
def test_one_sentence_says_what_is_wrong(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(EmoforgeError, match=sentence):
        run("say", "Hello.", *arguments, "--out", tmp_path / "x.flac")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no text"),
        ("😀", "neither letters nor digits"),
        ("<b>hi</b>", "mark-up"),
        ("a" * 10_000, "10000 characters is longer"),
    ],
)
def test_texts_that_cannot_be_said(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"this cannot be said: .*{sentence}"):
        speak_text(text, tmp_path / "x.wav", engine="espeak", emotion="sad", language="en")


def test_the_strength_of_the_settings_holds_unless_another_is_given(tmp_path: Path) -> None:
    out = tmp_path / "x.wav"
    common = ("Hello.", "--engine", "espeak", "--language", "en", "--emotion", "sad", "--out", out)
    assert spoken(*common, "strength=[0.5,0.5]")["params"]["strength"] == 0.5
    assert spoken(*common, "strength=[0.5,0.5]", "--strength", "2")["params"]["strength"] == 2
    with pytest.raises(ConfigError, match="within 0 to 3"):
        spoken(*common, "--strength", "9")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a name in \.flac or \.wav is needed"):
        speak_text("Hi.", tmp_path / "x.mp3", engine="espeak", emotion="sad", language="en")
    for name in ("x.wav", "x.flac"):
        out = tmp_path / "no" / name
        with pytest.raises(AudioError, match="cannot be written"):
            speak_text("Hi.", out, engine="espeak", emotion="sad", language="en")


def test_an_engine_that_clones_is_given_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emoforge.synthesis.tts.espeak import Espeak

    monkeypatch.setattr(Espeak, "clones", True)
    blink = tmp_path / "blink.flac"
    write_flac(blink, Audio(np.zeros(4800, np.float32), 16000))

    def clone(**options: Any) -> None:
        out = tmp_path / "x.wav"
        speak_text("Hi.", out, engine="espeak", emotion="sad", language="en", **options)

    with pytest.raises(ConfigError, match="clones a voice: give recordings"):
        clone()
    with pytest.raises(ConfigError, match="no voices of its own: give recordings of 'ann'"):
        clone(voice="ann", references=[blink])
    with pytest.raises(ConfigError, match=r"blink\.flac is 0\.30 s long, 1 s are needed"):
        clone(references=[blink])
    with pytest.raises(AudioError, match=r"nowhere\.wav: No such file"):
        clone(references=[tmp_path / "nowhere.wav"])


def test_voices_of_one_engine(shared: Path) -> None:
    model = f"model={shared / 'weights' / 'hts_voices'}"
    offer = json.loads(run("voices", "hts", model, "--json"))["engines"][0]
    assert offer["language"] == "ja"
    assert [voice["name"] for voice in offer["voices"]] == [
        "mei", "nitech_jp_atr503_m001", "takumi", "tohoku-f01",
    ]  # fmt: skip
    text = run("voices", "hts", model)
    assert "takumi" in text
    assert "CC-BY-4.0" in text
    offer = json.loads(run("voices", "espeak", "--language", "de", "--json"))["engines"][0]
    assert {"name": "de+f3", "gender": "female", "emotions": [], "licence": ""} in offer["voices"]
    offer = json.loads(run("voices", "espeak", "--json"))["engines"][0]
    assert len(offer["languages"]) > 140
    assert offer["voices"] == []


def test_voices_of_all_engines() -> None:
    engines = json.loads(run("voices", "--json"))["engines"]
    everything = {offer["engine"]: offer for offer in engines}
    assert everything["hts"]["missing"].startswith("hts has no voices")
    assert everything["hts"]["voices"] == []
    assert not everything["espeak"]["missing"]
    assert "codec" not in everything


def test_voices_of_a_language() -> None:
    shown = run("voices", "--language", "pl").replace("\n", " ")
    assert "not ready: hts has no voices" in shown
    assert "pl+f3" in shown
    with pytest.raises(ConfigError, match="espeak does not speak 'xx': known: af"):
        list_voices(engine="espeak", language="xx")
