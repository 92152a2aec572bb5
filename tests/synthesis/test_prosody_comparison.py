"""The measure `prosody`: it finds the changes that were made, and no others."""

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from emoforge.audio import Audio, read
from emoforge.component import rng_for
from emoforge.errors import AudioError
from emoforge.synthesis.prosody import World, analyse, synthesise
from emoforge.synthesis.prosody.comparison import ProsodyError


@pytest.fixture(scope="module")
def world(shared: Path) -> World:
    path = shared / "reference" / "codec_mushra" / "audio" / "stim_01" / "ref.flac"
    return analyse(read(path).resampled(16000))


def spoken(world: World, factor: float = 1.0) -> Audio:
    """The clip from its WORLD parameters, with F0 `factor` times as high."""
    return Audio(
        synthesise(
            World(world.f0 * factor, world.spectrum, world.aperiodicity, world.rate, world.length)
        ),
        world.rate,
    )


def compared(original: Audio, other: Audio) -> dict[str, float]:
    measure = ProsodyError()
    return dict(measure.compare(measure.prepare(original), other))


def test_a_higher_voice_is_as_far_as_it_was_moved(world: World) -> None:
    found = compared(spoken(world), spoken(world, 2 ** (100 / 1200)))
    assert found["f0_rmse_cents"] == pytest.approx(100, abs=25)
    assert found["f0_corr"] > 0.95
    assert found["voicing_error"] < 0.1


def test_a_flat_voice_has_another_melody(world: World) -> None:
    level = np.exp(np.log(world.f0[world.voiced]).mean())
    flat = World(
        np.where(world.voiced, level, 0.0), world.spectrum, world.aperiodicity, 16000, world.length
    )
    found = compared(spoken(world), spoken(flat))
    heard = analyse(spoken(world))
    both = heard.voiced & analyse(spoken(flat)).voiced
    expected = 1200 * np.sqrt(np.mean(np.log2(heard.f0[both] / level) ** 2))
    # Another way to find F0 agrees.
    assert found["f0_rmse_cents"] == pytest.approx(expected, rel=0.2)
    assert not found["f0_corr"] > 0.7


def test_a_whisper_has_no_voice_to_compare(world: World) -> None:
    whisper = World(
        np.zeros_like(world.f0), world.spectrum, np.ones_like(world.aperiodicity), 16000,
        world.length,
    )  # fmt: skip
    found = compared(spoken(world), spoken(whisper))
    assert found["voicing_error"] > 0.2
    few = np.isnan(found["f0_rmse_cents"])
    assert few == np.isnan(found["f0_corr"])


def test_a_voice_without_its_fundamental_has_its_melody_still(world: World) -> None:
    """Telephones leave out much of what lies below 300 Hz, and nobody hears another pitch."""
    sound = spoken(world)
    sections = butter(2, 300, "highpass", fs=sound.rate, output="sos")
    thin = Audio(sosfiltfilt(sections, sound.samples).astype(np.float32), sound.rate)
    found = compared(sound, thin)
    assert found["f0_corr"] > 0.9
    assert found["f0_rmse_cents"] < 60


def test_a_slower_gain_is_an_energy_error_of_its_size(world: World) -> None:
    """±6 dB in turn, 4 times a second: 6 dB root mean square."""
    sound = spoken(world)
    turn = np.sign(np.sin(2 * np.pi * 4 * np.arange(len(sound.samples)) / sound.rate))
    swung = Audio((sound.samples * 10 ** (6 * turn / 20)).astype(np.float32) / 4, sound.rate)
    assert compared(sound, swung)["energy_error_db"] == pytest.approx(6, abs=1)


def test_half_the_syllables_are_half_the_rate(world: World) -> None:
    """One sentence, and the same with every nucleus but a few smeared to noise of one level."""
    sound = spoken(world)
    hiss = rng_for("prosody").normal(0, 0.1, len(sound.samples)).astype(np.float32)
    cut = len(hiss) // 2
    other = Audio(np.concatenate([sound.samples[:cut], hiss[cut:]]), sound.rate)
    assert 0.2 < compared(sound, other)["rate_error"] < 0.9


def test_an_original_without_voice_is_refused() -> None:
    hiss = Audio(rng_for("prosody").normal(0, 1e-3, 16000).astype(np.float32), 16000)
    click = Audio(np.eye(1, 16000, 8000, dtype=np.float32)[0], 16000)
    for sound in (hiss, click):
        try:
            ProsodyError().prepare(sound)
        except AudioError as error:
            assert "voiced" in str(error)  # noqa: PT017 - a voice is heard in some noise
    with pytest.raises(AudioError, match="voiced"):
        ProsodyError().prepare(click)
