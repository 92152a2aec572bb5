"""What is measured of a clip's prosody."""

from dataclasses import dataclass, fields

import numpy as np

from emoforge.audio import Audio
from emoforge.errors import AudioError
from emoforge.synthesis.prosody.energy import (
    FRAME,
    Bools,
    Floats,
    active_frames,
    decibels,
    frame_energy,
    window_mean,
)
from emoforge.synthesis.prosody.world import World, analyse

SHORTEST_PAUSE = 0.15
"""Shorter gaps inside speech are closures of stops, not pauses, seconds."""
FEWEST_VOICED = 10
"""Voiced frames (50 ms of them) below which nothing is said about voice."""

_NUCLEUS_BAND = (60.0, 4000.0)
_NUCLEUS_WINDOW = 0.05
_NUCLEUS_DIP_DB = 1.5
_NUCLEUS_FLOOR_DB = 25.0
_NUCLEUS_NEAR = 0.03
_TILT_BAND = (200.0, 5000.0)
# D4C measures aperiodicity in bands about multiples of 3 kHz and interpolates between them.
_BREATH_BAND = (2500.0, 3500.0)


@dataclass(frozen=True, slots=True)
class Features:
    """Prosody of one clip.

    f0_level: mean F0 of the voiced frames, semitones above 100 Hz.
    f0_range: 10th to 90th percentile of F0 about its trend, semitones, > 0.
    f0_slope: trend of F0 (least squares) from the first to the last voiced frame, semitones.
    rate: syllable nuclei a second of speech, pauses left out, > 0.
    energy: mean power of the speech frames, dB re full scale.
    energy_range: 10th to 90th percentile of the voiced frames' energy, dB, > 0.
    tilt: slope of the voiced frames' mean power spectrum, 200 Hz to 5 kHz, dB an octave.
    breathiness: noise over harmonics in voiced frames, 2.5 to 3.5 kHz, dB.
    pauses: share of the time between the first and last speech that is silent, in [0, 1).
    """

    f0_level: float
    f0_range: float
    f0_slope: float
    rate: float
    energy: float
    energy_range: float
    tilt: float
    breathiness: float
    pauses: float


FEATURES: tuple[str, ...] = tuple(f.name for f in fields(Features))


def measure(audio: Audio, world: World | None = None) -> Features:
    """Prosody of a clip; `world` saves the analysis where there is one already.

    Raises AudioError where hardly anything is voiced (`FEWEST_VOICED`), or it is too short.
    """
    world = world or analyse(audio)
    voiced = world.voiced
    if voiced.sum() < FEWEST_VOICED:
        raise AudioError(
            f"only {voiced.sum() * FRAME:.3f} s of the clip is voiced, "
            f"prosody needs {FEWEST_VOICED * FRAME} s"
        )
    energy = frame_energy(audio)
    active = active_frames(energy)
    paused = _paused(active)
    level, slope, excursion = f0_parts(world)
    return Features(
        f0_level=level,
        f0_range=_spread(excursion),
        f0_slope=slope,
        rate=max(1, len(syllable_nuclei(audio, voiced))) / spoken_time(active),
        energy=float(10 * np.log10(np.mean(10 ** (energy[active] / 10)))),
        energy_range=_spread(energy[voiced]),
        tilt=_tilt(world),
        breathiness=_breathiness(world),
        pauses=float(paused.mean()),
    )


def spoken_time(active: Bools) -> float:
    """Seconds from the first to the last speech frame, pauses left out; `active` is [T]."""
    return float(np.count_nonzero(~_paused(active)) * FRAME)


def _paused(active: Bools) -> Bools:
    """Which frames from the first to the last of speech are pauses."""
    first, last = np.flatnonzero(active)[[0, -1]]
    return _runs(~active[first : last + 1], SHORTEST_PAUSE)


def f0_parts(world: World) -> tuple[float, float, Floats]:
    """Level, slope (both as in `Features`) and the excursions about that line.

    The excursions are [V], one a voiced frame, in semitones, with mean 0.
    """
    semitones = 12 * np.log2(world.f0[world.voiced] / 100)
    line = trend_axis(world)
    slope = float(line @ semitones / (line @ line))
    level = float(semitones.mean())
    return level, slope, semitones - level - slope * line


def trend_axis(world: World) -> Floats:
    """Place of each voiced frame between the first (0) and the last (1), minus its mean: [V]."""
    at = np.flatnonzero(world.voiced).astype(np.float64)
    at /= max(1.0, at[-1] - at[0])
    return np.asarray(at - at.mean())


def syllable_nuclei(audio: Audio, voiced: Bools) -> Floats:
    """Times of syllable nuclei, seconds, rising.

    Intensity peaks in or next to voiced speech (`voiced` is [T], `FRAME` seconds apart), each
    rising at least 1.5 dB out of its surroundings, after de Jong and Wempe (2009, Behavior
    Research Methods 41). Against the hand-made syllables of 361 EmoDB clips: 89 % of the nuclei
    lie in a syllable of their own, 77 % of the syllables are found, and the rates correlate .81.
    """
    from scipy.signal import butter, find_peaks, sosfiltfilt

    top = min(_NUCLEUS_BAND[1], 0.45 * audio.rate)
    band = butter(2, (_NUCLEUS_BAND[0], top), "bandpass", fs=audio.rate, output="sos")
    power = np.square(sosfiltfilt(band, audio.samples.astype(np.float64)))
    intensity = decibels(window_mean(power, audio.rate, _NUCLEUS_WINDOW / 2))
    intensity = _smooth(intensity, _NUCLEUS_WINDOW)
    floor = np.percentile(intensity, 95) - _NUCLEUS_FLOOR_DB
    peaks, _ = find_peaks(intensity, height=floor, prominence=_NUCLEUS_DIP_DB)
    reach = np.ones(2 * round(_NUCLEUS_NEAR / FRAME) + 1)
    near = np.convolve(voiced, reach, mode="same") > 0.5
    return np.asarray(peaks[near[peaks]] * FRAME)


def _tilt(world: World) -> float:
    """Least-squares slope over log frequency, each octave weighing the same."""
    octaves = np.log2(np.maximum(_bins(world), 1.0))
    mean_db = decibels(world.spectrum[world.voiced].mean(axis=0))
    top = min(_TILT_BAND[1], world.rate / 2)
    grid = np.linspace(np.log2(_TILT_BAND[0]), np.log2(top), 64)
    return float(np.polyfit(grid, np.interp(grid, octaves, mean_db), 1)[0])


def _breathiness(world: World) -> float:
    low, high = np.searchsorted(_bins(world), _BREATH_BAND)
    noise = np.square(world.aperiodicity[world.voiced, low:high])
    # D4C marks frames that it holds for unvoiced as noise throughout: nothing to learn there.
    noise = noise[noise.max(axis=1) < 0.99]
    return float(np.median(noise_to_harmonics(noise))) if len(noise) else 0.0


def noise_to_harmonics(noise: Floats) -> Floats:
    """dB of noise over harmonics, from the share of noise in the power, in (0, 1)."""
    return np.asarray(10 * np.log10(noise / (1 - noise)))


def _bins(world: World) -> Floats:
    return np.linspace(0, world.rate / 2, world.spectrum.shape[1])


def _spread(values: Floats) -> float:
    """10th to 90th percentile, kept above 0 so that ratios of it exist."""
    low, high = np.percentile(values, (10, 90))
    return max(0.01, float(high - low))


def _smooth(values: Floats, window: float) -> Floats:
    """Hann-weighted mean over `window` seconds."""
    kernel = np.hanning(round(window / FRAME) + 2)[1:-1]
    padded = np.pad(values, len(kernel) // 2, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")[: len(values)]


def _runs(mask: Bools, shortest: float) -> Bools:
    """`mask` without its runs shorter than `shortest` seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    kept = np.zeros_like(mask)
    for start, stop in edges.reshape(-1, 2):
        kept[start:stop] = (stop - start) * FRAME >= shortest
    return kept
