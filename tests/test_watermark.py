"""The watermark on real speech: found where it is, not where it is not, and not heard."""

import csv
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.audio import Audio, pcm16, read
from emoforge.codecs import Codec
from emoforge.component import create
from emoforge.selection.measures import Measure
from emoforge.watermark import SECONDS, SIGNIFICANT, detect, embed

PAYLOAD = 0x5EEDBA11


def stored(audio: Audio) -> Audio:
    """As a 16-bit file has it."""
    return Audio(pcm16(audio.samples).astype(np.float32) / np.float32(32768), audio.rate)


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Audio]:
    """Every 560th recording: English, German and Polish, 1 to 5 s."""
    with (shared / "corpora/manifest.csv").open(encoding="utf-8") as file:
        return [read(shared / "corpora" / row["path"]) for row in list(csv.DictReader(file))[::560]]


@pytest.fixture(scope="module")
def marked(speech: list[Audio]) -> list[Audio]:
    return [stored(embed(audio, PAYLOAD)) for audio in speech]


def same(audio: Audio) -> Audio:
    return audio


def telephone(audio: Audio) -> Audio:
    return stored(audio.resampled(8000)).resampled(16000)


def studio(audio: Audio) -> Audio:
    return stored(audio.resampled(44100))


def quieter(audio: Audio) -> Audio:
    return stored(Audio(audio.samples / 4, audio.rate))


def noisy(audio: Audio) -> Audio:
    """White noise, 30 dB below the speech."""
    level = np.sqrt(np.mean(np.square(audio.samples))) * 10 ** (-30 / 20)
    noise = np.random.default_rng(0).normal(0, level, len(audio.samples)).astype(np.float32)
    return stored(Audio(audio.samples + noise, audio.rate))


def cut(audio: Audio) -> Audio:
    return Audio(audio.samples[3210:-1234], audio.rate)


def late(audio: Audio) -> Audio:
    """After most of a period of the pattern of silence."""
    return Audio(np.pad(audio.samples, (59_999, 0)), audio.rate)


@pytest.mark.parametrize("change", [same, telephone, studio, quieter, noisy, cut, late])
def test_it_is_found_with_its_payload(marked, change):
    for audio in marked:
        found = detect(change(audio))
        assert found.marked
        assert found.payload == PAYLOAD


@pytest.mark.parametrize(("codec", "kbps"), [("mp3", 64), ("opus", 24)])
def test_it_survives_codecs(marked, codec, kbps):
    coder = cast(Codec, create("codec", codec, {"kbps": float(kbps)}))
    for audio in marked:
        found = detect(coder.roundtrip(audio).audio)
        assert found.marked
        assert found.payload == PAYLOAD


def test_what_has_none_is_not_marked(speech, marked):
    """Also not what was marked and played faster: it is lost, as the docstring says."""
    for audio in speech:
        assert detect(audio).p > 1e-3
    for audio in marked:
        assert not detect(Audio(audio.resampled(15500).samples, 16000)).marked


def test_another_payload_is_another_payload(speech):
    payloads = [0, 1, 0x01000000, 0xFFFFFFFF, 0xFF00FF00]
    assert [detect(embed(speech[0], payload)).payload for payload in payloads] == payloads


def test_it_is_as_good_as_inaudible(speech, marked):
    pesq = cast(Measure, create("measure", "pesq"))
    for audio, changed in zip(speech, marked, strict=True):
        assert pesq.compare(pesq.prepare(audio), changed)["pesq"] > 4.2
        difference = (changed.samples - audio.samples).astype(np.float64)
        power = np.square(audio.samples.astype(np.float64)).mean()
        assert 10 * np.log10(power / np.square(difference).mean()) > 15
        spectrum = np.square(np.abs(np.fft.rfft(difference)))
        hz = np.fft.rfftfreq(len(difference), 1 / 16000)
        outside = (hz < 150) | (hz > 7200)
        assert spectrum[outside].sum() < 0.01 * spectrum.sum()


def test_a_band_without_marks_keeps_its_samples(speech):
    """At a higher rate only the change is resampled, not the sound."""
    audio = Audio(np.repeat(speech[0].samples, 3), 48000)  # images far above 8 kHz
    difference = embed(audio, PAYLOAD).samples - audio.samples
    spectrum = np.square(np.abs(np.fft.rfft(difference.astype(np.float64))))
    hz = np.fft.rfftfreq(len(difference), 1 / 48000)
    assert spectrum[hz > 8000].sum() < 1e-6 * spectrum.sum()


def test_a_pause_has_no_echo_of_the_speech_around_it(speech):
    pause = np.zeros(4000, np.float32)
    whole = Audio(np.concatenate([speech[0].samples, pause, speech[1].samples]), 16000)
    begin = len(speech[0].samples)
    changed = embed(whole, PAYLOAD).samples
    assert not np.any(changed[begin + 64 : begin + 4000 - 64])
    assert np.any(changed[:begin] != speech[0].samples)


def test_silence_stays_silence_and_is_not_marked():
    for length in (0, 1, 300, 16000):
        silence = Audio(np.zeros(length, np.float32), 16000)
        assert not np.any(embed(silence, PAYLOAD).samples)
        assert detect(silence).p == 1
        assert detect(embed(silence, PAYLOAD)).p == 1


@settings(max_examples=12)
@given(
    st.integers(1, 9000),
    st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000]),
    st.integers(0, 2**32 - 1),
)
def test_length_and_rate_stay_and_the_same_gives_the_same(length, rate, payload):
    noise = np.random.default_rng(length).normal(0, 0.1, length).astype(np.float32)
    once = embed(Audio(noise, rate), payload)
    assert (len(once.samples), once.rate, once.samples.dtype) == (length, rate, np.float32)
    assert np.array_equal(once.samples, embed(Audio(noise, rate), payload).samples)
    assert np.all(np.isfinite(once.samples))


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 4.0))
def test_sounds_of_all_kinds_without_a_mark_have_large_p(seed, seconds):
    """Noise, tones and clicks: p is a bound whatever the sound is."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(16000 * seconds)) / 16000
    sound = rng.uniform(0, 0.1) * rng.normal(size=len(time))
    sound += sum(0.1 * np.sin(2 * np.pi * rng.uniform(100, 7000) * time) for _ in range(3))
    sound[:: rng.integers(50, 5000)] += 0.5
    assert detect(Audio(sound.astype(np.float32), 16000)).p > SIGNIFICANT


PERIOD_S = 4.096


@pytest.mark.parametrize("seconds", [16, 60])
@pytest.mark.parametrize("kind", ["hum", "sine", "hum in noise", "loop", "clicks"])
def test_what_repeats_without_a_mark_has_large_p(kind, seconds):
    """The pattern repeats as well: what is alike from period to period must not add up."""
    time = np.arange(16000 * seconds) / 16000
    rng = np.random.default_rng(1)
    hum = sum(0.05 * np.sin(2 * np.pi * 110 * k * time) / k for k in range(1, 60))
    sound = {
        "hum": hum,
        "sine": 0.3 * np.sin(2 * np.pi * 1000 * time),
        "hum in noise": hum + 0.002 * rng.normal(size=len(time)),
        "loop": np.resize(rng.normal(0, 0.1, round(16000 * PERIOD_S)), len(time)),
        "clicks": (np.arange(len(time)) % 4096 == 0) * 0.8,
    }[kind]
    found = detect(Audio(sound.astype(np.float32), 16000))
    assert found.p > SIGNIFICANT
    assert found.payload is None


def test_of_a_long_sound_the_beginning_is_heard():
    rng = np.random.default_rng(0)
    noise = Audio(rng.normal(0, 0.1, (SECONDS + 30) * 16000).astype(np.float32), 16000)
    found = detect(embed(noise, PAYLOAD))
    assert found.marked
    assert found.payload == PAYLOAD
    unmarked_first = np.concatenate([noise.samples, embed(noise, PAYLOAD).samples])
    assert not detect(Audio(unmarked_first, 16000)).marked
