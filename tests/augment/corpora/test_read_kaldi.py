"""Kaldi data directories, among them one that Lhotse exported."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipes import Files, Read

from emoforge.errors import CorpusError

BASE = {
    "wav.scp": "u1 /audio/u1.wav\nu2 /audio/u2.flac\n",
    "utt2spk": "u1 s1\nu2 s2\n",
    "utt2emo": "u1 anger\nu2 sad\n",
}


def test_data_directory(files: Files, read: Read) -> None:
    more = {"text": "u1 so they say\nu2 \n", "spk2gender": "s1 f\ns2 m\n", "utt2lang": "u1 pl\n"}
    corpus = read("kaldi", root=files(BASE | more), name="k", language="en")
    assert [
        (c.id, c.path, c.emotion, c.speaker, c.text, c.gender, c.language, c.start, c.duration)
        for c in corpus.clips
    ] == [
        ("k/u1", "/audio/u1.wav", "angry", "s1", "so they say", "female", "pl", 0.0, 0.0),
        ("k/u2", "/audio/u2.flac", "sad", "s2", None, "male", "en", 0.0, 0.0),
    ]


def test_segments(files: Files, read: Read) -> None:
    root = files(
        BASE
        | {
            "wav.scp": "rec\t/audio/rec.wav\n",
            "segments": "u1 rec 0.0 1.5\nu2 rec 1.5 -1\n",
            "utt2emotion": "",
        }
    )
    corpus = read("kaldi", root=root)
    assert [(c.path, c.start, c.duration) for c in corpus.clips] == [
        ("/audio/rec.wav", 0.0, 1.5),
        ("/audio/rec.wav", 1.5, 0.0),
    ]


def test_faults_name_their_line(files: Files, read: Read) -> None:
    root = files(
        {
            "wav.scp": "a sox in.wav -t wav - |\nb /x/b.wav\nc all.ark:120\nd /x/d.wav\n",
            "segments": "u1 a 0 1\nu2 b 0 1\nu3 c 0 1\nu4 b 2 1\nu5 z 0 1\nu6 b zero 1\nu7 b 0\n"
            "u8 b 0 1\nu9 b 0 1\n",
            "utt2spk": "".join(f"u{n} s\n" for n in range(1, 9)),
            "utt2emo": "".join(f"u{n} sad\n" for n in range(1, 8)) + "u9 sad\n",
        }
    )
    corpus = read("kaldi", root=root)
    assert [c.id for c in corpus.clips] == ["kaldi/u2"]
    found = {p.where: p.sentence for p in corpus.problems}
    expected = {
        1: "the audio is a command, which emoforge does not run: write it to a file (sox in",
        3: "the audio is in an archive: write it to a file (all.ark:120)",
        4: "the segment ends (1 s) before it starts (2 s)",
        5: "recording 'z' is not in wav.scp",
        6: "start and end must be seconds, got 'zero' and '1'",
        7: "must be: utterance recording start end; got 'b 0'",
        8: "has no emotion",
        9: "has no speaker",
    }
    for line, sentence in expected.items():
        assert sentence in found[f"{root}/segments:{line}"]
    assert len(found) == len(expected) + 1  # and that there is one speaker only


def test_files_that_must_be_there(files: Files, read: Read) -> None:
    root = files({"text": "u1 hello\n"})
    with pytest.raises(CorpusError, match=r"it lacks wav\.scp, utt2spk, utt2emo or utt2emotion"):
        read("kaldi", root=root)


def test_directory_that_lhotse_wrote(tmp_path: Path, read: Read) -> None:
    lhotse = pytest.importorskip("lhotse")
    from lhotse.kaldi import export_to_kaldi

    soundfile.write(tmp_path / "long.wav", np.zeros(48000), 16000)
    recording = lhotse.Recording.from_file(tmp_path / "long.wav")
    supervisions = [
        lhotse.SupervisionSegment(
            id=f"u{n}",
            recording_id="long",
            start=float(n),
            duration=1.0,
            text=f"part {n}",
            speaker=f"s{n}",
            gender="F",
        )
        for n in range(3)
    ]
    export_to_kaldi(
        lhotse.RecordingSet.from_recordings([recording]),
        lhotse.SupervisionSet.from_segments(supervisions),
        tmp_path / "data",
    )
    # What Kaldi has no file for, and Lhotse does not write.
    (tmp_path / "data" / "utt2emo").write_text("u0 sad\nu1 angry\nu2 happy\n")
    corpus = read("kaldi", root=tmp_path / "data")
    assert [
        (c.id, c.path, c.start, c.duration, c.text, c.speaker, c.gender, c.emotion)
        for c in corpus.clips
    ] == [
        (f"kaldi/u{n}", f"{tmp_path}/long.wav", n, 1.0, f"part {n}", f"s{n}", "female", emotion)
        for n, emotion in enumerate(("sad", "angry", "happy"))
    ]
    assert corpus.clips[1].read().duration == 1.0
