"""WebDataset shards, read back with `webdataset`."""

import gc
import io
import json
import warnings

import pytest
import soundfile

from emoforge.augment.export.webdataset import WebDataset


def test_webdataset_reads_back(clips, check, tmp_path):
    webdataset = pytest.importorskip("webdataset")

    out = tmp_path / "set"
    assert WebDataset(shard_bytes=100_000).write(clips, out).problems == ()
    assert len(list(out.glob("*-000001.tar"))) > 0
    by_id = {clip.id: clip for clip in clips}
    seen = set()
    for split in ("train", "dev", "test"):
        shards = sorted(map(str, out.glob(f"{split}-*.tar")))
        # The library never closes a split's last shard.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            items = list(webdataset.WebDataset(shards, shardshuffle=False))
            gc.collect()
        for item in items:
            columns = json.loads(item["json"])
            clip = by_id[columns["id"]]
            seen.add(clip.id)
            assert clip.split == split
            samples, rate = soundfile.read(io.BytesIO(item["flac"]), dtype="int16")
            check(clip, columns, rate, samples)
    assert seen == set(by_id)
