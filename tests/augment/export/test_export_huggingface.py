"""audiofolder and Parquet, read back with `datasets`."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emoforge.augment.export.audiofolder import AudioFolder
from emoforge.augment.export.parquet import Parquet

HF = {"train": "train", "validation": "dev", "test": "test"}


@pytest.fixture
def datasets() -> Any:
    return pytest.importorskip("datasets")


def load(datasets: Any, cache: Path, *args: Any, **options: Any) -> Any:
    found = datasets.load_dataset(*args, cache_dir=str(cache), **options)
    return found.cast_column("audio", datasets.Audio(decode=False))


def compare(found: Any, clips: Any, check: Any) -> None:
    by_id = {clip.id: clip for clip in clips}
    seen = set()
    for name, split in found.items():
        for row in split:
            clip = by_id[row["id"]]
            seen.add(clip.id)
            assert HF[name] == clip.split
            audio = row.pop("audio")
            source = io.BytesIO(audio["bytes"]) if audio["bytes"] else audio["path"]
            samples, rate = soundfile.read(source, dtype="int16")
            row["lineage"] = row["lineage"] and json.loads(row["lineage"])
            if row["votes"] and set(row["votes"].values()) == {None}:
                row["votes"] = None  # `datasets` reads an absent struct as one of absent values
            check(clip, row, rate, samples)
    assert seen == set(by_id)


@pytest.mark.parametrize("by_name", [True, False])
def test_audiofolder_reads_back(datasets, clips, check, tmp_path, by_name):
    out = tmp_path / "set"
    assert AudioFolder().write(clips, out).problems == ()
    where = ("audiofolder",) if by_name else (str(out),)
    options = {"data_dir": str(out)} if by_name else {}
    compare(load(datasets, tmp_path / "cache", *where, **options), clips, check)


@pytest.mark.parametrize("by_name", [True, False])
def test_parquet_reads_back(datasets, clips, check, tmp_path, by_name):
    out = tmp_path / "set"
    assert Parquet(shard_bytes=100_000).write(clips, out).problems == ()
    assert len(list((out / "data").iterdir())) > 3
    where = ("parquet",) if by_name else (str(out),)
    options = {"data_dir": str(out)} if by_name else {}
    found = datasets.load_dataset(*where, cache_dir=str(tmp_path / "cache"), **options)
    assert all(isinstance(split.features["audio"], datasets.Audio) for split in found.values())
    compare(found.cast_column("audio", datasets.Audio(decode=False)), clips, check)


def test_parquet_streams(datasets, nasty, check, tmp_path):
    out = tmp_path / "set"
    Parquet().write(nasty, out)
    found = load(datasets, tmp_path / "cache", str(out), streaming=True)
    compare(found, nasty, check)


def test_decoding_by_datasets_is_exact(datasets, nasty, tmp_path):
    decoders = pytest.importorskip("torchcodec.decoders")
    try:
        decoders.AudioDecoder(nasty[0].path)
    except RuntimeError:
        pytest.skip("torchcodec finds no FFmpeg libraries here")
    Parquet().write(nasty, tmp_path / "set")
    found = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    for row in found["train"]:
        samples = row["audio"].get_all_samples()
        clip = next(clip for clip in nasty if clip.id == row["id"])
        assert samples.sample_rate == clip.rate
        assert np.array_equal(samples.data[0].numpy(), clip.read().samples)
