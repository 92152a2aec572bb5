"""Changing the prosody of a clip by stated amounts."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from emoforge.audio import Audio, level_db
from emoforge.errors import ConfigError
from emoforge.synthesis.prosody.energy import Floats, frame_energy
from emoforge.synthesis.prosody.features import f0_parts, trend_axis
from emoforge.synthesis.prosody.world import F0_CEIL, World, analyse, synthesise

PEAK = 0.99
"""Louder results are scaled down to this peak."""
TILT_PIVOT = 1000.0
"""Frequency whose level a change of tilt leaves alone, Hz."""

_D4C_RESPONSE = 0.4  # D4C measures a change of the noise at 0.4 of its dB (30 clips, ±6 dB)


@dataclass(frozen=True, slots=True)
class Controls:
    """Changes to a clip's prosody, in the units of `Features`; the defaults change nothing.

    f0_level, f0_slope: semitones; energy: dB; tilt: dB an octave; breathiness: dB; all added.
    f0_range, rate, energy_range: factors.
    Breathiness acts above 2 kHz or so: below, D4C hears hardly any noise to change.
    """

    f0_level: float = 0.0
    f0_range: float = 1.0
    f0_slope: float = 0.0
    rate: float = 1.0
    energy: float = 0.0
    energy_range: float = 1.0
    tilt: float = 0.0
    breathiness: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(
                    f"prosody control {name} must lie in [{low}, {high}], got {value}"
                )

    @classmethod
    def within_limits(cls, values: Mapping[str, float]) -> "Controls":
        """Controls of these values, each brought into its range of `LIMITS`."""
        return cls(**{k: min(max(v, LIMITS[k][0]), LIMITS[k][1]) for k, v in values.items()})

    def to_dict(self) -> dict[str, float]:
        """Plain JSON form."""
        return {name: getattr(self, name) for name in CONTROLS}


# Beyond these WORLD's speech stops to sound like a person.
LIMITS: Mapping[str, tuple[float, float]] = {
    "f0_level": (-12.0, 12.0),
    "f0_range": (0.25, 3.0),
    "f0_slope": (-12.0, 12.0),
    "rate": (0.5, 2.0),
    "energy": (-30.0, 30.0),
    "energy_range": (0.5, 2.0),
    "tilt": (-9.0, 9.0),
    "breathiness": (-8.0, 8.0),
}
CONTROLS: tuple[str, ...] = tuple(f.name for f in fields(Controls))
FACTORS = frozenset({"f0_range", "rate", "energy_range"})
"""Controls (and statistics of profiles) that multiply; all others are added."""


def transfer(audio: Audio, controls: Controls, world: World | None = None) -> Audio:
    """The clip with its prosody changed: round(n / controls.rate) samples at the same rate.

    `world` saves the analysis where there is one already. The level is the source's plus
    `controls.energy`, unless the peak would pass `PEAK`: then all of it is scaled down to that.
    Raises AudioError for audio too short to analyse.
    """
    world = world or analyse(audio)
    changed = World(
        _f0(world, controls),
        world.spectrum * _spectral_gain(audio, world, controls),
        _aperiodicity(world, controls),
        world.rate,
        world.length,
    )
    samples = synthesise(changed, controls.rate)
    # WORLD's output is up to 1 dB louder than its input, and tilt changes the level too.
    samples *= 10 ** ((level_db(audio.samples) + controls.energy - level_db(samples)) / 20)
    peak = float(np.abs(samples).max(initial=0.0))
    return Audio(samples if peak <= PEAK else samples * (PEAK / peak), audio.rate)


def _f0(world: World, controls: Controls) -> Floats:
    """F0 with its level, its trend and its excursions about that trend changed apart."""
    f0 = world.f0.copy()
    if world.voiced.any():
        level, slope, excursion = f0_parts(world)
        line = (slope + controls.f0_slope) * trend_axis(world)
        semitones = level + controls.f0_level + line + controls.f0_range * excursion
        f0[world.voiced] = np.clip(100 * 2 ** (semitones / 12), 40.0, 1.5 * F0_CEIL)
    return f0


def _spectral_gain(audio: Audio, world: World, controls: Controls) -> Floats:
    """Power gain a frame and bin, [T, B] (or broadcastable to it)."""
    frequencies = np.linspace(0, world.rate / 2, world.spectrum.shape[1])
    # Flat below 100 Hz: there is no speech there to boost.
    octaves = np.log2(np.maximum(frequencies, 100.0) / TILT_PIVOT)
    gain = controls.tilt * octaves[np.newaxis, :]
    if controls.energy_range != 1 and world.voiced.any():
        energy = frame_energy(audio)
        deviation = energy - energy[world.voiced].mean()
        low, high = np.percentile(deviation[world.voiced], (2, 98))
        # Silence and noise floors stay where the quietest voice is taken to.
        gain = gain + ((controls.energy_range - 1) * np.clip(deviation, low, high))[:, np.newaxis]
    return np.asarray(10 ** (gain / 10))


def _aperiodicity(world: World, controls: Controls) -> Floats:
    """Noise in voiced frames, its power relative to the harmonics' changed everywhere alike."""
    if controls.breathiness == 0:
        return world.aperiodicity
    noise = np.square(world.aperiodicity)
    raised = noise * 10 ** (controls.breathiness / _D4C_RESPONSE / 10)
    # Unvoiced frames are noise already.
    changed = np.where(world.voiced[:, np.newaxis], raised / (1 - noise + raised), noise)
    return np.asarray(np.sqrt(changed))
