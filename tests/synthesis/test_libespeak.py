"""espeak-ng in process: the same samples every time, in any order, thread and process."""

import hashlib
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from emoforge.errors import AudioError
from emoforge.synthesis.tts.libespeak import data_problem, say, voice_for, voices

TEXTS = {
    "en-US": "Kids are talking by the door.",
    "de": "Der Lappen liegt auf dem Eisschrank.",
    "pl": "Człowiek zaczyna umierać już w momencie narodzin.",
    "ja": "こんにちは、おげんきですか",
}
SPOKEN = [
    (text, f"{voice}+{variant}") for voice, text in TEXTS.items() for variant in ("f2", "m3", "m7")
]


def fingerprint(spoken: tuple[str, str]) -> str:
    return hashlib.sha256(say(*spoken).samples.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def fingerprints() -> dict[tuple[str, str], str]:
    return {spoken: fingerprint(spoken) for spoken in SPOKEN}


def test_any_order_gives_the_same_samples(fingerprints: dict[tuple[str, str], str]) -> None:
    shuffled = SPOKEN * 2
    random.Random(0).shuffle(shuffled)
    assert all(fingerprint(spoken) == fingerprints[spoken] for spoken in shuffled)


def test_threads_give_the_same_samples(fingerprints: dict[tuple[str, str], str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fingerprint, SPOKEN)) == [fingerprints[s] for s in SPOKEN]


def test_another_process_gives_the_same_samples(fingerprints: dict[tuple[str, str], str]) -> None:
    program = (
        "import hashlib, sys; from emoforge.synthesis.tts.libespeak import say\n"
        "print(hashlib.sha256(say(*sys.argv[1:]).samples.tobytes()).hexdigest())"
    )
    for spoken in SPOKEN[::5]:
        done = subprocess.run(
            [sys.executable, "-c", program, *spoken], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == fingerprints[spoken]


def test_every_language_sounds_different() -> None:
    lengths = {voice: say(TEXTS["de"], voice).duration for voice in ("en-US", "de", "pl")}
    assert len(set(lengths.values())) == 3
    for voice, text in TEXTS.items():
        spoken = say(text, voice)
        assert spoken.rate == 22050
        assert 1 < spoken.duration < 5
        assert np.abs(spoken.samples).max() > 0.05


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        # 0x01 begins a command of espeak-ng's own, 0x00 would end the text.
        ("one\x01 99P two", "one  99P two"),
        ("one\x00 two", "one  two"),
        ("one\ntwo", "one two"),
        ("one\ud800two", "one two"),
    ],
)
def test_control_characters_are_no_commands(text: str, same_as: str) -> None:
    np.testing.assert_array_equal(say(text, "en").samples, say(same_as, "en").samples)


def test_markup_is_read_out_as_text() -> None:
    assert say('<break time="5s"/> hi', "en").duration > 1.5
    assert say("[[h@l@U]]", "en").duration != say("hello", "en").duration


@pytest.mark.parametrize("text", ["", " ", "\x02"])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(AudioError, match="nothing"):
        say(text, "en")


def test_unknown_voice() -> None:
    with pytest.raises(AudioError, match="no voice 'zz\\+f1'"):
        say("hi", "zz+f1")


@pytest.mark.parametrize(
    ("tag", "voice"),
    [
        ("en", "en"),
        ("en-US", "en-US"),
        ("en_US", "en-US"),
        ("en-NZ", "en"),
        ("de-DE", "de"),
        ("pl", "pl"),
        ("ja-JP", "ja"),
        ("zh-Hans-CN", "cmn"),
        ("fr", "fr"),
        ("no", "nb"),
        ("xx", None),
        ("", None),
    ],
)
def test_voice_of_a_language_tag(tag: str, voice: str | None) -> None:
    assert voice_for(tag) == voice


def test_every_listed_voice_speaks() -> None:
    for voice in sorted(set(voices().values()))[::6]:
        assert say("1 2 3", voice).duration > 0.1, voice


def test_data_is_usable_here() -> None:
    assert data_problem() is None
