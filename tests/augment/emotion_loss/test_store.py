"""What was measured is kept, found again, and asked for once."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from emoforge.augment.emotion_loss.store import Row, Store
from emoforge.errors import AudioError, WorkspaceBusyError, WorkspaceError
from emoforge.selection import Encoding

ENCODING = Encoding(
    np.arange(6, dtype=np.float32).reshape(2, 3), {"basic4": (0.1, 0.2, 0.3, 0.4)}, {"valence": 0.5}
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "m.sqlite")) as made:
        yield made


def row(clip: str, condition: str = "opus", **more: object) -> Row:
    return Row(condition, clip, 16.2, 48000, 6.5, **more)  # type: ignore[arg-type]


def test_rows_come_back(store: Store, tmp_path: Path) -> None:
    unvoiced = AudioError("nothing is voiced")
    numbers = {
        "mel": {"mel": 0.25}, "f0": {"f0_corr": float("nan"), "voicing": 0.5}, "rate": unvoiced
    }  # fmt: skip
    store.add([row("a", measured=numbers, heard=ENCODING), row("b", fault="is broken")], "judge")
    store.close()
    with closing(Store(tmp_path / "m.sqlite")) as again:
        came_back(again)


def came_back(store: Store) -> None:
    assert store.sounds("opus") == {
        "a": (16.2, 48000, 6.5, ""),
        "b": (16.2, 48000, 6.5, "is broken"),
    }
    [(clip, found)] = store.measured("opus", "f0")
    assert (clip, found["voicing"]) == ("a", 0.5)
    assert np.isnan(found["f0_corr"])
    [(clip, reason)] = store.measured("opus", "rate")
    assert isinstance(reason, AudioError)
    assert str(reason) == "nothing is voiced"
    [(clip, encoding)] = store.heard("opus", "judge")
    assert clip == "a"
    assert np.array_equal(encoding.embedding, ENCODING.embedding)
    assert encoding.native == {"basic4": [0.1, 0.2, 0.3, 0.4]}
    assert encoding.dimensions == {"valence": 0.5}
    assert list(store.heard("opus", "another")) == []


def test_what_is_missing_is_told_by_bits(store: Store) -> None:
    store.add(
        [
            row("all", measured={"mel": {}, "f0": {}}, heard=ENCODING),
            row("mel", measured={"mel": {}}),
            row("deaf", measured={"mel": {}, "f0": {}}, heard=AudioError("too short")),
            row("failed", fault="is broken"),
        ],
        "judge",
    )
    everything = 0b111
    assert store.done("opus", ["mel", "f0"], "judge") == {
        "all": everything,
        "mel": 0b001,
        "deaf": everything,  # asked, and not to be asked again
    }
    assert store.done("opus", ["f0"], "other judge") == {"all": 1, "deaf": 1}
    assert store.done("mp3", ["mel"], "judge") == {}
    assert [clip for clip, _ in store.heard("opus", "judge")] == ["all"]
    assert list(store.unheard("opus", "judge")) == [("deaf", "too short")]


def test_a_fault_takes_no_sound_s_place_and_a_sound_takes_a_fault_s(store: Store) -> None:
    good, bad = (16.2, 48000, 6.5, ""), (16.2, 48000, 6.5, "is gone")
    store.add([row("a"), row("b", fault="is gone")], "judge")
    assert store.sounds("opus") == {"a": good, "b": bad}
    store.add([row("a", fault="is gone"), row("b")], "judge")
    assert store.sounds("opus") == {"a": good, "b": good}


def test_a_sound_without_bits_keeps_none(store: Store) -> None:
    store.add([Row("low", "a", float("nan"), 16000, 0.0)], "judge")
    assert np.isnan(store.sounds("low")["a"][0])


def test_a_damaged_file_is_said_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "m.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(WorkspaceError, match="delete the file to measure again"):
        Store(tmp_path / "m.sqlite")


def test_a_second_report_in_the_same_place_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceBusyError, match="another report"):
        Store(tmp_path / "m.sqlite")
    store.close()
    Store(tmp_path / "m.sqlite").close()
