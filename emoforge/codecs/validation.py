"""`emoforge codecs validate`: do the measures say what listeners say?

The listeners rated codecs in a MUSHRA test (ITU-R BS.1534): several codings of one utterance side
by side, from 0 to 100. Each measure hears the same pairs of original and coding, and is compared
with the mean score, per recording and per codec.
"""

import ast
import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from emoforge.audio import Audio, Samples, fit, read
from emoforge.codecs.report import COSINE, DIVERGENCE, centred_cosine, divergence
from emoforge.component import create, rng_for
from emoforge.errors import AudioError, ConfigError, CorpusError
from emoforge.label import scheme
from emoforge.progress import Progress
from emoforge.selection import Encoding, Judge
from emoforge.selection.judges import chosen_scheme
from emoforge.selection.measures import Measure, Result

RATINGS = "ratings_formated_filtered.csv"
DRAWS = 2000
"""Draws of the bootstrap."""
LATEST_S = 0.1
"""Delays up to this are looked for."""
KEPT = 0.5
"""Correlation above which a codec counts as one that keeps the waveform."""
STRONG = 0.5
"""Correlations above this are large by the usual word (J. Cohen 1988)."""

_ENVELOPE_S = 0.001
_SMOOTH_S = 0.02

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValidationConfig:
    """What `configs/codecs_validate.yaml` says.

    measures: name → options. judge: options, with `name`. out: a CSV file.
    """

    folder: str
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    judge: dict[str, Any] = field(default_factory=lambda: {"name": "embedded"})
    out: str | None = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation and its 95 % interval; above 0: the measure agrees with the listeners."""

    value: float
    low: float
    high: float

    @property
    def word(self) -> str:
        """How much the interval shows."""
        if self.low > STRONG:
            return "strong agreement"
        if self.low > 0:
            return "agreement"
        if self.high < 0:
            return "contradiction"
        return "not shown"


@dataclass(frozen=True, slots=True)
class Coding:
    """One codec at one rate, as the listeners heard it.

    score: mean of the ratings, 0 to 100, over the signals' means. delay_ms: found, and taken out
    before measuring. waveform: correlation of the waveforms in time, median over the signals.
    """

    name: str
    score: float
    delay_ms: float
    waveform: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one result of a measure agrees with the listeners; pairs: how many it has a number for.

    item: over all recordings; system: over the codecs' means.
    """

    result: Result
    pairs: int
    item_spearman: Correlation
    item_pearson: Correlation
    system_spearman: Correlation
    system_pearson: Correlation

    @property
    def verdict(self) -> str:
        """In words, what the intervals of the rank correlations allow to say."""
        codecs, recordings = self.system_spearman.word, self.item_spearman.word
        return f"codecs: {codecs}; recordings: {recordings}"


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of it. signals: utterances; participants: listeners."""

    signals: int
    participants: int
    codings: Sequence[Coding]
    agreements: Sequence[Agreement]

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a result, for a table."""
        return [
            {
                "result": one.result.name,
                "group": one.result.group,
                "better": one.result.better,
                "pairs": one.pairs,
                **{
                    f"{name}{suffix}": getattr(getattr(one, name), field)
                    for name in _LEVELS
                    for suffix, field in (("", "value"), ("_low", "low"), ("_high", "high"))
                },
                "verdict": one.verdict,
            }
            for one in self.agreements
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form; a correlation that does not exist is None."""
        return {
            "signals": self.signals,
            "participants": self.participants,
            "codings": [asdict(one) for one in self.codings],
            "agreements": [
                {key: None if value != value else value for key, value in row.items()}
                for row in self.rows()
            ],
        }

    def print(self) -> None:
        """Show it on standard output."""
        from rich.console import Console
        from rich.table import Table

        console = Console(markup=False)
        codings = Table(title="What listeners heard", title_justify="left", box=None)
        for column in ("codec", "score", "delay ms", "waveform r"):
            codings.add_column(column, justify="left" if column == "codec" else "right")
        for coding in self.codings:
            codings.add_row(
                coding.name,
                f"{coding.score:.1f}",
                f"{coding.delay_ms:.1f}",
                f"{coding.waveform:.2f}",
            )
        console.print(codings)
        title = (
            f"Rank correlation with {self.participants} listeners, {self.signals} utterances, "
            f"{len(self.codings)} codecs (95 % interval)"
        )
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in ("measure", "recordings", "", "codecs", ""):
            table.add_column(column, no_wrap=True)
        for one in self.agreements:
            table.add_row(
                one.result.name,
                *_text(one.item_spearman),
                *_text(one.system_spearman),
            )
        console.print(table)
        console.print(
            "The intervals are over listeners and utterances; other codecs may rank otherwise.\n"
            "A draw is noisier than the whole, so a very high value may lie above its interval."
        )


_LEVELS = ("item_spearman", "item_pearson", "system_spearman", "system_pearson")


# So that the table fits a terminal.
_SHORT = {
    "strong agreement": "strong",
    "agreement": "agrees",
    "contradiction": "opposes",
    "not shown": "not shown",
}


def _text(one: Correlation) -> tuple[str, str]:
    if np.isnan(one.value):
        return "none", ""
    value, low, high = (f"{x:+.2f}".replace("0.", ".") for x in (one.value, one.low, one.high))
    return f"{value} [{low}, {high}]", _SHORT[one.word]


def validate_measures(config: ValidationConfig, progress: Progress | None = None) -> Validation:
    """`validate` with the measures of a configuration; writes their rows to `out`, if it is set."""
    measures = [
        cast(Measure, create("measure", name, own)) for name, own in config.measures.items()
    ]
    own = dict(config.judge)
    judge = cast(Judge, create("judge", str(own.pop("name", "")), own))
    judge.check_requirements()
    found = validate(Path(config.folder), measures, judge, progress)
    if config.out:
        rows = found.rows()
        try:
            with Path(config.out).open("w", encoding="utf-8", newline="") as file:
                table = csv.DictWriter(file, rows[0].keys())
                table.writeheader()
                table.writerows(rows)
        except OSError as error:
            raise ConfigError(f"out={config.out}: cannot be written ({error.strerror})") from error
    return found


def validate(
    folder: Path,
    measures: Sequence[Measure],
    judge: Judge | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Compare measures, and what a judge hears, with the ratings in `folder`.

    judge: the divergence of its distributions, if it has a classifier, and the centred cosine of
        its embeddings to the original's are compared too, as in the report.

    folder: `ratings_formated_filtered.csv` and `audio/`, as `mushra_results_dataset` of
        github.com/BenjSta/bernoulli-var-speech-codec has them (B. Stahl et al., IEEE Access 12,
        2024, CC BY 4.0). The hidden reference is the original; it is not rated among the codecs,
        for a measure that compares with the original is perfect there by definition. Conditions
        without audio (the anchor) are left out.

    A codec's delay, the median over the signals, is taken out before measuring: of the waveform
    where the codec keeps it, of the energy contour where it makes another waveform. Measures are
    brought to "higher is better". The intervals are percentiles of a bootstrap that draws signals
    and participants anew, independently: a draw's score of a recording is the mean over the drawn
    participants that rated it. The codecs are not drawn: nothing is said of others.

    Raises CorpusError for a folder without such ratings, AudioError for audio that cannot be read.
    """
    progress = progress or Progress()
    ratings = _read_ratings(folder)
    for measure in measures:
        measure.check_requirements()
        measure.setup()
    results = [result for measure in measures for result in measure.results]
    values = np.full((len(results), len(ratings.signals), len(ratings.conditions)), np.nan)
    # Small networks and short arrays are faster on one thread.
    with threadpool_limits(1):
        delays, waveform = _delays(ratings, progress)
        total = len(ratings.signals) * len(ratings.conditions)
        with progress.stage("measures", total) as advance:
            for s in range(len(ratings.signals)):
                original, others = ratings.sounds(s)
                prepared = [_prepared(measure, original) for measure in measures]
                for c, other in enumerate(others):
                    timely = _shifted(other, round(delays[c] * other.rate))
                    numbers: dict[str, float] = {}
                    for measure, ready in zip(measures, prepared, strict=True):
                        numbers |= _compared(measure, ready, timely)
                    values[:, s, c] = [numbers[result.name] for result in results]
                    advance(1)
    if judge:
        heard = _judged(judge, ratings, delays)
        results += [*heard]
        values = np.concatenate([values, np.stack([*heard.values()])])
    scores = np.nanmean(ratings.scores, axis=2)
    codings = [
        Coding(name, float(scores[:, c].mean()), 1000 * float(delays[c]), float(waveform[c]))
        for c, name in enumerate(ratings.conditions)
    ]
    agreements = list(_agreements(results, values, ratings.scores))
    return Validation(len(ratings.signals), ratings.scores.shape[2], codings, agreements)


def _judged(judge: Judge, ratings: "_Ratings", delays: Floats) -> dict[Result, Floats]:
    """What a judge makes of the pairs, [signals, conditions] each; NaN: it cannot hear one."""
    judge.setup()
    sounds = []  # signals by signals: the original, then its codings
    for s in range(len(ratings.signals)):
        original, others = ratings.sounds(s)
        timely = [
            _shifted(other, round(delay * other.rate))
            for other, delay in zip(others, delays, strict=True)
        ]
        sounds += [one.resampled(judge.rate).samples for one in (original, *timely)]
    answers = judge.encode(sounds)
    sound = [one for one in answers if isinstance(one, Encoding)]
    if not sound:
        return {}
    embeddings = np.full((len(answers), *sound[0].embedding.shape), np.nan, np.float32)
    known = np.array([isinstance(one, Encoding) for one in answers])
    embeddings[known] = np.stack([one.embedding for one in sound])
    shape = (len(ratings.signals), 1 + len(ratings.conditions))
    grid = embeddings.reshape(*shape, -1)
    there = known.reshape(shape)
    corpus = np.full(len(ratings.signals), "")
    columns = range(1, shape[1])
    cosines = [
        centred_cosine(grid[:, c], grid[:, 0], corpus, there[:, c] & there[:, 0]) for c in columns
    ]
    found = {COSINE: np.stack(cosines, 1).astype(np.float64)}
    if judge.schemes:
        name = chosen_scheme(judge)
        told = np.full((len(answers), len(scheme(name).classes)), np.nan, np.float32)
        told[known] = [one[name] for one in judge.distributions(sound)]
        posteriors = told.reshape(*shape, -1)
        pairs = [divergence(posteriors[:, c], posteriors[:, 0]) for c in columns]
        found[DIVERGENCE] = np.stack(pairs, 1).astype(np.float64)
    return found


# --- the listeners ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ratings:
    """scores: [signals, conditions, participants], NaN: not rated; files: [signals][conditions]."""

    signals: Sequence[str]
    conditions: Sequence[str]
    scores: Floats
    references: Sequence[Path]
    files: Sequence[Sequence[Path]]

    def sounds(self, signal: int) -> tuple[Audio, list[Audio]]:
        """The original and its codings, at one rate and of one length."""
        original = read(self.references[signal])
        others = [read(file).resampled(original.rate) for file in self.files[signal]]
        length = len(original.samples)
        return original, [Audio(fit(other.samples, length), original.rate) for other in others]


def _read_ratings(folder: Path) -> _Ratings:
    table = folder / RATINGS
    try:
        with table.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except OSError as error:
        raise CorpusError(f"{table}: cannot be read ({error.strerror or error})") from error
    rated: dict[tuple[str, str], dict[int, float]] = {}
    files: dict[tuple[str, str], Path] = {}
    for number, row in enumerate(lines, 2):
        try:
            if not row["file"]:
                continue
            key = row["signal"], row["condition"]
            people, scores = (
                ast.literal_eval(row[name]) for name in ("participant_ids", "ratings")
            )
            rated[key] = {int(one): float(score) for one, score in zip(people, scores, strict=True)}
            files[key] = _found(folder / "audio" / row["file"])
        except (KeyError, TypeError, ValueError, SyntaxError) as error:
            raise CorpusError(
                f"{table}, line {number}: not a signal, condition, ratings, participant_ids and "
                f"file ({error})"
            ) from error
    signals = sorted({signal for signal, _ in rated})
    conditions = list(dict.fromkeys(condition for _, condition in rated))
    if "Reference" not in conditions or len(conditions) < 4 or len(signals) < 2:
        raise CorpusError(
            f"{table}: {len(signals)} signals under {len(conditions)} conditions with audio; "
            "needs 2 signals or more, 'Reference' and 3 codecs"
        )
    conditions.remove("Reference")
    for signal in signals:
        for condition in ("Reference", *conditions):
            if (signal, condition) not in rated:
                raise CorpusError(f"{table}: '{signal}' has no line for '{condition}'")
    people = sorted({one for by in rated.values() for one in by})
    scores = np.array(
        [[[rated[s, c].get(one, np.nan) for one in people] for c in conditions] for s in signals]
    )
    return _Ratings(
        signals,
        conditions,
        scores,
        [files[signal, "Reference"] for signal in signals],
        [[files[signal, condition] for condition in conditions] for signal in signals],
    )


def _found(file: Path) -> Path:
    """The file, or the same as FLAC: the table names the WAV files that were played."""
    flac = file.with_suffix(".flac")
    return flac if flac.is_file() else file


# --- in time ----------------------------------------------------------------------------------


def _delays(ratings: _Ratings, progress: Progress) -> tuple[Floats, Floats]:
    """Seconds that each condition is late, and its correlation of waveforms: [conditions] each."""
    found: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    with progress.stage("delays", len(ratings.signals)) as advance:
        for s in range(len(ratings.signals)):
            original, others = ratings.sounds(s)
            for c, other in enumerate(others):
                found[c].append(_lags(original, other))
            advance(1)
    wave, kept, contour = np.median([found[c] for c in range(len(found))], axis=1).T
    return np.where(kept > KEPT, wave, contour), kept


def _lags(original: Audio, other: Audio) -> tuple[float, float, float]:
    """Lag of the waveform in seconds, its correlation there, and lag of the energy contour."""
    rate = original.rate
    lag, height = _peak(original.samples, other.samples, round(LATEST_S * rate))
    steps = round(LATEST_S / _ENVELOPE_S)
    contour, _ = _peak(_contour(original.samples, rate), _contour(other.samples, rate), steps)
    return lag / rate, height, contour * _ENVELOPE_S


def _contour(samples: Samples, rate: int) -> Floats:
    """Logarithmic energy, 1 ms apart, around its mean."""
    kernel = np.hanning(round(_SMOOTH_S * rate))
    power = np.convolve(np.square(samples, dtype=np.float64), kernel / kernel.sum(), mode="same")
    at = np.arange(0, len(samples), rate * _ENVELOPE_S).astype(int)
    level = np.log(power[at] + 1e-6)
    return np.asarray(level - level.mean())


def _peak(sent: npt.NDArray[Any], back: npt.NDArray[Any], reach: int) -> tuple[int, float]:
    """Steps, at most `reach`, by which `back` is late (< 0: early), and the correlation there."""
    size = 1 << (2 * len(sent) - 1).bit_length()
    spectrum = np.fft.rfft(back, size) * np.conj(np.fft.rfft(sent, size))
    products = np.roll(np.fft.irfft(spectrum, size), reach)[: 2 * reach + 1]
    scale = float(np.linalg.norm(sent) * np.linalg.norm(back))
    place = int(np.argmax(products))
    return place - reach, float(products[place]) / scale if scale else 0.0


def _shifted(audio: Audio, lag: int) -> Audio:
    """The sound `lag` samples earlier, as long as before."""
    moved = audio.samples[lag:] if lag >= 0 else np.pad(audio.samples, (-lag, 0))
    return Audio(fit(moved, len(audio.samples)), audio.rate)


# --- the measures -----------------------------------------------------------------------------


def _prepared(measure: Measure, original: Audio) -> Any:
    try:
        return measure.prepare(original)
    except AudioError as error:
        return error


def _compared(measure: Measure, prepared: Any, other: Audio) -> Mapping[str, float]:
    if isinstance(prepared, AudioError):
        return measure.none()
    try:
        return measure.compare(prepared, other)
    except AudioError:
        return measure.none()


# --- agreement --------------------------------------------------------------------------------


def _agreements(results: Sequence[Result], values: Floats, scores: Floats) -> Iterator[Agreement]:
    """values: [results, signals, conditions]; scores: [signals, conditions, participants]."""
    signs = [1 if result.better == "higher" else -1 for result in results]
    signed = values * np.array(signs)[:, None, None]
    signals, _, people = scores.shape
    rng = rng_for("codecs validate")
    found = [_correlations(signed, np.nanmean(scores, axis=2))]
    rated, given = ~np.isnan(scores), np.nan_to_num(scores)
    for _ in range(DRAWS):
        times = np.bincount(rng.integers(people, size=people), minlength=people)
        drawn = rng.integers(signals, size=signals)
        heard = rated @ times
        means = np.where(heard > 0, given @ times, np.nan) / np.maximum(heard, 1)
        found.append(_correlations(signed[:, drawn], means[drawn]))
    whole, draws = found[0], np.stack(found[1:])
    for r, result in enumerate(results):
        levels = []
        for k in range(len(_LEVELS)):
            some = draws[:, r, k][~np.isnan(draws[:, r, k])]
            low, high = np.percentile(some, (2.5, 97.5)) if len(some) else (np.nan, np.nan)
            levels.append(Correlation(float(whole[r, k]), float(low), float(high)))
        yield Agreement(result, int(np.count_nonzero(~np.isnan(values[r]))), *levels)


def _correlations(values: Floats, scores: Floats) -> Floats:
    """The four correlations in the order of `_LEVELS`, a row for each of the results."""
    rows = []
    for own in values:
        both = ~np.isnan(own) & ~np.isnan(scores)
        counts = both.sum(axis=0)
        means = [
            np.where(both, one, 0).sum(axis=0)[counts > 0] / counts[counts > 0]
            for one in (own, scores)
        ]
        rows.append([*_pair(own[both], scores[both]), *_pair(*means)])
    return np.array(rows)


def _pair(a: Floats, b: Floats) -> tuple[float, float]:
    """Spearman's and Pearson's correlation."""
    from scipy.stats import rankdata

    return _pearson(rankdata(a), rankdata(b)), _pearson(a, b)


def _pearson(a: Floats, b: Floats) -> float:
    if len(a) < 3:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 1e-12 else float("nan")
