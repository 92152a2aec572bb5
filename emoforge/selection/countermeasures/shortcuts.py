"""What eight low-level features alone give away, with no ear for speech.

A detector that reaches a low EER may have learnt how files were made: their level, their silence,
their bandwidth (N. M. Müller et al., "Speech is silver, silence is golden: what do
ASVspoof-trained models really learn?", ASVspoof workshop 2021). What a logistic regression on
these features reaches is a lower bound of what can be reached without listening.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len, rfft, rfftfreq

from emoforge.audio import SILENCE_DB, Audio, speech_level
from emoforge.selection.countermeasures.error_rates import Mask, Scores
from emoforge.selection.countermeasures.front_end import RATE
from emoforge.selection.countermeasures.preparation import frame_powers, sounding

FEATURES: Mapping[str, str] = {
    "level": "active speech level (ITU-T P.56), dB relative to full scale",
    "crest": "peak above the active speech level, dB",
    "leading": "silence before the sound, s",
    "trailing": "silence after the sound, s",
    "duration": "duration, s",
    "rolloff": "frequency below which 95 % of the power lies, kHz",
    "floor": "level of the quietest twentieth of all 20 ms, dB relative to full scale",
    "high": "power above 7 kHz against all power, dB",
}
_HIGH_HZ = 7000


def measure(audio: Audio) -> npt.NDArray[np.float64]:
    """The eight features of a clip, in the order of `FEATURES`, measured at 16 kHz."""
    sound = audio.resampled(RATE)
    samples = sound.samples.astype(np.float64)
    level, _ = speech_level(sound)
    found = sounding(samples)
    size = next_fast_len(len(samples), real=True)
    power = np.abs(rfft(samples, size)) ** 2
    frequency = rfftfreq(size, 1 / RATE)
    below = np.cumsum(power) / max(power.sum(), 1e-20)
    return np.array(
        [
            level,
            _decibels(np.max(np.square(samples))) - level,
            found.start / RATE,
            max(0, len(samples) - found.stop) / RATE,
            sound.duration,
            frequency[np.searchsorted(below, 0.95)] / 1000,
            _decibels(np.quantile(frame_powers(samples), 0.05)),
            _decibels(power[frequency >= _HIGH_HZ].sum() / max(power.sum(), 1e-20)),
        ]
    )


def _decibels(power: float) -> float:
    return max(SILENCE_DB, 10 * float(np.log10(power))) if power > 0 else SILENCE_DB


@dataclass(frozen=True, slots=True, eq=False)
class ShortcutScores:
    """Scores [n] of regressions on all features, on all but one, and on one alone."""

    all: Scores
    without: Mapping[str, Scores]
    alone: Mapping[str, Scores]


def shortcut_scores(features: npt.NDArray[np.float64], spoof: Mask, train: Mask) -> ShortcutScores:
    """Fit on the rows of `train`, score all rows [n]; features: [n, 8] as `measure` gives them."""
    places = range(len(FEATURES))

    def scored(columns: Sequence[int]) -> Scores:
        return _regression(features[:, list(columns)], spoof, train)

    return ShortcutScores(
        scored(places),
        {name: scored([p for p in places if p != i]) for i, name in enumerate(FEATURES)},
        {name: scored([i]) for i, name in enumerate(FEATURES)},
    )


def _regression(features: npt.NDArray[np.float64], spoof: Mask, train: Mask) -> Scores:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    model.fit(features[train], ~spoof[train])
    return np.asarray(model.decision_function(features), np.float64)
