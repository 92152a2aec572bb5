"""What gates know of texts: repeats, edits, words and how long a text takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.selection.gates.text import edits, longest_repeat, speech_seconds, words
from emoforge.selection.gates.wer import error_rate

few = st.text("abc", max_size=8)
spoken = st.lists(st.sampled_from(["one", "two", "three"]), max_size=6)


@given(few, few, few)
def test_edits_are_a_distance(a: str, b: str, c: str) -> None:
    assert edits(a, a) == 0
    assert edits(a, b) == edits(b, a)
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
    assert abs(len(a) - len(b)) <= edits(a, b) <= max(len(a), len(b))


@given(few, few, st.sampled_from("abc"), st.integers(0, 8))
def test_an_edit_more_counts_one(a: str, b: str, letter: str, place: int) -> None:
    assert edits(a, a[:place] + letter + a[place:]) == 1
    assert abs(edits(a, b) - edits(a + letter, b)) <= 1


@given(st.text("ab", max_size=12))
def test_the_longest_repeat_is_the_longest(text: str) -> None:
    places = range(len(text) + 1)
    found = [
        end - start for start in places for end in places[start:] if text[start:end] in text[end:]
    ]
    assert longest_repeat(text) == max(found)


@given(spoken.filter(bool), spoken)
def test_the_error_rate_ignores_case_and_punctuation(text: list[str], heard: list[str]) -> None:
    plain = error_rate(" ".join(text), " ".join(heard), "en")
    assert plain == edits(text, heard) / len(text)
    assert error_rate(", ".join(text).upper() + "!", " — ".join(heard), "en") == plain
    assert error_rate(" ".join(text), " ".join(text), "de") == 0
    assert error_rate(" ".join(text), "", "en") == 1


def test_characters_count_where_words_are_not_spaced() -> None:
    assert error_rate("今日は、いい天気。", "今日はいい元気", "ja") == pytest.approx(1 / 7)
    assert error_rate("今日は いい", "今日はいい", "zh") == 0
    assert error_rate("today is", "todayis", "en") == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don’t—stop, 'please'!", ["don't", "stop", "please"]),
        ("ＡＢＣ über_alles", ["abc", "über", "alles"]),
        ("…!?", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


@given(st.text("abcäżя ,.", max_size=20), st.sampled_from(["en", "de-AT", "pl", "es", None]))
def test_more_letters_take_longer(text: str, language: str | None) -> None:
    longer = speech_seconds(text + "a", language)
    assert longer is not None
    assert longer > (speech_seconds(text, language) or 0.2)
    assert speech_seconds(text + "!", language) == speech_seconds(text, language)


def test_how_long_texts_take() -> None:
    said = {
        one: speech_seconds(one, "ja") or 0 for one in ("か", "きゃ", "かあ", "がっこう", "学", "7")
    }
    assert said["か"] == pytest.approx(0.2 + 0.11)
    assert said["か"] == said["きゃ"] < said["かあ"] < said["がっこう"]
    assert said["か"] < said["学"] < said["7"]
    assert speech_seconds("人々", "ja") == speech_seconds("人人", "ja")
    assert speech_seconds("ｶﾅ", "ja") == speech_seconds("カナ", "ja")
    assert speech_seconds("7", "en") == pytest.approx(0.2 + 5 * 0.064)
    for text, language in (("", "en"), ("…", "en"), ("안녕", "ko"), ("你好", "zh"), ("שלום", "he")):
        assert speech_seconds(text, language) is None
