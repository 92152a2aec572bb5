"""The code on each card runs as it stands."""

import gc
import warnings
from typing import Any

import pytest

from emoforge.augment.export import Exporter
from emoforge.component import create


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("audiofolder", "datasets"),
        ("parquet", "datasets"),
        ("lhotse", "lhotse"),
        ("webdataset", "webdataset"),
        ("kaldi", "kaldiio"),
    ],
)
def test_the_code_on_the_card_loads_the_export(nasty, tmp_path, monkeypatch, name, library):
    """SpeechBrain's is run where SpeechBrain is."""
    loaded = pytest.importorskip(library)
    if library == "datasets":
        monkeypatch.setattr(loaded.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)  # one of them goes elsewhere
    exporter = create("exporter", name)
    assert isinstance(exporter, Exporter)
    exporter.write(nasty, tmp_path / "set")
    page = (tmp_path / "set/README.md").read_text("utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    found: dict[str, Any] = {}
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        exec(code.replace("PATH", str(tmp_path / "set")), found)
        gc.collect()
    train = [clip for clip in nasty if clip.split == "train"]
    match name:
        case "audiofolder" | "parquet":
            assert len(found["dataset"]["train"]) == len(train)
        case "lhotse":
            assert len(found["cuts"]) == len(train)
        case "webdataset":
            assert set(found["distribution"]) == set(train[0].label.scheme.classes)
            assert len(found["samples"]) == 4800
        case "kaldi":
            assert len(found["clips"]) == len(found["waves"]) == len(train)
            assert len(found["samples"]) in (2400, 4800)
