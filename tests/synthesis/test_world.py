"""WORLD analysis and resynthesis: transparent, exact in length, the same every time."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.audio import Audio, level_db
from emoforge.clip import Clip
from emoforge.errors import AudioError
from emoforge.synthesis.prosody import analyse, synthesise


def bands(audio: Audio) -> np.ndarray:
    """Level of four bands of the long-term spectrum, dB."""
    power = np.abs(np.fft.rfft(audio.samples)) ** 2
    frequency = np.fft.rfftfreq(len(audio.samples), 1 / audio.rate)
    edges = (100, 500, 1500, 4000, 7500)
    return np.array(
        [
            10 * np.log10(power[(frequency >= low) & (frequency < high)].sum())
            for low, high in itertools.pairwise(edges)
        ]
    )


def test_resynthesis_is_close_to_the_recording(short_clips: list[Clip]) -> None:
    for clip in short_clips:
        audio = clip.read()
        again = Audio(synthesise(analyse(audio)), audio.rate)
        assert len(again.samples) == len(audio.samples)
        assert abs(level_db(again.samples) - level_db(audio.samples)) < 1.5
        assert np.abs(bands(again) - bands(audio)).max() < 2.5, clip.id


def test_the_same_samples_every_time(short_clips: list[Clip]) -> None:
    first, other = (analyse(clip.read()) for clip in short_clips[:2])
    before = synthesise(first)
    synthesise(other)
    np.testing.assert_array_equal(synthesise(first), before)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1600, 6000),
    st.sampled_from([8000, 16000]),
    st.sampled_from(["silence", "constant", "noise", "tone", "click"]),
    st.floats(0.5, 2.0),
)
def test_any_sound_gives_finite_samples_of_exact_length(
    length: int, rate: int, kind: str, factor: float
) -> None:
    x = np.zeros(length, np.float32)
    if kind == "constant":
        x += 1
    elif kind == "noise":
        x += np.random.default_rng(length).normal(0, 0.3, length).astype(np.float32)
    elif kind == "tone":
        x += np.sin(np.arange(length) * 2 * np.pi * 150 / rate).astype(np.float32)
    elif kind == "click":
        x[length // 2] = 1
    y = synthesise(analyse(Audio(x, rate)), factor)
    assert y.dtype == np.float32
    assert len(y) == round(length / factor)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("length", [1, 100, 1599])
def test_too_short_audio_is_refused(length: int) -> None:
    with pytest.raises(AudioError, match="too short"):
        analyse(Audio(np.zeros(length, np.float32), 16000))
