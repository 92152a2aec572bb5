"""SpeechBrain CSV, read back with `DynamicItemDataset`."""

import json
import re

import pytest

from emoforge.augment.export.speechbrain import SpeechBrain

pytest.importorskip("speechbrain")

NUMBERS = ("duration", "valence", "arousal", "dominance")


def test_speechbrain_reads_back(clips, check, tmp_path):
    from speechbrain.dataio.dataio import read_audio
    from speechbrain.dataio.dataset import DynamicItemDataset

    out = tmp_path / "set"
    assert SpeechBrain().write(clips, out).problems == ()
    by_id = {clip.id: clip for clip in clips}
    seen = set()
    for split in ("train", "dev", "test"):
        found = DynamicItemDataset.from_csv(str(out / f"{split}.csv"), {"data_root": str(out)})
        found.add_dynamic_item(read_audio, takes="wav", provides="signal")
        found.set_output_keys(["id", "signal", *next(iter(found.data.values()))])
        for item in found:
            clip = by_id[item["id"]]
            seen.add(clip.id)
            assert clip.split == split
            columns = {key: value if value != "" else None for key, value in item.items()}
            for key in ("distribution", "votes", "lineage"):
                columns[key] = columns[key] and json.loads(columns[key])
            for key in NUMBERS:
                columns[key] = columns[key] and float(columns[key])
            columns["rate"] = int(columns["rate"])
            columns["digest"] = columns["digest"] or ""
            # The one thing that this format cannot say: a dollar sign before a word.
            for key in ("speaker", "text", "corpus", "licence"):
                assert not re.search(r"\$[\w.]", columns[key] or "")
                columns[key] = columns[key] and columns[key].replace("＄", "$")
            check(clip, columns, clip.rate, item["signal"].numpy())
    assert seen == set(by_id)
