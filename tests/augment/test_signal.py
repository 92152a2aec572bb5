"""The generator `signal` and its operations."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.audio import Audio, Samples, encode_flac, read, speech_level, write_flac
from emoforge.augment.signal import Signal
from emoforge.augment.signal.generator import FULL_SCALE
from emoforge.augment.signal.operations import OPERATIONS
from emoforge.augment.signal.room import impulse_response, sabine_absorption
from emoforge.clip import Clip
from emoforge.component import create, rng_for
from emoforge.errors import ConfigError, SkipClip
from emoforge.label import Label
from emoforge.selection.pitch import periodicity

ROOM = {"size": [5.0, 4.0, 3.0], "source": [1.0, 1.0, 1.5], "microphone": [2.0, 1.5, 1.2]}


def voice(seconds: float, rate: int, f0: float = 150.0, peak: float = 0.3) -> Samples:
    """Harmonics of a falling F0 in syllables of 0.2 s."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(f0 * np.exp(-0.05 * t)) / rate
    tones = sum(np.sin(k * phase) / k for k in range(1, 20) if k * f0 < rate / 2.2)
    samples = tones * (0.02 + np.square(np.sin(np.pi * t / 0.2)))
    return (samples * (peak / np.max(np.abs(samples)))).astype(np.float32)


def sound(kind: str, seconds: float, rate: int) -> Samples:
    length = round(seconds * rate)
    match kind:
        case "silence":
            return np.zeros(length, np.float32)
        case "noise":
            return rng_for(kind, length).uniform(-1, 1, length).astype(np.float32)
        case "square":
            return np.where(np.arange(length) // (rate // 200) % 2, 1.0, -1.0).astype(np.float32)
        case "click":
            samples = np.zeros(length, np.float32)
            samples[length // 2] = 1.0
            return samples
        case _:
            return voice(seconds, rate)


SOUNDS = st.builds(
    lambda kind, seconds, rate: (sound(kind, seconds, rate), rate),
    st.sampled_from(["voice", "noise", "square", "click", "silence"]),
    # Rounded to samples, 0.1 s may come out shorter than the shortest that is served.
    st.one_of(st.floats(0.101, 1.0), st.floats(0.101, 10.0)),
    st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
)


def clip_of(samples: Samples, rate: int, folder: Path) -> Clip:
    path = folder / "clip.flac"
    write_flac(path, Audio(samples, rate))
    return Clip(
        id="corpus/clip",
        path=str(path),
        duration=len(samples) / rate,
        rate=rate,
        label=Label.of("happy"),
        speaker="s",
        corpus="corpus",
    )


# --- operations ---------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SOUNDS, st.data())
def test_every_operation_keeps_its_promise_of_length(
    given_sound: tuple[Samples, int], data: st.DataObject
) -> None:
    samples, rate = given_sound
    name = data.draw(st.sampled_from(sorted(OPERATIONS)))
    expected = len(samples)
    params: dict[str, object] = {}
    if name in ("tempo", "speed"):
        factor = data.draw(st.floats(0.7, 1.5))
        params, expected = {"factor": factor}, round(len(samples) / factor)
    elif name == "noise":
        colour = data.draw(st.sampled_from(["white", "pink", "brown", "speech"]))
        params = {"snr_db": data.draw(st.floats(-5, 40)), "colour": colour, "seed": 3}
    elif name == "reverb":
        params = {**ROOM, "rt60": data.draw(st.floats(0.15, 0.6))}
    elif name == "band":
        params = {"low_hz": data.draw(st.sampled_from([0.0, 300.0])), "high_hz": 3400.0}
    else:
        params = {"db": data.draw(st.floats(-20, 20))}
    before = samples.copy()
    result = OPERATIONS[name](samples, rate, **params)
    assert result.dtype == np.float32
    assert len(result) == expected
    assert np.isfinite(result).all()
    assert np.array_equal(samples, before), "an operation changed its input"
    assert np.array_equal(result, OPERATIONS[name](samples, rate, **params))


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.1, 6.0),
    st.sampled_from([8000, 16000, 48000]),
    st.floats(-10, 40),
    st.sampled_from(["white", "pink", "brown", "speech"]),
    st.integers(0, 2**32 - 1),
)
def test_the_snr_is_the_one_asked_for(
    seconds: float, rate: int, snr_db: float, colour: str, seed: int
) -> None:
    clean = voice(seconds, rate)
    noisy = OPERATIONS["noise"](clean, rate, snr_db=snr_db, colour=colour, seed=seed)
    noise = noisy.astype(np.float64) - clean
    achieved = speech_level(Audio(clean, rate))[0] - 10 * np.log10(np.mean(np.square(noise)))
    assert achieved == pytest.approx(snr_db, abs=0.1)


def test_pauses_do_not_lower_the_speech_level_that_noise_is_measured_against() -> None:
    clean = voice(2.0, 16000)
    padded = np.concatenate((np.zeros(32000, np.float32), clean, np.zeros(32000, np.float32)))
    levels = []
    for samples in (clean, padded):
        noisy = OPERATIONS["noise"](samples, 16000, snr_db=20.0, colour="white", seed=1)
        levels.append(10 * np.log10(np.mean(np.square(noisy - samples))))
    assert levels[0] == pytest.approx(levels[1], abs=0.6)


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.0), ("brown", -6.0)])
def test_noise_falls_by_its_colour(colour: str, slope: float) -> None:
    rate = 16000
    silence = np.full(10 * rate, 1e-3, np.float32)
    noise = OPERATIONS["noise"](silence, rate, snr_db=0.0, colour=colour, seed=5) - silence
    power = np.square(np.abs(np.fft.rfft(noise)))
    frequency = np.fft.rfftfreq(len(noise), 1 / rate)
    octaves = [250.0 * 2**k for k in range(5)]
    density = [
        10 * np.log10(np.mean(power[(frequency >= low) & (frequency < 2 * low)])) for low in octaves
    ]
    assert np.diff(density) == pytest.approx([slope] * 4, abs=0.4)


def test_speech_coloured_noise_has_the_spectrum_of_its_clip() -> None:
    rate = 16000
    clean = OPERATIONS["band"](sound("noise", 4.0, rate), rate, low_hz=500.0, high_hz=1000.0)
    noise = OPERATIONS["noise"](clean, rate, snr_db=10.0, colour="speech", seed=2) - clean
    power = np.square(np.abs(np.fft.rfft(noise)))
    frequency = np.fft.rfftfreq(len(noise), 1 / rate)
    assert power[(frequency > 450) & (frequency < 1100)].sum() > 0.98 * power.sum()


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("f0", [80.0, 220.0, 450.0])
@pytest.mark.parametrize("factor", [0.8, 0.93, 1.07, 1.25])
def test_tempo_keeps_pitch_and_speed_moves_it(rate: int, f0: float, factor: float) -> None:
    samples = voice(1.5, rate, f0)

    def pitch(changed: Samples) -> float:
        found, aperiodicity, power = periodicity(Audio(changed, rate))
        heard = (aperiodicity < 0.2) & (power > 0.1 * power.max())
        return float(np.median(12 * np.log2(found[heard])))

    before = pitch(samples)
    kept = pitch(OPERATIONS["tempo"](samples, rate, factor=factor))
    moved = pitch(OPERATIONS["speed"](samples, rate, factor=factor))
    assert kept == pytest.approx(before, abs=0.1)
    assert moved - before == pytest.approx(12 * np.log2(factor), abs=0.1)


def test_tempo_moves_every_syllable_to_its_time(shared: Path) -> None:
    audio = read(shared / "corpora" / "ravdess" / "03-01-05-02-01-01-02.flac")
    for factor in (0.8, 0.95, 1.05, 1.25):
        changed = OPERATIONS["tempo"](audio.samples, audio.rate, factor=factor)
        spaced = np.arange(0, audio.duration - 0.02, 0.01)

        def envelope(samples: Samples, times: np.ndarray) -> np.ndarray:
            smooth = np.convolve(np.square(samples), np.hanning(480), "same")
            return np.log(smooth[(times * audio.rate).astype(int)] + 1e-6)

        wanted, found = envelope(audio.samples, spaced), envelope(changed, spaced / factor)
        assert np.corrcoef(wanted, found)[0, 1] > 0.985


def test_a_room_has_the_reverberation_time_asked_for() -> None:
    rate = 16000
    for size in ((4.0, 3.0, 2.5), (6.0, 5.0, 3.0)):
        for rt60 in (0.3, 0.5):
            response, _ = impulse_response(size, (1, 1, 1.5), (2, 1.5, 1.2), rt60, rate)
            left = np.cumsum(np.square(response)[::-1])[::-1]
            decay = 10 * np.log10(left / left[0])
            # T20 of ISO 3382: the slope from -5 to -25 dB, for 60 dB.
            time = 3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / rate
            assert time == pytest.approx(rt60, rel=0.15)


def test_a_room_is_the_one_that_pyroomacoustics_simulates() -> None:
    room_acoustics = pytest.importorskip("pyroomacoustics")
    rate, rt60 = 16000, 0.3
    size, source, microphone = (5.0, 4.0, 3.0), (1.0, 1.0, 1.5), (2.0, 1.5, 1.2)
    room = room_acoustics.ShoeBox(
        size,
        fs=rate,
        materials=room_acoustics.Material(sabine_absorption(size, rt60)),
        max_order=45,
    )
    room.add_source(source)
    room.add_microphone(microphone)
    room.compute_rir()
    theirs = room.rir[0][0]
    ours, direct = impulse_response(size, source, microphone, rt60, rate)
    # Theirs starts half an interpolation filter later, and at another scale.
    late = int(np.argmax(np.abs(theirs))) - direct
    theirs = theirs[late : late + len(ours)]
    ours_late, theirs_late = (response[direct + 15 : 4000] for response in (ours, theirs))
    assert np.corrcoef(ours_late, theirs_late)[0, 1] > 0.97
    near = slice(direct - 3, direct + 4)
    scale = ours[near] @ theirs[near] / (theirs[near] @ theirs[near])
    reverberant = 20 * np.log10(np.linalg.norm(ours_late) / np.linalg.norm(scale * theirs_late))
    assert abs(reverberant) < 0.4


def test_reverb_keeps_time_and_level() -> None:
    rate = 16000
    click = sound("click", 1.0, rate)
    wet = OPERATIONS["reverb"](click, rate, **ROOM, rt60=0.4)
    assert np.argmax(np.abs(wet)) == np.argmax(click)
    assert np.sum(np.square(wet[: rate // 2 - 20])) < 1e-3 * np.sum(np.square(wet))
    dry = voice(2.0, rate)
    wet = OPERATIONS["reverb"](dry, rate, **ROOM, rt60=0.4)
    assert speech_level(Audio(wet, rate))[0] == pytest.approx(
        speech_level(Audio(dry, rate))[0], abs=0.05
    )


@pytest.mark.parametrize(
    ("hertz", "change"), [(100, -40), (300, -6), (1000, 0), (2500, 0), (3400, -6), (5000, -40)]
)
def test_the_telephone_band(hertz: int, change: float) -> None:
    rate = 16000
    tone = np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)
    heard = OPERATIONS["band"](tone, rate, low_hz=300.0, high_hz=3400.0)
    middle = slice(rate // 4, 3 * rate // 4)
    gain = 20 * np.log10(np.std(heard[middle]) / np.std(tone[middle]))
    assert gain < change if change == -40 else gain == pytest.approx(change, abs=0.1)
    if change == 0:
        assert np.allclose(heard[middle], tone[middle], atol=0.01), "the band has a delay"


# --- the generator ------------------------------------------------------------------------------


def test_it_is_found_by_name_and_its_config_states_the_defaults() -> None:
    file = Path(__file__).parents[2] / "emoforge" / "configs" / "generators" / "signal.yaml"
    options = yaml.safe_load(file.read_text())["signal"]
    configured, default = create("generator", "signal", options), Signal()
    assert json.dumps(configured.signature()) == json.dumps(default.signature())


@settings(max_examples=20, deadline=None)
@given(SOUNDS, st.integers(0, 10**6))
def test_candidates_of_any_clip(
    tmp_path_factory: pytest.TempPathFactory, given_sound: tuple[Samples, int], seed: int
) -> None:
    samples, rate = given_sound
    signal = Signal()
    clip = clip_of(samples, rate, tmp_path_factory.mktemp("clips"))
    params = signal.plan(clip, rng_for(seed, clip.id, "signal"))
    assert params == signal.plan(clip, rng_for(seed, clip.id, "signal"))
    # The lineage stores parameters as JSON: what comes back must make the same audio.
    stored = json.loads(json.dumps(params))
    names = [step["operation"] for step in params["chain"]]
    assert names == [name for name in OPERATIONS if name in names]
    assert set(names) - {"gain"}, "a change of level alone is no new recording"
    assert len(set(names) - {"gain"}) <= signal.longest

    state = json.dumps(np.random.get_state(legacy=False), default=str)  # noqa: NPY002
    [one, other] = signal.apply_batch([clip, clip], [params, stored])
    assert json.dumps(np.random.get_state(legacy=False), default=str) == state  # noqa: NPY002
    assert one.audio is not None
    assert other.audio is not None
    assert np.array_equal(one.audio.samples, other.audio.samples)
    assert np.array_equal(one.audio.samples, signal.apply(clip, params).samples)
    assert one.audio.rate == rate
    assert np.isfinite(one.audio.samples).all()
    assert np.max(np.abs(one.audio.samples)) <= FULL_SCALE + 1e-7
    assert one.measured["scaled_db"] <= 0
    promised = signal.promise(clip, params)
    assert one.audio.duration == pytest.approx(promised.duration, abs=1.01 / rate)
    assert promised.label == clip.label


def test_what_would_clip_is_scaled_and_the_scale_is_recorded(tmp_path: Path) -> None:
    clip = clip_of(voice(1.0, 16000, peak=0.9), 16000, tmp_path)
    [outcome] = Signal().apply_batch([clip], [{"chain": [{"operation": "gain", "db": 6.0}]}])
    assert outcome.audio is not None
    assert np.max(np.abs(outcome.audio.samples)) == pytest.approx(FULL_SCALE, abs=1e-6)
    source = clip.read().samples
    gain = 20 * np.log10(np.max(np.abs(outcome.audio.samples)) / np.max(np.abs(source)))
    assert gain == pytest.approx(6.0 + outcome.measured["scaled_db"], abs=1e-4)
    decoded = read_back(outcome.audio, tmp_path)
    assert np.max(np.abs(decoded - outcome.audio.samples)) <= 0.5 / 32768 + 1e-9


def read_back(audio: Audio, folder: Path) -> Samples:
    (folder / "back.flac").write_bytes(encode_flac(audio))
    return read(folder / "back.flac").samples


def test_a_clip_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    good = clip_of(voice(0.5, 16000), 16000, tmp_path)
    missing = Clip(
        id="corpus/gone",
        path=str(tmp_path / "gone.flac"),
        duration=1.0,
        rate=16000,
        label=Label.of("sad"),
        speaker="s",
        corpus="corpus",
    )
    signal = Signal()
    plans = [signal.plan(clip, rng_for(1, clip.id)) for clip in (missing, good)]
    bad, fine = signal.apply_batch([missing, good], plans)
    assert (bad.status, bad.reason) == ("failed", "AudioError")
    assert "gone.flac" in bad.detail
    assert fine.status == "ok"


def test_a_clip_of_a_few_milliseconds_is_skipped_with_the_reason(tmp_path: Path) -> None:
    clip = clip_of(voice(0.05, 16000), 16000, tmp_path)
    with pytest.raises(SkipClip, match=r"0\.050 s is too short"):
        Signal().plan(clip, rng_for(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operations": ["tempo", "reverberation"]}, "did you mean 'reverb'"),
        ({"operations": []}, "at least one operation"),
        ({"longest": 0}, "at least one operation"),
        ({"tempo": 0.0}, "tempo must be above 0.0"),
        ({"speed": 3.0}, "speed must be above"),
        ({"snr_db": [30, 15]}, "lowest and the highest"),
        ({"snr_db": [15]}, "lowest and the highest"),
        ({"rt60": 9.0}, "rt60 must be above"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create("generator", "signal", options)


def test_defaults_leave_melody_and_timing_of_real_speech_alone(shared: Path) -> None:
    """The measured reason why the default ranges count as label-preserving (see `Signal`)."""
    with (shared / "corpora" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))[::230]
    moved = {name: [] for name in OPERATIONS}
    for row in rows:
        path = shared / "corpora" / row["path"]
        audio = read(path)
        for name in ("tempo", "reverb", "noise", "band"):
            signal = Signal(operations=[name])
            clip = Clip(
                id=row["path"],
                path=str(path),
                duration=audio.duration,
                rate=audio.rate,
                label=Label.of("neutral"),
                speaker=row["speaker"],
                corpus=row["corpus"],
            )
            params = signal.plan(clip, rng_for("melody", row["path"], name))
            changed = signal.apply(clip, params)
            factor = len(audio.samples) / len(changed.samples)
            moved[name].append(_melody_moved(audio, changed, factor))
    for name in ("tempo", "reverb", "noise", "band"):
        assert np.median(moved[name]) < 0.25, name


def _melody_moved(before: Audio, after: Audio, factor: float) -> float:
    """Median distance in semitones between F0 before and after, at the same places."""
    f0, aperiodicity, power = periodicity(before)
    changed, _, _ = periodicity(after)
    at = np.minimum(np.rint(np.arange(len(f0)) / factor).astype(int), len(changed) - 1)
    heard = (aperiodicity < 0.2) & (power > 0.01 * power.max())
    return float(np.median(np.abs(12 * np.log2(f0[heard] / changed[at][heard]))))
