"""Transfer: what is asked is what is measured, and nothing else breaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.audio import Audio, level_db
from emoforge.clip import Clip
from emoforge.errors import AudioError, ConfigError
from emoforge.synthesis.prosody import FACTORS, LIMITS, Controls, World, analyse, measure, transfer
from emoforge.synthesis.prosody.controls import PEAK


@pytest.fixture(scope="module")
def analysed(short_clips: list[Clip]) -> list[tuple[Audio, World]]:
    audios = [clip.read() for clip in short_clips]
    # Quiet, so that louder is possible without reaching the peak.
    quiet = [Audio(a.samples * np.float32(0.2 / np.abs(a.samples).max()), a.rate) for a in audios]
    return [(a, analyse(a)) for a in quiet]


def controls() -> st.SearchStrategy[Controls]:
    return st.builds(
        Controls, **{name: st.floats(low, high) for name, (low, high) in LIMITS.items()}
    )


@pytest.mark.parametrize(
    ("name", "asked", "tolerance"),
    [
        ("f0_level", 4.0, 0.4),
        ("f0_level", -4.0, 0.4),
        ("f0_range", 1.5, 0.15),
        ("f0_range", 0.6, 0.15),
        ("f0_slope", 4.0, 0.8),
        ("energy", 8.0, 0.3),
        ("energy", -8.0, 0.3),
        ("energy_range", 0.7, 0.15),
        ("energy_range", 1.4, 0.2),
        ("tilt", 3.0, 0.6),
        ("tilt", -3.0, 0.6),
        ("breathiness", 2.0, 1.0),
        ("breathiness", -2.0, 1.0),
    ],
)
def test_asked_is_measured(
    analysed: list[tuple[Audio, World]], name: str, asked: float, tolerance: float
) -> None:
    """Relative to plain resynthesis: WORLD itself makes speech a little less noisy."""
    shifts = []
    for audio, world in analysed:
        plain = getattr(measure(transfer(audio, Controls(), world)), name)
        shaped = getattr(measure(transfer(audio, Controls(**{name: asked}), world)), name)
        shifts.append(np.log(shaped / plain) if name in FACTORS else shaped - plain)
    expected = np.log(asked) if name in FACTORS else asked
    assert float(np.median(shifts)) == pytest.approx(expected, abs=tolerance)


def test_identity_does_not_drift(analysed: list[tuple[Audio, World]]) -> None:
    for audio, world in analysed:
        once = transfer(audio, Controls(), world)
        twice = transfer(once, Controls())
        before, after = measure(audio, world), measure(twice)
        assert len(twice.samples) == len(audio.samples)
        assert abs(level_db(twice.samples) - level_db(audio.samples)) < 0.01
        assert abs(after.f0_level - before.f0_level) < 0.8
        assert 0.75 < after.rate / before.rate < 1.33


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_controls_give_exact_length_and_no_clipping(
    analysed: list[tuple[Audio, World]], data: st.DataObject
) -> None:
    audio, world = data.draw(st.sampled_from(analysed))
    asked = data.draw(controls())
    made = transfer(audio, asked, world)
    assert len(made.samples) == round(len(audio.samples) / asked.rate)
    assert made.rate == audio.rate
    assert made.samples.dtype == np.float32
    assert np.isfinite(made.samples).all()
    assert np.abs(made.samples).max() <= PEAK + 1e-6


def test_loud_results_are_scaled_to_the_peak(analysed: list[tuple[Audio, World]]) -> None:
    audio, world = analysed[0]
    loud = transfer(audio, Controls(energy=30), world)
    plain = transfer(audio, Controls(), world)
    assert np.abs(loud.samples).max() == pytest.approx(PEAK, abs=1e-5)
    # Scaled as a whole: the waveform keeps its shape.
    gain = PEAK / np.abs(plain.samples).max()
    np.testing.assert_allclose(loud.samples, plain.samples * gain, atol=1e-4)


def test_voiceless_audio_passes_through_shaping() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    made = transfer(Audio(noise, 16000), Controls(f0_level=4, rate=1.25, energy_range=1.5))
    assert len(made.samples) == 6400
    assert level_db(made.samples) == pytest.approx(level_db(noise), abs=0.01)


@pytest.mark.parametrize("bad", [{"rate": 0.0}, {"rate": float("nan")}, {"f0_level": 40.0}])
def test_controls_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        Controls(**bad)


def test_too_short_audio_is_refused() -> None:
    with pytest.raises(AudioError, match="too short"):
        transfer(Audio(np.zeros(100, np.float32), 16000), Controls())
