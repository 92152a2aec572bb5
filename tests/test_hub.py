"""Finding a model's files, their digest, and reading weights without running code."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from emoforge.errors import ConfigError, RequirementError
from emoforge.hub import (
    model_folder,
    read_json,
    read_weights,
    weights_digest,
)

NEEDS = [["config.json"], ["*.safetensors", "*.bin"]]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    save_file({"a": torch.arange(3.0)}, tmp_path / "model.safetensors")
    return tmp_path


def test_a_local_folder_is_taken_as_it_is(folder: Path) -> None:
    assert model_folder(str(folder), "", NEEDS) == folder


def test_a_folder_without_weights_says_what_is_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(RequirementError, match=r"no \*\.safetensors or \*\.bin in this folder"):
        model_folder(str(folder), "", NEEDS)


def test_no_model_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"add judge\.model="):
        model_folder("", "", NEEDS)
    with pytest.raises(RequirementError, match="there is no such folder"):
        model_folder(str(tmp_path / "absent"), COMMIT, NEEDS)


@pytest.mark.parametrize("revision", ["", "main", COMMIT[:12], COMMIT.upper()])
def test_a_hub_repository_must_be_pinned(revision: str) -> None:
    with pytest.raises(ConfigError, match=r"add judge\.revision=… \(40 hex digits\)"):
        model_folder("someone/encoder", revision, NEEDS)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache in a temporary folder, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def test_a_pinned_repository_in_the_cache_needs_no_network(cache: Path) -> None:
    snapshot = cache / "models--someone--encoder" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "pytorch_model.bin").write_bytes(b"")
    assert model_folder("someone/encoder", COMMIT, NEEDS) == snapshot


def test_a_repository_that_cannot_be_fetched_is_one_sentence(cache: Path) -> None:
    with pytest.raises(RequirementError, match=r"cannot be fetched.*give a local folder") as raised:
        model_folder("someone/encoder", COMMIT, NEEDS)
    assert "\n" not in str(raised.value)


def test_the_digest_is_that_of_names_and_content(folder: Path) -> None:
    files = sorted(folder.iterdir())
    before = weights_digest(files)
    assert before == weights_digest(files[::-1])
    assert len(before) == 32
    content = (folder / "config.json").read_bytes()
    (folder / "config.json").write_bytes(b"[]")
    assert weights_digest(files) != before
    (folder / "config.json").write_bytes(content)
    assert weights_digest(files) == before


def test_a_file_is_hashed_once_while_it_stays_the_same(folder: Path) -> None:
    file = folder / "config.json"
    before = weights_digest([file])
    about = file.stat()
    file.write_text("[]")
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert weights_digest([file]) == before  # same size and time: not read again
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    assert weights_digest([file]) != before


def test_an_absent_file_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(RequirementError, match=r"absent: weights cannot be read"):
        weights_digest([tmp_path / "absent"])


def test_shards_and_pickled_tensors_are_read(folder: Path) -> None:
    torch.save({"b": torch.ones(2), "epoch": 3}, folder / "pytorch_model.bin")
    read = read_weights([folder / "model.safetensors", folder / "pytorch_model.bin"])
    assert set(read) == {"a", "b", "epoch"}


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"a": Bomb(mark)}, tmp_path / "model.bin")
    with pytest.raises(RequirementError, match="refused as an unsafe pickle") as raised:
        read_weights([tmp_path / "model.bin"])
    assert "\n" not in str(raised.value)
    assert not mark.exists()
    (tmp_path / "old.bin").write_bytes(pickle.dumps(Bomb(mark), 2))  # without torch's archive
    with pytest.raises(RequirementError, match="unsafe pickle"):
        read_weights([tmp_path / "old.bin"])
    assert not mark.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.bin"])
def test_damaged_and_absent_weights_are_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequirementError, match="cannot be read"):
        read_weights([tmp_path / name])
    torch.save({"a": torch.ones(1000)}, tmp_path / "whole")
    (tmp_path / name).write_bytes((tmp_path / "whole").read_bytes()[:2000])
    with pytest.raises(RequirementError, match=f"{name}: (damaged|refused)") as raised:
        read_weights([tmp_path / name])
    assert "\n" not in str(raised.value)


def test_weights_without_names_are_refused(tmp_path: Path) -> None:
    torch.save([torch.ones(2)], tmp_path / "model.bin")
    with pytest.raises(RequirementError, match="holds no tensors by name, but list"):
        read_weights([tmp_path / "model.bin"])


def test_json_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    for content in ("{", json.dumps([1])):
        file.write_text(content)
        with pytest.raises(RequirementError, match=r"config\.json: damaged"):
            read_json(file)
    with pytest.raises(RequirementError, match="cannot be read"):
        read_json(tmp_path / "absent.json")
