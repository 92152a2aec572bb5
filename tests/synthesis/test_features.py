"""Features: on signals whose prosody is known, and against hand-made syllables."""

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from emoforge.audio import Audio, Samples
from emoforge.clip import Clip
from emoforge.errors import AudioError
from emoforge.synthesis.prosody import analyse, measure
from emoforge.synthesis.prosody.features import syllable_nuclei

RATE = 16000


def voice(f0: np.ndarray, tilt_pole: float = 0.9, noise: float = 0.001) -> Samples:
    """Pulses at `f0` Hz (one value a sample) through a one-pole filter, with some noise."""
    phase = np.cumsum(f0 / RATE)
    pulses = (np.diff(np.floor(phase), prepend=0) > 0).astype(float)
    x = lfilter([1], [1, -tilt_pole], pulses)
    x += noise * np.random.default_rng(0).normal(size=len(x))
    return (0.3 * x / np.abs(x).max()).astype(np.float32)


def flat(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.full(round(seconds * RATE), hertz)


@pytest.mark.parametrize("hertz", [90.0, 150.0, 320.0])
def test_f0_level(hertz: float) -> None:
    found = measure(Audio(voice(flat(hertz)), RATE))
    assert found.f0_level == pytest.approx(12 * np.log2(hertz / 100), abs=0.1)
    assert abs(found.f0_slope) < 0.3
    assert found.f0_range < 0.5


def test_slope_and_range_are_told_apart() -> None:
    t = np.linspace(0, 1, RATE)
    falling = measure(Audio(voice(160 * 2 ** (-6 * t / 12)), RATE))
    assert falling.f0_slope == pytest.approx(-6, abs=0.5)
    assert falling.f0_range < 0.6
    waving = measure(Audio(voice(160 * 2 ** (3 * np.sin(2 * np.pi * 4 * t) / 12)), RATE))
    # The 10th and 90th percentile of a sine of amplitude 3 lie ± 3 sin(0.4 π) about its mean.
    assert waving.f0_range == pytest.approx(6 * np.sin(0.4 * np.pi), abs=0.5)
    assert abs(waving.f0_slope) < 2


def test_energy_and_its_range() -> None:
    steady = voice(flat(150))
    loud = measure(Audio(steady, RATE))
    quiet = measure(Audio(steady * np.float32(0.1), RATE))
    assert loud.energy - quiet.energy == pytest.approx(20, abs=0.1)
    steps = steady * np.repeat([1.0, 0.25], RATE // 2).astype(np.float32)
    stepped = measure(Audio(steps, RATE))
    assert stepped.energy_range - loud.energy_range == pytest.approx(12, abs=1.5)


def test_tilt_follows_a_filter() -> None:
    dull, bright = (measure(Audio(voice(flat(150), pole), RATE)) for pole in (0.95, 0.5))
    assert dull.tilt < bright.tilt - 2


def test_breathiness_rises_with_noise() -> None:
    found = [measure(Audio(voice(flat(150), 0.9, n), RATE)).breathiness for n in (0.001, 0.05, 0.2)]
    assert found[0] + 1 < found[1]
    assert found[1] + 1 < found[2]


def test_pauses_are_not_speech() -> None:
    word = voice(flat(150, 0.6))
    gap = np.zeros(round(0.4 * RATE), np.float32)
    found = measure(Audio(np.concatenate([gap, word, gap, word, gap]), RATE))
    assert found.pauses == pytest.approx(0.4 / 1.6, abs=0.04)


def test_rate_counts_syllables_outside_pauses() -> None:
    t = np.arange(2 * RATE) / RATE
    syllables = voice(flat(150, 2)) * (0.05 + np.sin(np.pi * 4 * t) ** 2).astype(np.float32)
    assert measure(Audio(syllables, RATE)).rate == pytest.approx(4, abs=0.3)
    gap = np.zeros(RATE, np.float32)
    paused = measure(Audio(np.concatenate([syllables, gap, syllables]), RATE))
    assert paused.rate == pytest.approx(4, abs=0.5)


def test_voiceless_audio_is_refused() -> None:
    hiss = np.diff(np.random.default_rng(0).normal(0, 0.1, RATE), n=4).astype(np.float32)
    for sound in (hiss, np.zeros(RATE, np.float32)):
        with pytest.raises(AudioError, match="voiced"):
            measure(Audio(sound, RATE))


def test_nuclei_agree_with_hand_made_syllables(clips: list[Clip], shared: Path) -> None:
    folder = shared / "corpora" / "emodb" / "syllables"
    rates, inside, found = [], 0, 0
    for clip in [c for c in clips if c.corpus == "emodb"][::12]:
        syllables, start = [], 0.0
        file = folder / f"{Path(clip.path).stem}.silb"
        for line in file.read_text(encoding="latin-1").splitlines():
            end, *name = line.split()
            if name and name[0] not in ".,":
                syllables.append((start, float(end)))
            start = float(end)
        audio = clip.read()
        nuclei = syllable_nuclei(audio, analyse(audio).voiced)
        spoken = sum(end - start for start, end in syllables)
        rates.append((len(syllables) / spoken, len(nuclei) / spoken))
        inside += sum(any((start <= nuclei) & (nuclei < end)) for start, end in syllables)
        found += len(nuclei)
    assert np.corrcoef(np.log(rates).T)[0, 1] > 0.7
    assert inside / found > 0.85
