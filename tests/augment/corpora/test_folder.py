"""Folder recipes: patterns, metadata beside the audio, and what does not fit."""

import os

import pytest
from recipes import Files, Read

from emoforge.augment.corpora.folder import clip_name
from emoforge.errors import ConfigError, CorpusError

PATTERN = r"(?P<speaker>s\d)_(?P<emotion>\w+?)_\d\.wav"


def test_what_does_not_fit_is_said_once(files: Files, read: Read) -> None:
    root = files(dict.fromkeys(("s1_sad_1.wav", "x/odd.wav", "x/odder.flac", ".s1_sad_2.wav"), ""))
    corpus = read("folder", root=root, pattern=PATTERN)
    assert [c.id for c in corpus.clips] == ["folder/s1_sad_1"]
    problem, _ = corpus.problems
    assert problem.where == f"{root}/x/odd.wav"
    assert problem.sentence == (
        "2 of 3 audio files do not fit the pattern of corpus 'folder' and are not read; "
        "this is the first"
    )


def test_nothing_fits(files: Files, read: Read) -> None:
    root = files({"b.wav": "", "c/d.flac": "", "e.wav": ""})
    with pytest.raises(CorpusError) as error:
        read("folder", root=root, pattern=PATTERN)
    assert str(error.value) == (
        f"no file under {root} fits the pattern of corpus 'folder', {PATTERN}; "
        "there is b.wav and e.wav"
    )
    with pytest.raises(CorpusError, match="there is no audio file"):
        read("folder", root=files({"empty/x.txt": ""}) / "empty", pattern=PATTERN)


def test_a_name_that_is_no_unicode_costs_one_clip(files: Files, read: Read) -> None:
    root = files({"s1_sad_1.wav": "", "s2_sad_1.wav": ""})
    (root / "s2_sad_1.wav").rename(root / os.fsdecode(b"\xe4\xf6s2_sad_1.wav"))
    corpus = read("folder", root=root, pattern=f".*{PATTERN}")
    assert [clip.speaker for clip in corpus.clips] == ["s1"]
    problem = corpus.problems[0]
    assert problem.where == f"{root}/\\udce4\\udcf6s2_sad_1.wav"
    assert "is no valid Unicode" in problem.sentence
    problem.sentence.encode()


def test_faults_of_files(files: Files, read: Read) -> None:
    root = files(dict.fromkeys(("a/s1_sad_1.wav", "b/s1_sad_1.wav", "s2_sda_1.wav"), ""))
    problems = read("folder", root=root, pattern=PATTERN).problems
    assert [(p.where, p.sentence[:40]) for p in problems[:2]] == [
        (f"{root}/s2_sda_1.wav", "unknown emotion 'sda': did you mean 'sad"),
        (f"{root}/b/s1_sad_1.wav", "id 'folder/s1_sad_1' is already that of "),
    ]


def test_sentence_codes(files: Files, read: Read) -> None:
    pattern = r"(?P<speaker>s\d)_(?P<emotion>\w+)_(?P<text>\d)\.wav"
    root = files(dict.fromkeys(("s1_sad_1.wav", "s1_sad_2.wav"), ""))
    corpus = read("folder", root=root, pattern=pattern, texts={"1": "One."})
    assert [c.text for c in corpus.clips] == ["One."]
    assert corpus.problems[0].sentence == "unknown sentence code '2': known: 1"
    corpus = read("folder", root=root, pattern=pattern, texts={"1": "One.", "*": "Say {text}."})
    assert [c.text for c in corpus.clips] == ["One.", "Say 2."]


def test_metadata(files: Files, read: Read) -> None:
    root = files(
        {
            "s1_sad_1.wav": "",
            "s2_sad_1.wav": "",
            "said.csv": "file,words\ndir/s1_sad_1.wav,Hello.\nnobody.wav,No.\n",
            "who.tsv": "id\tsex\ns1\tfemale\ns2\t\n",
        }
    )
    metadata = [
        {"file": "said.csv", "key": "file", "columns": {"text": "words"}},
        {"file": "who.tsv", "key": "id", "by": "speaker", "columns": {"gender": "sex"}},
        {"file": "absent.csv", "key": "id"},
    ]
    corpus = read("folder", root=root, pattern=PATTERN, metadata=metadata)
    assert [(c.text, c.gender) for c in corpus.clips] == [("Hello.", "female"), (None, None)]
    metadata[0]["key"] = "name"
    with pytest.raises(CorpusError, match=r"no column 'name' \(corpus\.metadata\[0\]\)"):
        read("folder", root=root, pattern=PATTERN, metadata=metadata)
    metadata[0] = {"file": "said.csv", "key": "file", "columns": {"text": "word"}}
    with pytest.raises(CorpusError, match=r"'word' \(corpus\.metadata\[0\]\.columns\.text\)"):
        read("folder", root=root, pattern=PATTERN, metadata=metadata)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?P<speaker>", r"corpus\.pattern \(\?P<speaker>: missing \)"),
        ("(?P<speakr>.*)", "names a group 'speakr': did you mean 'speaker'"),
    ],
)
def test_patterns_that_cannot_be_used(pattern: str, said: str, files: Files, read: Read) -> None:
    with pytest.raises(ConfigError, match=said):
        read("folder", root=files({"a.wav": ""}), pattern=pattern)


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/b.wav", "b"), ("a\\b.FLAC", "b"), ("b", "b"), ("b.1", "b.1"), (" x/b.c.wav ", "b.c")],
)
def test_clip_name(path: str, name: str) -> None:
    assert clip_name(path) == name
