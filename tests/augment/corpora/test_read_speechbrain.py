"""SpeechBrain manifests: what SpeechBrain's own loaders read is what the reader reads."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recipes import Files, Read

CSV = """ID, duration, wav, start, spk_id, emotion, wrd
u1, 1.5, $data_root/a/u1.wav, 8000, s1, ang, "YES, YES"
u2, 2.0, $data_root/a/u2.wav, 0, s2, neu, NO
"""
JSON = {
    "u1": {"wav": "{data_root}/a/u1.wav", "length": 1.5, "emo": "ang", "spk_id": "s1"},
    "u2": {"wav": "{data_root}/a/u2.wav", "length": 2.0, "emo": "neu", "spk_id": "s2"},
}

LOAD = """
import json, sys
from speechbrain.dataio.dataio import load_data_csv, load_data_json
root = {"data_root": sys.argv[1]}
loaded = [load_data_csv(sys.argv[1] + "/train.csv", root)]
loaded += [load_data_json(sys.argv[1] + "/train.json", root)]
print(json.dumps(loaded))
"""


def speechbrain_loads(root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What SpeechBrain makes of `train.csv` and `train.json`.

    In a process of its own: SpeechBrain leaves modules in `sys.modules` that raise when they are
    looked at, which Hypothesis does.
    """
    if importlib.util.find_spec("speechbrain") is None:
        pytest.skip("SpeechBrain is not installed")
    command = [sys.executable, "-W", "ignore", "-c", LOAD, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    in_csv, in_json = json.loads(done.stdout.splitlines()[-1])
    return in_csv, in_json


def test_speechbrain_loads_the_same(files: Files, read: Read) -> None:
    root = files({"train.csv": CSV, "train.json": json.dumps(JSON)})
    in_csv, in_json = speechbrain_loads(root)
    corpus = read("speechbrain", root=root)
    assert {c.id: (c.path, c.speaker, c.text) for c in corpus.clips} == {
        f"speechbrain/{key}": (row["wav"], row["spk_id"], row["wrd"]) for key, row in in_csv.items()
    }
    assert [c.emotion for c in corpus.clips] == ["angry", "neutral"]
    # `start` counts samples in SpeechBrain; it makes no segment here.
    assert {(c.start, c.duration) for c in corpus.clips} == {(0.0, 0.0)}
    corpus = read("speechbrain", root=root, manifest="train.json")
    assert {c.id: (c.path, c.speaker) for c in corpus.clips} == {
        f"speechbrain/{key}": (row["wav"], row["spk_id"]) for key, row in in_json.items()
    }
    assert [c.emotion for c in corpus.clips] == ["angry", "neutral"]


def test_one_table_a_split(files: Files, read: Read) -> None:
    other = (
        CSV.replace("u1,", "u3,").replace("u2,", "u4,").replace(" s1", " t1").replace(" s2", " t2")
    )
    corpus = read("speechbrain", root=files({"train.csv": CSV, "valid.csv": other}))
    assert {(c.id[-2:], c.split) for c in corpus.clips} == {
        ("u1", "train"),
        ("u2", "train"),
        ("u3", "dev"),
        ("u4", "dev"),
    }


def test_absolute_paths_stay_inside(tmp_path: Path, files: Files, read: Read) -> None:
    root = files({"train.csv": f"ID,wav,spk_id,emo\nu1,{tmp_path}/x.wav,s,sad\n"})
    (problem, *_) = read("speechbrain", root=root).problems
    assert problem.where == f"{root}/train.csv:2"
    assert "outside the corpus root" in problem.sentence
