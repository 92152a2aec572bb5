"""The sentences that are shipped, by machine; and texts from a user's file."""

import json
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.errors import ConfigError, CorpusError
from emoforge.label import WIDE8
from emoforge.synthesis.sentences import Text, languages, read_texts, sentences
from emoforge.synthesis.tts import libespeak, openjtalk
from emoforge.synthesis.tts.text import speakable

LETTERS = {
    "de": "a-zäöüß",
    "en": "a-z",
    "es": "a-záéíóúüñ",
    "pl": "a-ząćęłńóśźż",
    "ja": "\u3041-\u309f\u30a0-\u30ff\u4e00-\u9fff々",
}
SIGNS = {"ja": "、。！？", "es": ",.!?¡¿", "en": ",.!?'", "de": ",.!?", "pl": ",.!?"}

# The phonemes of each language as espeak-ng writes them; for Japanese as Open JTalk does.
PHONEMES = {
    "en": "p b t d k ɡ tʃ dʒ f v θ ð s z ʃ ʒ h m n ŋ l ɹ j w iː ɪ ɛ æ ɑː ɔː ʊ uː ʌ ɜː ə eɪ aɪ ɔɪ "
    "aʊ oʊ ɪɹ ɛɹ ʊɹ",
    "de": "p b t d k ɡ pf ts f v s z ʃ ʒ ç x h m n ŋ l r j iː ɪ eː ɛ ɛː a ɑː oː ɔ uː ʊ yː ʏ øː œ "
    "ə ɜ aɪ aʊ ɔø",
    "pl": "p b t d k ɡ f v s z ʃ ʒ ɕ ʑ x ts tʃ dʒ tɕ dʑ m n ɲ ŋ l r w j i ɨ ɛ a ɔ u ɔ̃",
    "es": "p b t d k ɡ β ð ɣ tʃ f θ s x m n ɲ ŋ l ʎ ʝ ɾ r j w a e i o u aɪ aʊ oɪ eʊ",
    "ja": "p b t d k g ts ch s z sh j f h m n N r y w cl a i u e o ky gy hy ny py ry",
}
SPELL = """
import ctypes, json, sys, espeakng_loader
library = ctypes.CDLL(espeakng_loader.get_library_path())
library.espeak_Initialize(2, 0, str(espeakng_loader.get_data_path()).encode(), 0)
library.espeak_TextToPhonemes.restype = ctypes.c_char_p
found = {}
for language, texts in json.load(sys.stdin).items():
    assert library.espeak_SetVoiceByName(language.encode()) == 0
    parts = []
    for text in texts:
        rest = ctypes.c_char_p(text.encode())
        while rest.value is not None:
            ipa, blanks = 2, ord(" ") << 8
            said = library.espeak_TextToPhonemes(ctypes.byref(rest), 1, ipa | blanks)
            parts += said.decode().replace("ˈ", "").replace("ˌ", "").split()
    found[language] = sorted({*parts})
print(json.dumps(found))
"""


def everything(language: str) -> list[str]:
    found = sentences(language)
    return [*found.neutral, *(one for those in found.congruent.values() for one in those)]


def test_there_are_enough_for_every_language_and_emotion():
    assert languages() == ("de", "en", "es", "ja", "pl")
    for language in languages():
        found = sentences(language)
        assert found.language == language
        assert len(found.neutral) >= 60
        assert {*found.congruent} == {*WIDE8.classes}
        assert min(map(len, found.congruent.values())) >= 15


def test_a_language_may_have_a_region_and_an_unknown_one_has_a_neighbour():
    assert sentences("en-US") is not None
    assert sentences("en-GB").neutral == sentences("en").neutral
    with pytest.raises(ConfigError, match="no sentences in 'dee': did you mean 'de'"):
        sentences("dee")


@pytest.mark.parametrize("language", languages())
def test_every_sentence_is_one_of_its_language(language):
    texts = everything(language)
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    allowed = re.compile(rf"[{LETTERS[language]} {re.escape(SIGNS[language])}]+", re.IGNORECASE)
    for text in texts:
        assert allowed.fullmatch(text), text  # digits and other scripts are neither
        assert speakable(text, language) == text
        assert text[-1] in ".!?。！？"
        if language == "ja":
            assert 10 <= len(text) <= 26, text
        else:
            assert 4 <= len(text.split()) <= 14, text
            assert text.lstrip("¡¿")[0].isupper()
        assert text.count("¡") == text.count("!") or language != "es", text
        assert text.count("¿") == text.count("?") or language != "es", text


def test_no_word_tells_the_speaker_from_a_woman_or_a_man_in_polish():
    """Past forms of the first and second person, and what agrees with the speaker."""
    told = re.compile(r"\w(ł[ea][mś]|[iy]śmy|[iy]ście|[łl][aiy]?by[mś])\b|\b(sam|sama|pewna)\b")
    for word in ("byłem", "byłaś", "byliśmy", "byłyście", "chciałabym"):
        assert told.search(word)
    assert [text for text in everything("pl") if told.search(text)] == []


@pytest.mark.filterwarnings("ignore:Dictionary.create:DeprecationWarning")
def test_neutral_sentences_hold_every_phoneme_of_their_language():
    spoken = {one: sentences(one).neutral for one in languages() if one != "ja"}
    spoken["en-us"] = spoken.pop("en")
    done = subprocess.run(
        [sys.executable, "-c", SPELL],
        input=json.dumps(spoken),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    found["en"] = found.pop("en-us")
    # A full-context label has its phone between `-` and `+`.
    labels = [label for text in sentences("ja").neutral for label in openjtalk.labels(text)]
    found["ja"] = {label.partition("-")[2].partition("+")[0] for label in labels}
    for language, phonemes in PHONEMES.items():
        assert {*phonemes.split()} - {*found[language]} == set(), language


@pytest.mark.filterwarnings("ignore:Dictionary.create:DeprecationWarning")
@pytest.mark.parametrize("language", languages())
def test_engines_can_read_them(language):
    if language == "ja":
        pytest.importorskip("pyopenjtalk")
        for text in everything("ja"):
            assert len(openjtalk.labels(text)) > 12
    else:
        for text in everything(language)[::4]:
            assert 0.7 < libespeak.say(text, language).duration < 7


def test_texts_of_tables(tmp_path):
    rows = [("Hallo, du!", "de", "Anger"), ("Cześć", "pl", ""), ('He said "no"', "en-US", "happy")]
    wanted = [
        Text("Hallo, du!", "de", "angry"),
        Text("Cześć", "pl", None),
        Text('He said "no"', "en-US", "happy"),
    ]
    for suffix, tab in ((".csv", ","), (".tsv", "\t")):
        quoted = [tab.join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in r) for r in rows]
        path = tmp_path / f"texts{suffix}"
        lines = [tab.join(("Text", "language", "emotion")), *quoted]
        path.write_text("\ufeff" + "\r\n".join(lines), "utf-8")
        assert read_texts(path) == (wanted, [])
    path = tmp_path / "texts.jsonl"
    objects = [dict(zip(("text", "language", "emotion"), row, strict=True)) for row in rows]
    objects[1]["emotion"] = None
    path.write_text("\n\n".join(map(json.dumps, objects)), "utf-8")
    assert read_texts(path) == (wanted, [])


def test_bad_rows_are_listed_and_the_rest_goes_on(tmp_path):
    table = tmp_path / "texts.csv"
    table.write_text(
        "text,language,emotion\nGood,en,\nGrim,en,grimm\n,en,sad\nNo language,,\nx,Deutsch!,\n"
        "a,b\nFine,en,sad\n",
        "utf-8",
    )
    texts, problems = read_texts(table)
    assert texts == [Text("Good", "en"), Text("Fine", "en", "sad")]
    assert [where.rpartition(":")[2] for where, _ in problems] == ["3", "4", "5", "6", "7"]
    sentences_of = [sentence for _, sentence in problems]
    assert "unknown emotion 'grimm'" in sentences_of[0]
    assert sentences_of[1:] == [
        "has no text",
        "has no language",
        "'Deutsch!' is no language tag such as de or en-US",
        "the row has 2 cells, the header has 3",
    ]
    lines = tmp_path / "texts.jsonl"
    lines.write_text('{"text": "a", "language": "en"}\n{"text"\n[1]\n{"text": 5, "language": "en"}')
    texts, problems = read_texts(lines)
    assert texts == [Text("a", "en")]
    assert [where for where, _ in problems] == [f"{lines}:{n}" for n in (2, 3, 4)]
    assert "no JSON" in problems[0][1]
    assert problems[1][1] == "the line is no JSON object"
    assert problems[2][1] == "text should be text, it is 5"


def test_plain_lines_have_their_language_in_the_name(tmp_path):
    path = tmp_path / "my lines.pt-BR.txt"
    path.write_text("Um dia bonito.\n\n  E outro.  \n", "utf-8")
    assert read_texts(path) == ([Text("Um dia bonito.", "pt-BR"), Text("E outro.", "pt-BR")], [])
    path = tmp_path / "lines.txt"
    path.write_text("Where from?", "utf-8")
    with pytest.raises(CorpusError, match=r"says its language in its name, as lines\.de\.txt"):
        read_texts(path)


def test_files_that_give_nothing(tmp_path):
    with pytest.raises(CorpusError, match=r"gone\.csv cannot be read: No such file"):
        read_texts(tmp_path / "gone.csv")
    for name, content, message in (
        ("a.csv", "", "no column 'text'; its columns are none"),
        ("b.csv", "sentence,language\nx,en", "its columns are sentence, language"),
        ("c.csv", "text,language\n", "no text to say"),
        ("d.csv", "text,language\n,en", r"no text to say; .*d\.csv:2: has no text"),
        ("e.csv", 'text,language\n"x,en', r"e\.csv:2: unexpected end of data"),
        ("f.pdf", "x", "a .txt, .csv, .tsv or .jsonl file"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(CorpusError, match=message):
            read_texts(tmp_path / name)
    (tmp_path / "g.csv").write_bytes("text,language\nGrüße,de".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"g\.csv is not UTF-8 text"):
        read_texts(tmp_path / "g.csv")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_any_text_comes_back_on_one_line_or_is_listed(tmp_path_factory, given_texts):
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    rows = [json.dumps({"text": text, "language": "en"}) for text in given_texts]
    path.write_text("\n".join(rows), "utf-8")
    wanted = [" ".join(text.split()) for text in given_texts]
    if not any(wanted):
        with pytest.raises(CorpusError, match="no text to say"):
            read_texts(path)
    else:
        texts, problems = read_texts(path)
        assert [text.text for text in texts] == [text for text in wanted if text]
        assert len(texts) + len(problems) == len(given_texts)
