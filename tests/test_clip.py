"""Clips read their own part of a file."""

from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import Audio, write_flac
from emoforge.clip import Clip
from emoforge.errors import AudioError
from emoforge.label import Label

RAMP = np.arange(-16000, 16000, dtype=np.float32) / 32768


def clip(path: Path, start: float, duration: float) -> Clip:
    return Clip(
        id="corpus/one",
        path=str(path),
        start=start,
        duration=duration,
        rate=16_000,
        label=Label.from_votes({"sad": 2, "angry": 1}),
        speaker="corpus/s1",
        corpus="corpus",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_flac(tmp_path / "a.flac", Audio(RAMP, 16_000))
    return tmp_path / "a.flac"


@pytest.mark.parametrize(("start", "duration"), [(0.0, 2.0), (0.0, 0.5), (1.25, 0.75), (0.3, 0.1)])
def test_a_clip_is_its_segment_and_no_more(path: Path, start: float, duration: float) -> None:
    audio = clip(path, start, duration).read()
    first = round(start * 16_000)
    assert np.array_equal(audio.samples, RAMP[first : first + round(duration * 16_000)])


def test_a_clip_is_read_at_the_rate_that_is_asked_for(path: Path) -> None:
    audio = clip(path, 0.5, 1.0).read(8_000)
    assert (audio.rate, len(audio.samples)) == (8_000, 8_000)


def test_a_segment_outside_its_file_is_an_error(path: Path) -> None:
    with pytest.raises(AudioError, match=r"a\.flac: the segment from 1\.500 s to 3\.500 s"):
        clip(path, 1.5, 2.0).read()


def test_the_emotion_is_the_hard_label(path: Path) -> None:
    assert clip(path, 0.0, 1.0).emotion == "sad"
