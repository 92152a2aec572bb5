"""Kaldi data directories, read back with `kaldiio` and with Lhotse's Kaldi reader."""

import json
from pathlib import Path

import pytest

from emoforge.augment.export.kaldi import Kaldi
from emoforge.augment.export.row import file_name


def table(path: Path) -> dict[str, str]:
    """One file of a data directory, held to what Kaldi's validation asks of it."""
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    keys = [line.split(b" ")[0] for line in lines]
    assert keys == sorted(set(keys))
    return dict(line.decode().split(" ", 1) for line in lines)


def read(folder: Path) -> dict[str, dict[str, str]]:
    files = {path.name: table(path) for path in folder.iterdir() if path.is_file()}
    utterances = files["utt2spk"]
    for name, lines in files.items():
        if not name.startswith("spk2"):
            assert list(lines) == list(utterances), name
        assert all(value.split() for value in lines.values()), name
    for utterance, speaker in utterances.items():
        assert utterance.startswith(f"{speaker}-")
    spk2utt = {speaker: line.split() for speaker, line in files["spk2utt"].items()}
    assert {utt: spk for spk, of in spk2utt.items() for utt in of} == utterances
    # Sorted by utterance is sorted by speaker too.
    assert list(spk2utt) == sorted(spk2utt) == list(dict.fromkeys(utterances.values()))
    if "spk2gender" in files:
        assert list(files["spk2gender"]) == list(spk2utt)
        assert set(files["spk2gender"].values()) <= {"m", "f"}
    return files


def test_kaldi_reads_back(clips, check, tmp_path, monkeypatch):
    kaldiio = pytest.importorskip("kaldiio")

    out = tmp_path / "set"
    assert Kaldi().write(clips, out).problems == ()
    by_id = {clip.id: clip for clip in clips}
    seen = set()
    for split in ("train", "dev", "test"):
        files = read(out / split)
        monkeypatch.chdir(out / split)
        waves = kaldiio.load_scp("wav.scp")
        assert list(waves) == list(files["utt2clip"])
        for utterance, text in files["utt2clip"].items():
            columns = json.loads(text)
            clip = by_id[columns["id"]]
            seen.add(clip.id)
            assert clip.split == split
            assert files["utt2emo"][utterance] == clip.emotion
            assert files["utt2spk"][utterance] == file_name(clip.speaker, plain=b"")
            if "text" in files:
                assert files["text"][utterance] == " ".join(clip.text.split())
            rate, samples = waves[utterance]
            assert float(files["utt2dur"][utterance]) == len(samples) / rate
            check(clip, columns, rate, samples)
    assert seen == set(by_id)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_kaldi_reads_back_with_lhotse(real, tmp_path, monkeypatch):
    pytest.importorskip("lhotse")
    from lhotse import CutSet
    from lhotse.kaldi import load_kaldi_data_dir

    out = tmp_path / "set"
    Kaldi().write(real, out)
    by_name = {file_name(clip.id): clip for clip in real}
    for split in ("train", "dev", "test"):
        monkeypatch.chdir(out / split)
        recordings, supervisions, _ = load_kaldi_data_dir(".", 16000)
        cuts = CutSet.from_manifests(recordings, supervisions)
        assert len(cuts) == sum(clip.split == split for clip in real)
        for cut in cuts:
            (said,) = cut.supervisions
            clip = by_name[said.id.removeprefix(f"{said.speaker}-")]
            assert (said.text, said.language) == (clip.text, clip.language)
            assert said.gender == clip.gender[0]
            assert (cut.load_audio()[0] == clip.read().samples).all()


def test_kaldi_leaves_out_what_some_utterances_lack(nasty, tmp_path):
    Kaldi().write(nasty, tmp_path / "set")
    always = {
        "wav.scp",
        "utt2spk",
        "spk2utt",
        "utt2emo",
        "utt2dur",
        "reco2dur",
        "utt2clip",
        "audio",
    }
    files = {
        split: {path.name for path in (tmp_path / "set" / split).iterdir()} - always
        for split in ("train", "dev", "test")
    }
    assert files == {"train": {"spk2gender"}, "dev": {"text", "spk2gender"}, "test": {"text"}}
