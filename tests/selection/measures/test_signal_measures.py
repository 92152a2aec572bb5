"""Measures of the signal: their formulas, and the libraries that they come from."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pystoi import stoi

from emoforge.audio import Audio, read
from emoforge.component import rng_for
from emoforge.errors import AudioError
from emoforge.selection.measures.signal import MelDistance, Pesq, SiSdr, Stoi

RATE = 16000


def noise(seed: int, length: int = 4000) -> np.ndarray:
    return rng_for("signal", seed).normal(0, 0.1, length).astype(np.float32)


@given(ratio=st.floats(-40, 60), gain=st.floats(0.05, 4))
def test_si_sdr_is_the_ratio_that_was_mixed_whatever_the_gain(ratio: float, gain: float) -> None:
    sound, other = noise(1).astype(np.float64), noise(2).astype(np.float64)
    other -= (other @ sound) / (sound @ sound) * sound
    other *= np.linalg.norm(sound) / np.linalg.norm(other) * 10 ** (-ratio / 20)
    mixed = Audio((gain * (sound + other)).astype(np.float32), RATE)
    measure = SiSdr()
    found = measure.compare(measure.prepare(Audio(sound.astype(np.float32), RATE)), mixed)
    assert found["si_sdr_db"] == pytest.approx(ratio, abs=0.05)


@given(gain=st.floats(-20, 20))
def test_a_gain_is_as_far_in_mel_as_it_is_in_decibels(gain: float) -> None:
    """Noise as loud as this lies above the floor in every band that has a filter."""
    sound = Audio(10 * noise(3), RATE)
    measure = MelDistance()
    louder = Audio(sound.samples * np.float32(10 ** (gain / 20)), RATE)
    found = measure.compare(measure.prepare(sound), louder)
    assert found["mel_db"] == pytest.approx(abs(gain), rel=0.02, abs=0.01)


def test_mel_distance_is_the_same_both_ways() -> None:
    one, other = Audio(noise(4), RATE), Audio(noise(5), RATE)
    measure = MelDistance()
    there = measure.compare(measure.prepare(one), other)["mel_db"]
    back = measure.compare(measure.prepare(other), one)["mel_db"]
    assert there == pytest.approx(back, abs=1e-6)
    assert there > 1


@pytest.fixture(scope="module")
def pair(shared: Path) -> tuple[Audio, Audio]:
    folder = shared / "reference" / "codec_mushra" / "audio" / "stim_03"
    return read(folder / "ref.flac"), read(folder / "lyra_6.flac")


def test_stoi_is_that_of_pystoi_but_for_the_resampler(pair: tuple[Audio, Audio]) -> None:
    original, coded = pair
    measure = Stoi()
    found = measure.compare(measure.prepare(original), coded)["stoi"]
    theirs = stoi(original.samples, coded.samples, original.rate)
    assert found == pytest.approx(float(theirs), abs=0.005)


def test_more_noise_is_worse(pair: tuple[Audio, Audio]) -> None:
    original = pair[0]
    hiss = noise(6, len(original.samples))
    for measure in (Stoi(), Pesq(), SiSdr(), MelDistance()):
        prepared = measure.prepare(original)
        (result,) = measure.results
        values = [
            measure.compare(
                prepared, Audio(original.samples + np.float32(share) * hiss, original.rate)
            )[result.name]
            for share in (0.01, 0.1, 1)
        ]
        assert sorted(values, reverse=result.better == "higher") == values
        assert values[0] != values[2]


def test_little_speech_in_a_long_clip_has_no_stoi() -> None:
    sound = np.zeros(RATE, np.float32)
    sound[:2000] = noise(7, 2000)
    measure = Stoi()
    audio = Audio(sound, RATE)
    assert np.isnan(measure.compare(measure.prepare(audio), audio)["stoi"])


@pytest.mark.parametrize("measure", [Stoi(), Pesq()])
def test_what_is_too_short_is_said(measure: Stoi | Pesq) -> None:
    with pytest.raises(AudioError, match=r"0\.050 s long, this needs"):
        measure.prepare(Audio(noise(8, 800), RATE))
