"""File names, and cards that no text can break."""

import json
import re
from dataclasses import replace

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from emoforge.augment.export.audiofolder import AudioFolder
from emoforge.augment.export.row import file_name

TEXTS = st.text(st.characters(), max_size=60) | st.text("a/.=~-_ %", max_size=100)


@given(TEXTS, TEXTS)
@example("", "=")
@example("a/b", "a~b")
@example("a b", "a=20b")
@example("x" * 81, "x" * 82)
@example("x" * 46 + "==" + "0" * 32, "x" * 82)
def test_file_names_are_safe_and_tell_texts_apart(one, other):
    names = [file_name(one), file_name(other)]
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_=~-]{1,80}", name)
    assert (names[0] == names[1]) == (one == other)
    assert "-" not in file_name(one, plain=b"")


def test_usual_ids_stay_readable():
    assert file_name("nemo/ANG_01-b") == "nemo~ANG_01-b"
    assert file_name("0f" * 16) == "0f" * 16


def test_texts_cannot_break_the_cards(nasty, tmp_path):
    evil = 'a | b\n\n# c <script>alert(1)</script> [x](http://y) `z` **w** --- "q" \\'
    clips = [replace(clip, corpus=evil, licence=evil, language=evil) for clip in nasty]
    AudioFolder().write(clips, tmp_path / "set")
    page = (tmp_path / "set/README.md").read_text("utf-8")
    _, matter, text = page.split("---\n", 2)
    assert yaml.safe_load(matter)["license"] == "other"
    assert "language" not in yaml.safe_load(matter)
    assert "<script" not in text
    assert "\n# c" not in text
    assert "[x]" not in text
    lines = [line for line in text.splitlines() if "alert" in line]
    assert len(lines) == 3
    for line in lines:  # the pipe in the name opens no further cell
        assert len(re.findall(r"(?<!\\)\|", line)) == 3
    card = json.loads((tmp_path / "set/emoforge.json").read_text("utf-8"))
    assert card["corpora"] == card["licences"] == {evil: len(clips)}


def test_front_matter_names_what_hugging_face_knows(real, tmp_path):
    german = [clip for clip in real if clip.corpus == "emodb"]
    AudioFolder().write(german, tmp_path / "set")
    matter = yaml.safe_load((tmp_path / "set/README.md").read_text("utf-8").split("---\n")[1])
    assert matter == {
        "license": "cc0-1.0",
        "task_categories": ["audio-classification"],
        "tags": ["speech-emotion-recognition"],
        "language": ["de"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "data/train/**"},
                    {"split": "validation", "path": "data/validation/**"},
                    {"split": "test", "path": "data/test/**"},
                ],
            }
        ],
    }
