"""Gates, and the fingerprints and pitch that they measure with."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.audio import SILENCE_DB, Audio, Samples, read, speech_level
from emoforge.augment.signal.operations import OPERATIONS
from emoforge.component import Promise, component_class, create, registered, rng_for
from emoforge.errors import ConfigError
from emoforge.label import Label
from emoforge.selection.fingerprint import fingerprint, similarity
from emoforge.selection.gates import Gate, Given, first_rejection, measure_all
from emoforge.selection.gates.signal import (
    Clipping,
    Decodable,
    Duplicate,
    Duration,
    Finite,
    Level,
    Silence,
    Voiced,
)
from emoforge.selection.pitch import periodicity

GATES: tuple[Gate, ...] = (
    Finite(), Decodable(), Duration(), Silence(), Clipping(), Level(), Voiced(), Duplicate(),
)  # fmt: skip


def promise(seconds: float) -> Promise:
    return Promise(Label.of("neutral"), "s", seconds, None, None)


def hum(seconds: float = 2.0, rate: int = 16000, f0: float = 150.0) -> Samples:
    t = np.arange(round(seconds * rate)) / rate
    tones = sum(np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 12) if k * f0 < rate / 2.2)
    return (0.1 * tones * (0.1 + np.square(np.sin(np.pi * t / 0.3)))).astype(np.float32)


def white(length: int, rms: float, seed: int = 0) -> Samples:
    return (rms * np.random.default_rng(seed).standard_normal(length)).astype(np.float32)


@pytest.fixture(scope="module")
def real(shared: Path) -> list[Audio]:
    """48 clips from all over the corpora."""
    with (shared / "corpora" / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [read(shared / "corpora" / row["path"]) for row in rows[:: len(rows) // 47]]


# --- real and broken audio ----------------------------------------------------------------------


def test_real_clips_pass_every_gate(real: list[Audio]) -> None:
    for audio in real:
        values = measure_all(GATES, audio, Given(promise(audio.duration)))
        assert first_rejection(GATES, values) is None


def shifted(samples: Samples, by: int) -> Samples:
    padding = np.zeros(abs(by), np.float32)
    return np.concatenate((padding, samples[:-by]) if by > 0 else (samples[-by:], padding))


def with_noise(audio: Audio, snr_db: float, colour: str = "white") -> Samples:
    return OPERATIONS["noise"](audio.samples, audio.rate, snr_db=snr_db, colour=colour, seed=7)


def loud(audio: Audio) -> Samples:
    return audio.samples * np.float32(0.9 / np.max(np.abs(audio.samples)))


BROKEN: dict[str, tuple[str, Callable[[Audio], Samples]]] = {
    "silence": ("silence", lambda a: np.zeros_like(a.samples)),
    "mostly silence": ("silence", lambda a: np.pad(a.samples, (0, 7 * len(a.samples)))),
    "clipped": ("clipping", lambda a: np.clip(loud(a) * 10, -1, 1)),
    "clipped, then quieter": ("clipping", lambda a: np.clip(loud(a) * 10, -1, 1) * 0.3),
    "half": ("duration", lambda a: a.samples[: len(a.samples) // 2]),
    "twice": ("duration", lambda a: np.tile(a.samples, 2)),
    "hiss": ("voiced", lambda a: white(len(a.samples), 0.05)),
    "rumble": ("voiced", lambda a: np.cumsum(white(len(a.samples), 1e-4)) * 0.5),
    "nearly nothing": ("level", lambda a: loud(a) * 1e-4),
    "overloaded": ("decodable", lambda a: loud(a) * 1.3),
    "the same": ("duplicate", lambda a: a.samples.copy()),
    "the same, quieter": ("duplicate", lambda a: a.samples * np.float32(0.5)),
    "the same, upside down": ("duplicate", lambda a: -a.samples),
    "the same in faint noise": ("duplicate", lambda a: with_noise(a, 40) * 0.9),
    "the same, later": ("duplicate", lambda a: shifted(a.samples, 80)),
    "the same, earlier": ("duplicate", lambda a: shifted(a.samples, -80)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_audio_is_rejected_for_what_it_is(what: str, real: list[Audio]) -> None:
    gate_name, breakage = BROKEN[what]
    for audio in real[::3]:
        if speech_level(audio)[0] < -50:  # the quietest clips are near other gates as they are
            continue
        broken = Audio(breakage(audio).astype(np.float32), audio.rate)
        # Padding and repeating change the duration, which only its own gate should see.
        seconds = audio.duration if gate_name == "duration" else broken.duration
        values = measure_all(GATES, broken, Given(promise(seconds), audio))
        rejection = first_rejection(GATES, values)
        assert rejection is not None, values
        assert rejection[0] == gate_name, values


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e30])
def test_audio_that_is_not_finite_stops_at_the_first_gate(bad: float) -> None:
    samples = hum()
    samples[100:103] = bad
    values = measure_all(GATES, Audio(samples, 16000), Given(promise(2.0), Audio(hum(), 16000)))
    assert values == {"finite": 3.0}
    assert first_rejection(GATES, values) == (
        "finite",
        "3 samples are NaN, infinite or beyond ±1,000",
    )


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 20000),
    st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
    st.sampled_from(["noise", "hum", "silence", "constant", "huge", "tiny"]),
)
def test_every_finite_audio_can_be_measured(length: int, rate: int, kind: str) -> None:
    samples = {
        "noise": white(length, 0.1),
        "hum": hum(length / rate, rate)[:length],
        "silence": np.zeros(length, np.float32),
        "constant": np.full(length, 0.5, np.float32),
        "huge": np.full(length, 900.0, np.float32),
        "tiny": white(length, 1e-30),
    }[kind]
    audio = Audio(samples, rate)
    values = measure_all(GATES, audio, Given(promise(1.0), audio))
    assert list(values) == [gate.name for gate in GATES]
    assert all(np.isfinite(value) for value in values.values())
    for share in ("silence", "clipping", "voiced", "duplicate"):
        assert 0 <= values[share] <= 1
    rejection = first_rejection(GATES, values)
    assert rejection is None or rejection[1]


# --- the verdict --------------------------------------------------------------------------------


def test_limits_change_without_measuring_again() -> None:
    values = measure_all(GATES, Audio(hum(), 16000), Given(promise(2.2)))
    assert values["duration"] == pytest.approx(0.909, abs=0.001)
    assert first_rejection(GATES, values) is None
    strict = [Duration(lowest=0.95), Duplicate()]
    assert first_rejection(strict, values) == (
        "duration",
        "the duration is 0.91 of the expected, outside 0.95 to 1.50",
    )


def test_a_gate_that_was_not_measured_is_not_taken_as_passed() -> None:
    with pytest.raises(ConfigError, match="gate 'level' was not measured"):
        first_rejection([Level()], {"finite": 0.0, "silence": 0.2})


@pytest.mark.parametrize(
    ("gate", "value", "sentence"),
    [
        (Decodable(), 12.0, "a 16-bit FLAC file would not give back 12 samples as they are"),
        (Silence(), 0.93, "93% of the time is silent, over 75%"),
        (Clipping(), 0.0213, "2.13% of the samples are clipped, over 0.10%"),
        (Level(), -3.24, "the speech level is -3.2 dBFS, outside -70.0 to -6.0 dBFS"),
        (Voiced(), 0.04, "4% of the speech is voiced, under 20%"),
        (Duplicate(), 0.91, "the similarity to its parent is 0.91, over 0.50"),
    ],
)
def test_the_reason_names_value_and_limit(gate: Gate, value: float, sentence: str) -> None:
    assert gate.reject(value) == sentence


def test_every_gate_that_is_always_measured_is_tested_here() -> None:
    classes = {name: cast(type[Gate], component_class("gate", name)) for name in registered("gate")}
    assert {gate.name for gate in GATES} == {name for name, one in classes.items() if one.always}
    for gate in GATES:
        assert create("gate", gate.name) == gate


# --- single gates -------------------------------------------------------------------------------


def test_decodable_counts_what_16_bits_cannot_hold() -> None:
    def changed(*values: float) -> float:
        samples = np.array(values, np.float32)
        return Decodable().measure(Audio(samples, 16000), Given(promise(1.0)))

    assert changed(0.0, 0.123456, -1.0, 1.0, 0.99999, 1 - 2**-15) == 0
    assert changed(1.0001, 0.5, -1.5) == 2
    assert changed() == 1


def test_clipping_wants_flat_tops_not_peaks() -> None:
    def share(samples: Samples) -> float:
        return Clipping().measure(Audio(samples, 16000), Given(promise(1.0)))

    peak = hum() / np.max(np.abs(hum()))
    assert share(peak) == 0
    assert share(np.round(peak * 32767).astype(np.float32) / 32768) == 0
    flat = peak.copy()
    flat[1000:1010] = 1.0
    flat[1010:1015] = -1.0
    assert share(flat) == pytest.approx(15 / len(flat))
    alternating = np.tile(np.array([1.0, -1.0], np.float32), 500)
    assert share(alternating) == 0
    assert share(np.full(100, 1e-5, np.float32)) == 0


def test_level_and_silence_see_speech_and_pauses_apart() -> None:
    audio = Audio(hum(3.0), 16000)
    padded = Audio(np.pad(audio.samples, 48000), 16000)
    level, silence = Level(), Silence()
    assert level.measure(padded, Given(promise(9.0))) == pytest.approx(
        level.measure(audio, Given(promise(3.0))), abs=0.5
    )
    assert silence.measure(audio, Given(promise(3.0))) < 0.05
    assert silence.measure(padded, Given(promise(9.0))) == pytest.approx(2 / 3, abs=0.03)
    tone = (0.3 * np.sin(np.arange(48000) * 0.1)).astype(np.float32)
    rms_db = 20 * np.log10(0.3 / np.sqrt(2))
    assert level.measure(Audio(tone, 16000), Given(promise(3.0))) == pytest.approx(rms_db, abs=0.1)
    nothing = Audio(np.zeros(16000, np.float32), 16000)
    assert level.measure(nothing, Given(promise(1.0))) == SILENCE_DB
    assert silence.measure(nothing, Given(promise(1.0))) == 1


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
@pytest.mark.parametrize("f0", [65.0, 110.0, 240.0, 580.0])
def test_f0_of_a_hum(rate: int, f0: float) -> None:
    found, aperiodicity, _ = periodicity(Audio(hum(1.0, rate, f0), rate))
    inside = slice(10, -10)
    assert np.median(found[inside]) == pytest.approx(f0, rel=0.01)
    assert np.median(aperiodicity[inside]) < 0.15


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_coloured_noise_is_not_voiced(slope: float) -> None:
    length = 32000
    spectrum = np.fft.rfft(white(length, 1.0))
    spectrum *= np.maximum(np.fft.rfftfreq(length, 1 / 16000), 50.0) ** -slope
    noise = np.fft.irfft(spectrum, length)
    audio = Audio((noise * (0.1 / np.std(noise))).astype(np.float32), 16000)
    assert Voiced().measure(audio, Given(promise(2.0))) < 0.03


def test_f0_and_voicing_agree_with_world(real: list[Audio]) -> None:
    world = pytest.importorskip("pyworld")
    errors, agreement = [], []
    for audio in real[::3]:
        samples = audio.samples.astype(np.float64)
        theirs, times = world.dio(samples, audio.rate, frame_period=10.0)
        theirs = world.stonemask(samples, theirs, times, audio.rate)
        ours, aperiodicity, power = (values[: len(theirs)] for values in periodicity(audio))
        theirs = theirs[: len(ours)]
        active = power > 10 ** ((speech_level(audio)[0] - 15.9) / 10)
        agreement.append(np.mean((aperiodicity < 0.35)[active] == (theirs > 0)[active]))
        both = active & (aperiodicity < 0.25) & (theirs > 0)
        errors.append(np.abs(12 * np.log2(ours[both] / theirs[both])))
    semitones = np.concatenate(errors)
    assert np.median(semitones) < 0.2
    assert np.mean(semitones > 1) < 0.1
    assert np.mean(agreement) > 0.75


# --- fingerprints -------------------------------------------------------------------------------


def test_a_fingerprint_is_small_and_does_not_see_the_level(real: list[Audio]) -> None:
    for audio in real[::6]:
        vector = fingerprint(audio)
        assert vector.dtype == np.float32
        assert 100 <= len(vector) <= 600
        quieter = Audio(audio.samples * np.float32(0.25), audio.rate)
        assert similarity(vector, fingerprint(quieter)) > 0.99
        assert similarity(vector, vector) == 1


CHANGES: dict[str, Callable[[Audio], Samples]] = {
    "tempo 4 %": lambda a: OPERATIONS["tempo"](a.samples, a.rate, factor=1.04),
    "speed 1.2 %": lambda a: OPERATIONS["speed"](a.samples, a.rate, factor=1.012),
    "half a semitone": lambda a: OPERATIONS["tempo"](
        OPERATIONS["speed"](a.samples, a.rate, factor=1.03), a.rate, factor=1 / 1.03
    ),
    "white noise at 25 dB": lambda a: with_noise(a, 25),
    "a telephone": lambda a: OPERATIONS["band"](a.samples, a.rate, low_hz=300.0, high_hz=3400.0),
    "a low-pass of 4 kHz": lambda a: OPERATIONS["band"](
        a.samples, a.rate, low_hz=0.0, high_hz=4000.0
    ),
    "a room": lambda a: OPERATIONS["reverb"](
        a.samples, a.rate, size=(5, 4, 3), source=(1, 1, 1.5), microphone=(2, 1.5, 1.2), rt60=0.4
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_can_be_heard_makes_no_duplicate(change: str, real: list[Audio]) -> None:
    for audio in real[::4]:
        changed = Audio(CHANGES[change](audio), audio.rate)
        value = Duplicate().measure(changed, Given(promise(audio.duration), audio))
        assert Duplicate().reject(value) is None, value


def test_two_takes_of_a_sentence_are_no_duplicates(shared: Path) -> None:
    folder = shared / "corpora" / "ravdess"
    # Names end in sentence, take, actor.
    for actor in range(1, 25):
        emotion = 1 + actor % 8
        one, other = (
            read(folder / f"03-01-{emotion:02}-01-01-{take:02}-{actor:02}.flac") for take in (1, 2)
        )
        assert similarity(fingerprint(one), fingerprint(other)) < 0.15


vectors = st.dictionaries(
    st.text("abcdef0123456789", min_size=1, max_size=6),
    st.integers(0, 12).map(lambda step: np.array([0.6 * step, 0.0], np.float32)),
    max_size=12,
)


@given(vectors, st.randoms())
def test_siblings_are_compared_in_the_order_of_their_ids(
    given_vectors: dict[str, np.ndarray], random: object
) -> None:
    gate = Duplicate()
    found = gate.siblings(given_vectors)
    items = list(given_vectors.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert gate.siblings(dict(items)) == found
    kept = [name for name in sorted(given_vectors) if name not in found]
    for duplicate, (original, value) in found.items():
        assert original < duplicate
        assert original in kept
        assert value == pytest.approx(
            similarity(given_vectors[duplicate], given_vectors[original]), abs=1e-6
        )
        assert value > gate.highest
    for i, one in enumerate(kept):
        for other in kept[i + 1 :]:
            assert similarity(given_vectors[one], given_vectors[other]) <= gate.highest + 1e-6


def test_duplicate_siblings_are_found_among_hundreds(real: list[Audio]) -> None:
    prints = {}
    for i, audio in enumerate(real[:16]):
        noise = rng_for("siblings", i).standard_normal(len(audio.samples))
        noisy = audio.samples + noise * 10 ** ((speech_level(audio)[0] - 45) / 20)
        prints[f"a{i:03}"] = fingerprint(audio)
        prints[f"b{i:03}"] = fingerprint(Audio(noisy.astype(np.float32), audio.rate))
    crowd = np.random.default_rng(1).normal(0, 5, (300, len(prints["a000"])))
    prints |= {f"c{i:03}": vector.astype(np.float32) for i, vector in enumerate(crowd)}
    found = Duplicate().siblings(prints)
    assert {name: original for name, (original, _) in found.items()} == {
        f"b{i:03}": f"a{i:03}" for i in range(16)
    }
    assert Duplicate().siblings({}) == {}
