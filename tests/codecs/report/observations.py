"""Observations as a run gives them, with losses that are known: worlds to test reports on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.codecs.report.observed import Condition, Observed, View
from emoforge.label import WIDE8, Scheme
from emoforge.selection.measures import Result

RATES: dict[str, Sequence[float]] = {
    "aac": (24, 32, 48, 64),
    "alaw": (64,),
    "amr_nb": (4.75, 5.9, 7.95, 10.2, 12.2),
    "codec2": (0.7, 1.2, 1.6, 2.4, 3.2),
    "dac_16khz": (0.5, 1, 2, 4, 6),
    "encodec": (1.5, 3, 6, 12, 24),
    "g722": (48, 64),
    "g723_1": (6.3,),
    "g726": (16, 24, 32, 40),
    "gsm": (13.2,),
    "lyra": (3.2, 6, 9.2),
    "mp3": (16, 32, 64),
    "mulaw": (64,),
    "opus": (6, 8, 12, 16, 24, 32, 64),
    "speex": (4, 8, 15, 24.6),
}
FRAGILITY = {
    "angry": 0.5, "bored": 1.2, "calm": 0.9, "disgusted": 1.3, "fearful": 1.5, "happy": 1.0,
    "neutral": 0.3, "sad": 1.4, "surprised": 0.8,
}  # fmt: skip
CORPORA = {
    "ravdess": ("en", 24, WIDE8.classes),
    "emodb": ("de", 10, ("angry", "disgusted", "fearful", "happy", "neutral", "sad")),
    "nemo": ("pl", 9, ("angry", "fearful", "happy", "neutral", "sad", "surprised")),
}
RESULTS = (
    Result("js", "posterior divergence", "bit", "lower", "emotion"),
    Result("cosine", "embedding cosine", "", "higher", "emotion"),
    Result("f0_correlation", "F0 correlation", "", "higher", "prosody"),
    Result("f0_rmse_cents", "F0 error", "cents", "lower", "prosody"),
    Result("voicing", "voicing errors", "", "lower", "prosody"),
    Result("rate", "speaking-rate error", "", "lower", "prosody"),
    Result("mel", "mel distance", "dB", "lower", "signal"),
    Result("si_sdr", "SI-SDR", "dB", "higher", "signal"),
    Result("stoi", "STOI", "", "higher", "signal"),
    Result("pesq", "PESQ", "MOS", "higher", "signal"),
    Result("speaker", "speaker similarity", "", "higher", "speaker"),
    Result("dnsmos", "DNSMOS OVRL", "MOS", "higher", "quality", alone=True),
    Result("nisqa", "NISQA", "MOS", "higher", "quality", alone=True),
)


def conditions(rates: dict[str, Sequence[float]] = RATES) -> list[Condition]:
    rng = np.random.default_rng(3)
    made = [Condition("original", "original")]
    for codec, points in rates.items():
        for rate in points:
            kbps = float(rate * rng.uniform(0.95, 1.05))
            made.append(Condition(f"{codec}@{rate:g}", "codec", codec, rate, kbps, 16000, 6.5))
    made.append(Condition("low-pass 3.5 kHz", "anchor"))
    made.append(Condition("random label", "anchor"))
    return made


def loss_of(condition: Condition) -> float:
    """Share of the answers that the condition turns into chance, before an emotion's fragility."""
    if condition.kind == "original":
        return 0.0
    if condition.kind == "anchor":
        return 0.12 if condition.name.startswith("low") else 1.0
    strength = 1.6 if condition.codec in ("codec2", "amr_nb", "speex") else 1.0
    return float(strength * 0.45 * np.exp(-np.log1p(condition.kbps or 0) * 0.9))


def observed(
    *,
    clips: int = 60,
    rates: dict[str, Sequence[float]] = RATES,
    corpora: Sequence[str] = tuple(CORPORA),
    speakers: int | None = None,
    emotions: Sequence[str] | None = None,
    scheme: Scheme = WIDE8,
    seed: int = 0,
    views: Sequence[View] = ("frozen", "crossfit", "retrained"),
    **more: Any,
) -> Observed:
    """A run over `clips` of every speaker; rate-dependent losses, larger for fragile emotions."""
    rng = np.random.default_rng(seed)
    names: dict[str, list[str]] = {"corpus": [], "language": [], "speaker": []}
    labels: list[int] = []
    for corpus in corpora:
        language, people, own = CORPORA[corpus]
        for i in range(speakers or people):
            for j in range(clips):
                names["corpus"].append(corpus)
                names["language"].append(language)
                names["speaker"].append(f"{corpus}_{i:02}")
                chosen = emotions or own
                labels.append(scheme.index(chosen[j % len(chosen)]))
    truth = np.array(labels, np.int64)
    n, k = len(truth), len(scheme.classes)
    made = conditions(rates)
    people, place = np.unique(names["speaker"], return_inverse=True)
    fragile = np.array([FRAGILITY[name] for name in scheme.classes])[truth]
    skill = 0.72 + 0.08 * rng.standard_normal(len(people))[place] - 0.05 * fragile
    luck, other = rng.random(n), rng.integers(0, k, n)
    heard: dict[View, npt.NDArray[np.int64]] = {}
    for view in views:
        scale = {"frozen": 1.0, "crossfit": 0.9, "retrained": 0.4}[view]
        rows = []
        for one in made:
            lost = np.clip(scale * loss_of(one) * fragile, 0, 1) * (
                1 + 0.25 * rng.standard_normal(len(people))[place]
            )
            right = luck < skill
            turned = rng.random(n) < (1.0 if one.name == "random label" else lost)
            answer = np.where(right, truth, other)
            rows.append(np.where(turned, rng.integers(0, k, n), answer))
        heard[view] = np.stack(rows)
        heard[view][-3, ::97] = -1
    measured = {}
    for result in RESULTS:
        sign = 1 if result.better == "lower" else -1
        middle, spread = {
            "js": (0, 0.6), "f0_rmse_cents": (0, 160), "mel": (0, 18), "si_sdr": (30, 60),
            "pesq": (4.5, 5), "dnsmos": (3.1, 1.8), "nisqa": (3.6, 2.2), "rate": (0, 0.4),
            "voicing": (0, 0.4),
        }.get(result.name, (1.0, 0.6))  # fmt: skip
        values = np.stack(
            [middle + sign * spread * loss_of(one) * rng.uniform(0.6, 1.4, n) for one in made]
        ).astype(np.float32)
        values[-1] = np.nan
        if result.name == "si_sdr":
            values[0] = np.nan
        measured[result.name] = values
    return Observed(
        scheme,
        [f"{names['corpus'][i]}/{i:05}" for i in range(n)],
        names["corpus"],
        names["language"],
        names["speaker"],
        truth,
        made,
        heard,
        measured,
        np.repeat(np.array([[one.kbps or np.nan] for one in made], np.float32), n, axis=1),
        RESULTS,
        **more,
    )
