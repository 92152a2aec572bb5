"""Hugging Face audiofolder: what `datasets` loads is what the reader reads."""

import gc
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipes import Files, Read

from emoforge.errors import CorpusError

ROWS = [
    {"file_name": "1.wav", "label": "angry", "speaker_id": "a", "transcription": "Yes."},
    {"file_name": "sub/2.wav", "label": "sad", "speaker_id": "b", "transcription": "No."},
]


def as_csv(rows: list[dict[str, str]]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)])


def as_lines(rows: list[dict[str, str]]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


# `datasets` leaves CSV files open.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_datasets_loads_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files, read: Read
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = as_csv(ROWS) if kind == "csv" else as_lines(ROWS)
    root = files({f"{split}/metadata.{kind}": text for split in ("train", "validation")})
    for split in ("train", "validation"):
        for row in ROWS:
            path = root / split / row["file_name"]
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, np.zeros(160), 16000)
    loaded = datasets.load_dataset("audiofolder", data_dir=str(root), cache_dir=tmp_path / "cache")
    expected = {
        (row["audio"]["path"], row["label"], row["speaker_id"], row["transcription"])
        for split in loaded.values()
        for row in split.cast_column("audio", datasets.Audio(decode=False))
    }
    del loaded
    gc.collect()  # closes what `datasets` left open while the warning is expected
    corpus = read("audiofolder", root=root, split={"by": "column"})
    assert {(c.path, c.emotion, c.speaker, c.text) for c in corpus.clips} == expected
    assert {(c.id, c.split) for c in corpus.clips} == {
        ("audiofolder/train/1", "train"),
        ("audiofolder/train/sub/2", "train"),
        ("audiofolder/validation/1", "dev"),
        ("audiofolder/validation/sub/2", "dev"),
    }
    assert len(corpus.problems) == 1  # both speakers are in both splits
    assert "share 2 speakers (a, b)" in corpus.problems[0].sentence


def test_folders_as_labels(files: Files, read: Read) -> None:
    root = files(
        {f"{s}/{e}/{i}.wav": "" for s in ("train", "test") for e in ("angry", "sad") for i in "12"}
    )
    with pytest.raises(CorpusError, match=r"do not tell the speakers: .*corpus\.speaker=unknown"):
        read("audiofolder", root=root)
    corpus = read("audiofolder", root=root, speaker="unknown", split={"by": "column"})
    assert len(corpus.clips) == 8
    assert {(c.path.split("/")[-2], c.emotion) for c in corpus.clips} == {
        ("angry", "angry"),
        ("sad", "sad"),
    }
    assert {(c.path.split("/")[-3], c.split) for c in corpus.clips} == {
        ("train", "train"),
        ("test", "test"),
    }


def test_bad_rows_and_folders(files: Files, read: Read) -> None:
    rows = [*ROWS, {**ROWS[0], "file_name": "../../x.wav"}, {**ROWS[0], "label": "sda"}]
    root = files({"metadata.csv": as_csv(rows)})
    found = [p for p in read("audiofolder", root=root).problems if p.where != "audiofolder"]
    assert [p.where for p in found] == [f"{root}/metadata.csv:{n}" for n in (4, 5)]
    assert "outside the corpus root" in found[0].sentence
    assert "unknown emotion 'sda'" in found[1].sentence
    with pytest.raises(CorpusError, match="there is no audio file under"):
        read("audiofolder", root=files({"empty/readme.txt": ""}) / "empty", speaker="unknown")
