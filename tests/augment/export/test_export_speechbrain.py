"""SpeechBrain CSV, read back with `DynamicItemDataset`."""

import importlib.util
import json
import pickle
import re
import subprocess
import sys

import pytest

from emoforge.augment.export.speechbrain import SpeechBrain

NUMBERS = ("duration", "valence", "arousal", "dominance")

# In a process of its own: SpeechBrain leaves modules behind that import others, warn or fail as
# soon as anything looks at them, and Hypothesis looks at every module.
READ = """
import pickle, sys
from speechbrain.dataio.dataio import read_audio
from speechbrain.dataio.dataset import DynamicItemDataset
usage, *roots = sys.argv[1:]
found = []
for root in roots:
    exec(usage.replace("PATH", root))
    assert len(train) and set(train[0]) == {"id", "signal", "emotion", "probabilities"}
    for split in ("train", "dev", "test"):
        data = DynamicItemDataset.from_csv(f"{root}/{split}.csv", {"data_root": root})
        data.add_dynamic_item(read_audio, takes="wav", provides="signal")
        data.set_output_keys(["id", "signal", *next(iter(data.data.values()))])
        for item in data:
            assert item["split"] == split
            found.append({**item, "signal": item["signal"].numpy()})
sys.stdout.buffer.write(pickle.dumps(found))
"""


@pytest.mark.skipif(not importlib.util.find_spec("speechbrain"), reason="no speechbrain here")
def test_speechbrain_reads_back(nasty, real, check, tmp_path):
    for name, clips in (("nasty", nasty), ("real", real)):
        assert SpeechBrain().write(clips, tmp_path / name).problems == ()
    result = subprocess.run(
        [sys.executable, "-c", READ, SpeechBrain.usage, tmp_path / "nasty", tmp_path / "real"],
        capture_output=True,
        check=True,
        timeout=200,
    )
    found = pickle.loads(result.stdout)
    by_id = {clip.id: clip for clip in [*nasty, *real]}
    assert {item["id"] for item in found} == set(by_id)
    assert len(found) == len(by_id)
    for item in found:
        clip = by_id[item["id"]]
        samples = item.pop("signal")
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
        check(clip, columns, clip.rate, samples)
