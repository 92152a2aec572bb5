"""Emotion profiles: how each emotion differs from the same speaker's neutral, as measured."""

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, astuple, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from emoforge.clip import Clip
from emoforge.component import rng_for
from emoforge.errors import AudioError, ConfigError, CorpusError, nearest
from emoforge.pool import process_pool
from emoforge.progress import Progress
from emoforge.synthesis.prosody.controls import CONTROLS, FACTORS, Controls
from emoforge.synthesis.prosody.energy import Floats
from emoforge.synthesis.prosody.features import FEATURES, measure

DEFAULT = Path(__file__).parent / "profiles" / "default.yaml"
"""The profile that emoforge ships."""
FEWEST_SPEAKERS = 3
"""Emotions of fewer speakers are left out: they would describe these people."""

KEPT_LEVELS_DB = 4.0
"""Corpora whose speakers' levels vary less, from clip to clip, had their levels normalised.

Measured: 8.2 dB in RAVDESS, recorded at one gain; 2.0 in EmoDB, all of whose peaks are at full
scale; 2.8 in nEMO. Their energy says nothing of the emotion and is left out.
"""

_FORMAT = 1
_RESAMPLES = 2000
_IS_FACTOR = np.array([name in FACTORS for name in FEATURES])


@dataclass(frozen=True, slots=True)
class Statistic:
    """One feature of an emotion relative to the same speaker's neutral.

    mean: difference from neutral, or the factor on it for `FACTORS`; each speaker counts once.
    low, high: its 95 % interval (bootstrap over speakers).
    spread: standard deviation between clips of one speaker; for `FACTORS` the factor that is
    one standard deviation, ≥ 1.
    speakers: how many it comes from; 0 where nothing could be measured, and nothing changes.
    """

    mean: float
    low: float
    high: float
    spread: float
    speakers: int


@dataclass(frozen=True)
class EmotionProfile:
    """Statistics of one emotion, and how many clips, speakers and corpora they come from."""

    clips: int
    speakers: int
    corpora: int
    statistics: Mapping[str, Statistic]

    @cached_property
    def linear(self) -> Mapping[str, tuple[float, float]]:
        """Mean and spread of each control; logarithms of the `FACTORS`."""
        found = self.statistics
        return {
            name: (_linear(name, found[name].mean), _linear(name, found[name].spread))
            for name in CONTROLS
        }


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus that a profile was measured on."""

    corpus: str
    licence: str
    languages: tuple[str, ...]
    clips: int
    speakers: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What was measured of each emotion.

    left_out: speaker, clip or emotion → why it is not part of the profile.
    """

    sources: tuple[Source, ...]
    emotions: Mapping[str, EmotionProfile]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def shift(self, source: str, target: str) -> dict[str, float]:
        """What turns `source` into `target`: by control; logarithms of the `FACTORS`.

        Raises ConfigError for an emotion that the profile does not have.
        """
        here, there = self._emotion(source), self._emotion(target)
        return {name: there.linear[name][0] - here.linear[name][0] for name in CONTROLS}

    def spread(self, emotion: str) -> dict[str, float]:
        """One standard deviation of each control within a speaker (logarithms, as in `shift`)."""
        return {name: spread for name, (_, spread) in self._emotion(emotion).linear.items()}

    def draw(
        self,
        source: str,
        target: str,
        strength: float,
        variation: float,
        rng: np.random.Generator,
    ) -> Controls:
        """Controls that turn `source` into `target`, with a natural difference between takes.

        strength: share of the measured shift; variation: share of the target's own spread.
        Raises ConfigError for an emotion that the profile does not have.
        """
        shift, spread = self.shift(source, target), self.spread(target)
        linear = {
            name: strength * shift[name]
            + variation * spread[name] * min(max(rng.standard_normal(), -2.0), 2.0)
            for name in CONTROLS
        }
        return Controls.within_limits(
            {
                name: round(math.exp(value) if name in FACTORS else value, 4)
                for name, value in linear.items()
            }
        )

    def _emotion(self, name: str) -> EmotionProfile:
        if name not in self.emotions:
            raise ConfigError(
                f"the emotion profile has no '{name}': {nearest(name, self.emotions)}"
            )
        return self.emotions[name]

    def save(self, path: str | Path) -> None:
        """Write the profile as YAML; what the numbers mean stands at its head."""
        import yaml

        plain = asdict(self)
        for source in plain["sources"]:
            source["languages"] = list(source["languages"])
        body = {"format": _FORMAT, **plain, "sources": list(plain["sources"])}
        text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, default_flow_style=None)
        Path(path).write_text(_HEAD + text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path = DEFAULT) -> Self:
        """Read a profile; raises ConfigError if the file is none of this version."""
        import yaml

        try:
            plain = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            if not isinstance(plain, dict) or plain.get("format") != _FORMAT:
                raise ConfigError(f"{path}: not an emotion profile of format {_FORMAT}")
            return cls(
                tuple(
                    Source(**{**s, "languages": tuple(s["languages"])}) for s in plain["sources"]
                ),
                {name: _emotion_from(values) for name, values in plain["emotions"].items()},
                plain.get("left_out") or {},
            )
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from error
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ConfigError(f"{path}: not an emotion profile ({error})") from error


_HEAD = """\
# Emotion profile: how each emotion differs from the same speaker's neutral speech.
# mean with its 95 % interval [low, high] (bootstrap over speakers, each counting once) and the
# spread between clips of one speaker (a standard deviation).
# f0_level, f0_slope: semitones; energy: dB; tilt: dB/octave; breathiness: dB; pauses: share of
# time: differences. f0_range, rate, energy_range: factors. Made by `emoforge prosody profile`.
"""


@cache
def load_profile(path: str = "") -> Profile:
    """The profile in a file, or the one that emoforge ships; read once a process."""
    return Profile.load(path or DEFAULT)


def measure_profile(
    clips: Sequence[Clip],
    progress: Progress,
    workers: int | None = None,
) -> Profile:
    """Measure each emotion of `clips` relative to the same speaker's neutral.

    A clip that cannot be measured, a speaker without neutral clips and an emotion of fewer than
    `FEWEST_SPEAKERS` speakers are left out and named. Raises CorpusError if nothing remains.

    workers: processes, all cores by default.
    """
    features, left_out = _measure_all(clips, progress, workers or os.cpu_count() or 1)
    left_out |= _drop_normalised_levels(clips, features)
    takes: dict[tuple[str, str], dict[str, list[Floats]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        if clip.id in features:
            takes[clip.corpus, clip.speaker][clip.emotion].append(features[clip.id])
    relative: dict[str, dict[tuple[str, str], Floats]] = defaultdict(dict)
    for speaker, emotions in takes.items():
        if "neutral" not in emotions:
            left_out[f"{speaker[0]}: speaker {speaker[1]}"] = "has no neutral clips"
            continue
        neutral = np.mean(emotions["neutral"], axis=0)
        for emotion, values in emotions.items():
            relative[emotion][speaker] = np.array(values) - neutral
    measured = {}
    for emotion, speakers in sorted(relative.items()):
        if len(speakers) < FEWEST_SPEAKERS:
            left_out[f"emotion {emotion}"] = (
                f"has {len(speakers)} speakers, {FEWEST_SPEAKERS} are needed"
            )
        else:
            measured[emotion] = _summarise(emotion, speakers)
    if "neutral" not in measured:
        raise CorpusError(
            f"no emotion profile can be measured: neutral clips of at least {FEWEST_SPEAKERS} "
            f"speakers are needed"
        )
    kept = {key for speakers in relative.values() for key in speakers}
    used = [c for c in clips if c.id in features and (c.corpus, c.speaker) in kept]
    return Profile(_sources(used), measured, left_out)


def _measure_all(
    clips: Sequence[Clip], progress: Progress, workers: int
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Features by clip id (`FACTORS` as logarithms), and why other clips have none."""
    features, left_out = {}, {}
    with ExitStack() as stack:
        if workers == 1:
            results: Iterable[Floats | str] = map(_measure, clips)
        else:
            pool = stack.enter_context(process_pool(workers))
            results = pool.map(_measure, clips, chunksize=16)
        advance = stack.enter_context(progress.stage("measure", len(clips)))
        for clip, result in zip(clips, results, strict=True):
            if isinstance(result, str):
                left_out[clip.id] = result
            else:
                features[clip.id] = result
            advance(1)
    return features, left_out


def _drop_normalised_levels(
    clips: Sequence[Clip], features: Mapping[str, Floats]
) -> dict[str, str]:
    """Set the energy to NaN in corpora of normalised levels; returns which and why."""
    energy = FEATURES.index("energy")
    own: dict[str, dict[str, list[Floats]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        if clip.id in features:
            own[clip.corpus][clip.speaker].append(features[clip.id])
    dropped = {}
    for corpus, speakers in own.items():
        varies = float(np.median([np.std([f[energy] for f in fs]) for fs in speakers.values()]))
        if varies < KEPT_LEVELS_DB:
            dropped[f"{corpus}: energy"] = f"levels vary by {varies:.1f} dB: they were normalised"
            for values in (f for fs in speakers.values() for f in fs):
                values[energy] = np.nan
    return dropped


def _measure(clip: Clip) -> Floats | str:
    try:
        values = np.array(astuple(measure(clip.read())))
    except AudioError as error:
        return str(error)
    return np.asarray(np.where(_IS_FACTOR, np.log(np.maximum(values, 1e-9)), values))


def _summarise(emotion: str, speakers: Mapping[tuple[str, str], Floats]) -> EmotionProfile:
    """Statistics over speakers; their clips are [clips, features] relative to neutral."""
    return EmotionProfile(
        clips=sum(len(values) for values in speakers.values()),
        speakers=len(speakers),
        corpora=len({corpus for corpus, _ in speakers}),
        statistics={
            name: _statistic((emotion, name), [values[:, i] for values in speakers.values()])
            for i, name in enumerate(FEATURES)
        },
    )


def _statistic(key: tuple[str, str], speakers: Sequence[Floats]) -> Statistic:
    """Statistic of (emotion, feature) from each speaker's clips, NaN where not known."""
    known = [values for values in speakers if not np.isnan(values).any()]
    means = np.array([values.mean() for values in known]) if known else np.zeros(1)
    draws = rng_for("profile", *key).integers(len(means), size=(_RESAMPLES, len(means)))
    low, high = np.percentile(means[draws].mean(axis=1), (2.5, 97.5))
    squares = sum(float(np.square(values - values.mean()).sum()) for values in known)
    spread = np.sqrt(squares / max(1, sum(map(len, known)) - len(known)))
    values = np.array([means.mean(), low, high, spread])
    if key[1] in FACTORS:
        values = np.exp(values)
    # + 0.0: no -0.0 in the file.
    mean, low, high, spread = (round(float(v), 3) + 0.0 for v in values)
    return Statistic(mean, low, high, spread, len(known))


def _sources(clips: Sequence[Clip]) -> tuple[Source, ...]:
    by_corpus: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_corpus[clip.corpus].append(clip)
    return tuple(
        Source(
            corpus=corpus,
            licence=", ".join(sorted({c.licence or "unknown" for c in own})),
            languages=tuple(sorted({c.language for c in own if c.language})),
            clips=len(own),
            speakers=len({c.speaker for c in own}),
        )
        for corpus, own in sorted(by_corpus.items())
    )


def _linear(name: str, value: float) -> float:
    return math.log(value) if name in FACTORS else value


def _emotion_from(plain: Mapping[str, Any]) -> EmotionProfile:
    statistics = {name: Statistic(**plain["statistics"][name]) for name in FEATURES}
    return EmotionProfile(plain["clips"], plain["speakers"], plain["corpora"], statistics)
