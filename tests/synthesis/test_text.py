"""Texts as engines can read them."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emoforge.errors import SkipClip
from emoforge.synthesis.tts.text import LONGEST_TEXT, speakable, spoken_seconds


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Good morning 😀!", "Good morning !"),
        ("so 👨‍👩‍👧 many", "so many"),
        ("1️⃣ first", "1 first"),
        ("a\tb\r\nc\x00d\x1be", "a b c d e"),
        ("soft\u00adhyphen \u202eright", "softhyphen right"),
        ("20 °C, 5 €, 3 + 4 = 7 & 50 %", "20 °C, 5 €, 3 + 4 = 7 & 50 %"),
        ("1 < 2 and 3 > 2, a<3", "1 < 2 and 3 > 2, a<3"),
        ("cafe\u0301", "café"),
        ("5 ㎞ → 3 №", "5 ㎞ → 3 №"),
        ("go⏩there", "go there"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian: the joiner parts letters of a word
        ("क्\u200dष \u200d", "क्\u200dष"),
        ("漢字とかな、3時。", "漢字とかな、3時。"),
    ],
)
def test_what_is_read(text: str, plain: str) -> None:
    assert speakable(text, "") == plain


@pytest.mark.parametrize(
    ("text", "language", "good"),
    [
        ("Hello world.", "ja", False),
        ("漢字", "en", False),
        ("Привет, как дела?", "en-US", False),
        ("TシャツをLサイズで買った。", "ja", True),
        ("Ça va, Zoë?", "fr", True),
        ("Привет, Anna!", "ru", True),
        ("3 + 4", "ja", True),
        ("ⵣⵣⵣ", "zgh", True),
    ],
)
def test_a_text_is_in_the_letters_of_its_language(text: str, language: str, good: bool) -> None:
    if good:
        assert speakable(text, language) == text
    else:
        with pytest.raises(SkipClip, match=f"is not in the letters of '{language}'"):
            speakable(text, language)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "has no text"),
        ("", "has no text"),
        (" \n\t\u3000", "has no text"),
        ("😀😀", "neither letters nor digits"),
        ("… !?", "neither letters nor digits"),
        ("<speak>hello</speak>", r"mark-up \(<speak>\)"),
        ("hi <break time='5s'/>", "mark-up"),
        ("hi <!-- note -->", "mark-up"),
        ('<?xml version="1.0"?> hi', "mark-up"),
        ("Tom &amp; Anna", r"mark-up \(&amp;\)"),
        ("it&#39;s", "mark-up"),
        ("<\u00adb>hidden</\u00adb>", "mark-up"),
        ("a" * 10_000, "10000 characters is longer than 1000"),
    ],
)
def test_what_is_not(text: str | None, reason: str) -> None:
    with pytest.raises(SkipClip, match=reason):
        speakable(text, "en")


@given(st.text(max_size=60))
@example("<\u200db>x")
@example("\u1100\u200d\u1161")
@example("a\u200d\u200db")
def test_what_remains_is_clean_and_stays(text: str) -> None:
    try:
        plain = speakable(text, "en")
    except SkipClip:
        return
    assert speakable(plain, "en") == plain
    assert plain == " ".join(plain.split()) == unicodedata.normalize("NFC", plain)
    assert any(c.isalnum() for c in plain)
    assert not {unicodedata.category(c) for c in plain} & {"Cc", "Cs", "Co", "Cn"}


@given(st.text(st.characters(categories=["L", "Nd", "Zs", "Po"]), max_size=LONGEST_TEXT))
def test_letters_digits_and_signs_stay(text: str) -> None:
    try:
        plain = speakable(text, "en")
    except SkipClip:
        return
    given = unicodedata.normalize("NFC", " ".join(text.split()))
    assert plain == given


@given(st.text(max_size=50), st.sampled_from(["en", "ja", "xx", "zh-Hans"]))
def test_more_text_takes_longer(text: str, language: str) -> None:
    assert 0 < spoken_seconds(text, language) <= spoken_seconds(f"{text}漢a1", language)
