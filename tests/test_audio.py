"""Reading what people have, refusing what is broken, measuring as the standards say."""

import io
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pyloudnorm
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emoforge.audio import (
    SILENCE_DB,
    Audio,
    encode_flac,
    fit,
    level_db,
    loudness,
    pcm16,
    probe,
    read,
    speech_level,
    write_flac,
)
from emoforge.errors import AudioError

RATE = 16_000
SECONDS = 2


def tone(
    frequency: float = 440, rate: int = RATE, seconds: float = SECONDS, amplitude: float = 0.5
) -> npt.NDArray[np.float32]:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def pitch(audio: Audio) -> float:
    """Frequency of the strongest partial, Hz."""
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return float(np.argmax(spectrum)) / audio.duration


def by_soundfile(**settings: Any) -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, tone(), RATE, **settings)


def by_ffmpeg(codec: str, rate: int, container: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with av.open(str(path), "w", format=container) as target:
            stream = target.add_stream(codec, rate=rate, layout="mono")
            assert isinstance(stream, av.AudioStream)
            frame = av.AudioFrame.from_ndarray(tone()[None], format="fltp", layout="mono")
            frame.sample_rate = RATE
            context = stream.codec_context
            convert = av.AudioResampler(
                context.format, "mono", rate, frame_size=context.frame_size or None
            )
            for piece in [*convert.resample(frame), *convert.resample(None)]:
                target.mux(stream.encode(piece))
            target.mux(stream.encode(None))

    return write


FORMATS = {
    "8-bit.wav": (by_soundfile(subtype="PCM_U8"), RATE),
    "16-bit.wav": (by_soundfile(subtype="PCM_16"), RATE),
    "24-bit.wav": (by_soundfile(subtype="PCM_24"), RATE),
    "float.wav": (by_soundfile(subtype="FLOAT"), RATE),
    "double.wav": (by_soundfile(subtype="DOUBLE"), RATE),
    "mu-law.wav": (by_soundfile(subtype="ULAW"), RATE),
    "96kHz.wav": (lambda p: soundfile.write(p, tone(rate=96_000), 96_000), 96_000),
    "8kHz.wav": (lambda p: soundfile.write(p, tone(rate=8_000), 8_000), 8_000),
    "a.flac": (by_soundfile(), RATE),
    "a.aiff": (by_soundfile(), RATE),
    "a.ogg": (by_soundfile(subtype="VORBIS"), RATE),
    "a.opus": (by_soundfile(format="OGG", subtype="OPUS"), RATE),
    "a.mp3": (by_soundfile(), RATE),
    "aac.m4a": (by_ffmpeg("aac", RATE, "mp4"), RATE),
    "aac.aac": (by_ffmpeg("aac", RATE, "adts"), RATE),
    "opus.webm": (by_ffmpeg("libopus", 48_000, "webm"), 48_000),
    "a.amr": (by_ffmpeg("libopencore_amrnb", 8_000, "amr"), 8_000),
    "g722.wav": (by_ffmpeg("g722", RATE, "wav"), RATE),
}


@pytest.mark.parametrize("name", FORMATS)
def test_reads_what_people_have(tmp_path: Path, name: str) -> None:
    write, rate = FORMATS[name]
    path = tmp_path / name
    write(path)
    audio, header = read(path), probe(path)
    assert (audio.rate, audio.samples.dtype, audio.samples.ndim) == (rate, np.float32, 1)
    assert (header.rate, header.channels) == (rate, 1)
    # Codecs with frames of up to 64 ms may add one at either end.
    assert header.duration == pytest.approx(SECONDS, abs=0.13)
    assert audio.duration == header.duration
    assert pitch(audio) == pytest.approx(440, abs=1)
    assert level_db(audio.samples) == pytest.approx(level_db(tone()), abs=1.5)

    middle = read(path, start=0.5, duration=0.25)
    assert len(middle.samples) == rate // 4
    if not name.endswith(("ogg", "mp3")):  # seeking in these starts a decoder afresh
        first = rate // 2
        assert np.array_equal(middle.samples, audio.samples[first : first + rate // 4])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_lossless_files_keep_every_sample(tmp_path: Path, subtype: str) -> None:
    samples = pcm16(tone()).astype(np.float32) / 32768
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype=subtype)
    assert np.array_equal(read(tmp_path / "a.wav").samples, samples)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(), tone(700)
    for others in ([right], [right, *[np.zeros_like(left)] * 5]):
        channels = np.stack([left, *others], axis=1)
        soundfile.write(tmp_path / "a.wav", channels, RATE, subtype="FLOAT")
        assert probe(tmp_path / "a.wav").channels == channels.shape[1]
        expected = channels.mean(axis=1)
        assert np.allclose(read(tmp_path / "a.wav").samples, expected, atol=1e-7)


def test_real_recordings_decode_as_soundfile_decodes_them(shared: Path) -> None:
    for corpus in ("emodb", "nemo", "ravdess"):
        path = sorted((shared / "corpora" / corpus).rglob("*.flac"))[0]
        samples, rate = soundfile.read(path, dtype="float32")
        audio = read(path)
        assert audio.rate == rate == RATE
        assert np.array_equal(audio.samples, samples)
        assert probe(path).duration == audio.duration


def test_reads_from_any_place_that_fsspec_opens(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://clips/a.flac", "wb") as file:
        file.write(encode_flac(Audio(tone(), RATE)))
    assert pitch(read("memory://clips/a.flac")) == pytest.approx(440, abs=1)
    with pytest.raises(AudioError, match=r"memory://clips/b\.flac: "):
        read("memory://clips/b.flac")


# --- segments ---------------------------------------------------------------------------------


def test_a_segment_may_overshoot_by_rounding_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    write_flac(path, Audio(tone(), RATE))
    assert len(read(path, start=1.5, duration=0.51).samples) == RATE // 2
    assert len(read(path, start=0.0, duration=2.0).samples) == 2 * RATE
    with pytest.raises(AudioError, match=r"from 1\.500 s to 2\.500 s .* which is 2\.000 s long"):
        read(path, start=1.5, duration=1.0)
    with pytest.raises(AudioError, match=r"from 3\.000 s to the end is not within"):
        read(path, start=3.0)
    with pytest.raises(AudioError, match=r"from -1\.000 s"):
        read(path, start=-1.0)


@given(first=st.integers(0, 3200), length=st.integers(1, 3200))
def test_a_segment_is_that_part_of_the_whole(first: int, length: int) -> None:
    samples = pcm16(np.linspace(-1, 1, 6400, dtype=np.float32)).astype(np.float32) / 32768
    import fsspec

    with fsspec.open("memory://clips/segment.flac", "wb") as file:
        file.write(encode_flac(Audio(samples, RATE)))
    part = read("memory://clips/segment.flac", start=first / RATE, duration=length / RATE)
    assert np.array_equal(part.samples, samples[first : first + length])


# --- what cannot be read ----------------------------------------------------------------------


def a_wav(samples: npt.NDArray[np.float32], **settings: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV", **settings)
    return buffer.getvalue()


def damaged(flac: bytes) -> bytes:
    middle = len(flac) // 2
    return flac[:middle] + bytes(200) + flac[middle + 200 :]


def a_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.wav", a_wav(tone()))
    return buffer.getvalue()


def not_finite() -> npt.NDArray[np.float32]:
    samples = tone()
    samples[5:8] = np.nan
    samples[9] = np.inf
    return samples


FLAC = encode_flac(Audio(tone(), RATE))
UNREADABLE = "neither libsndfile nor FFmpeg can read this as audio"
BROKEN = {
    "empty": (b"", "the file is empty"),
    "no samples": (a_wav(tone()[:0]), "has no samples"),
    "text": (b"this is a transcript, not audio\n" * 100, UNREADABLE),
    "web page": (b"<html><body>404 Not Found</body></html>", UNREADABLE),
    "archive": (a_zip(), UNREADABLE),
    "noise": (np.random.default_rng(0).bytes(5000), UNREADABLE),
    "only a magic number": (b"RIFF", UNREADABLE),
    "WAV cut in half": (
        a_wav(tone())[:32_000],
        "promises 64000 bytes of audio and there are 31956",
    ),
    "24-bit WAV cut": (a_wav(tone(), subtype="PCM_24")[:50_000], "cut off, the header promises"),
    "FLAC cut in half": (FLAC[: len(FLAC) // 2], "damaged or cut off"),
    "FLAC without its end": (FLAC[:-20], "damaged or cut off"),
    "FLAC with only a header": (FLAC[:200], "damaged or cut off"),
    "FLAC with a hole": (damaged(FLAC), "damaged or cut off"),
    "NaN": (a_wav(not_finite(), subtype="FLOAT"), "4 of 32000 samples are not finite"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_sentence_that_names_it(tmp_path: Path, name: str) -> None:
    content, problem = BROKEN[name]
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for use in (read, probe):
        with pytest.raises(AudioError, match=r"missing\.wav: No such file or directory"):
            use(tmp_path / "missing.wav")
        with pytest.raises(AudioError, match="Is a directory"):
            use(tmp_path)


def test_a_film_without_sound_is_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        target.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        target.mux(stream.encode(None))
    with pytest.raises(AudioError, match=UNREADABLE):
        read(path)


def test_a_wav_written_to_a_pipe_is_whole(tmp_path: Path) -> None:
    # Programs that cannot seek back leave the largest size in the header.
    content = bytearray(a_wav(tone()))
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    assert read(tmp_path / "a.wav").duration == SECONDS


# --- writing ----------------------------------------------------------------------------------

SAMPLES = arrays(
    np.float32, st.integers(1, 2000), elements=st.floats(-1.5, 1.5, width=32), fill=st.just(0.0)
)


@given(samples=SAMPLES, rate=st.sampled_from([8_000, 16_000, 22_050, 44_100, 96_000]))
def test_flac_keeps_the_sound_to_half_a_step_and_limits_it(
    samples: npt.NDArray[np.float32], rate: int
) -> None:
    encoded = encode_flac(Audio(samples, rate))
    assert encoded == encode_flac(Audio(samples.copy(), rate))
    decoded, found = soundfile.read(io.BytesIO(encoded), dtype="float64")
    assert found == rate
    limited = np.clip(samples.astype(np.float64), -1, 32767 / 32768)
    assert np.abs(decoded - limited).max() <= 0.5 / 32768


@given(samples=SAMPLES)
def test_what_was_written_once_stays_as_it_is(samples: npt.NDArray[np.float32]) -> None:
    once = pcm16(samples)
    assert np.array_equal(pcm16(once.astype(np.float32) / 32768), once)


def test_a_file_is_replaced_only_by_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.flac"
    write_flac(path, Audio(tone(), RATE))
    before = path.read_bytes()

    def crash(_partial: Path, _target: Path) -> None:
        assert path.read_bytes() == before
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(AudioError, match=r"a\.flac: cannot be written \(No space left on device\)"):
        write_flac(path, Audio(tone(880), RATE))
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.flac"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot be written"):
        write_flac(tmp_path / "no" / "a.flac", Audio(tone(), RATE))


# --- resampling -------------------------------------------------------------------------------


@given(
    length=st.integers(1, 5000),
    rates=st.tuples(*[st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000])] * 2),
)
def test_resampling_gives_the_promised_length(length: int, rates: tuple[int, int]) -> None:
    source, target = rates
    audio = Audio(np.full(length, 0.1, np.float32), source).resampled(target)
    assert audio.rate == target
    assert len(audio.samples) == round(length * target / source)
    assert audio.samples.dtype == np.float32


@pytest.mark.parametrize("target", [8_000, 22_050, 48_000])
def test_resampling_keeps_pitch_and_level(target: int) -> None:
    audio = Audio(tone(1000), RATE).resampled(target)
    assert pitch(audio) == pytest.approx(1000, abs=0.6)
    assert level_db(audio.samples) == pytest.approx(level_db(tone(1000)), abs=0.05)


def test_resampling_down_removes_what_the_lower_rate_cannot_hold() -> None:
    audio = Audio(tone(6000), RATE).resampled(8_000)
    assert level_db(audio.samples[400:-400]) < -90


def test_fit_trims_or_pads_at_the_end() -> None:
    samples = np.array([1, 2, 3], np.float64)
    assert fit(samples, 2).tolist() == [1, 2]
    assert fit(samples, 5).tolist() == [1, 2, 3, 0, 0]
    assert fit(samples, 5).dtype == np.float32


# --- levels -----------------------------------------------------------------------------------


def test_level_of_a_full_scale_sine_is_3_db_below_full_scale() -> None:
    assert level_db(tone(amplitude=1.0)) == pytest.approx(-3.01, abs=0.01)
    assert level_db(np.zeros(100, np.float32)) == SILENCE_DB
    assert level_db(np.zeros(0, np.float32)) == SILENCE_DB


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_loudness_of_the_reference_tone(rate: int) -> None:
    # ITU-R BS.1770-4: a 997 Hz sine at full scale in one channel gives −3.01 LKFS.
    audio = Audio(tone(997, rate, seconds=5, amplitude=1.0), rate)
    assert loudness(audio) == pytest.approx(-3.01, abs=0.1)
    quiet = Audio(audio.samples * np.float32(0.1), rate)
    assert loudness(quiet) == pytest.approx(loudness(audio) - 20, abs=0.01)


def test_loudness_is_gated() -> None:
    # EBU Tech 3341, case 3: quiet parts of −36 dB around −23 dB do not count.
    parts = [(-36, 10), (-23, 60), (-36, 10)]
    rate = 48_000
    samples = np.concatenate(
        [tone(1000, rate, seconds, math.sqrt(2) * 10 ** (level / 20)) for level, seconds in parts]
    )
    # The sine's level is its RMS here; the tone's own loudness is the reference.
    middle = Audio(samples[15 * rate : 65 * rate], rate)
    assert loudness(Audio(samples, rate)) == pytest.approx(loudness(middle), abs=0.1)


def test_loudness_of_real_speech_is_that_of_the_reference_library(shared: Path) -> None:
    for path in sorted((shared / "corpora" / "nemo").rglob("*.flac"))[:3]:
        audio = read(path)
        expected = pyloudnorm.Meter(audio.rate).integrated_loudness(audio.samples.astype(float))
        assert loudness(audio) == pytest.approx(expected, abs=1e-9)


def test_loudness_of_what_is_too_short_for_the_standard_is_that_of_its_repetition() -> None:
    steady = loudness(Audio(tone(1000, seconds=2), RATE))
    for seconds in (0.02, 0.1, 0.39, 0.4):
        assert loudness(Audio(tone(1000, seconds=seconds), RATE)) == pytest.approx(steady, abs=0.2)
    assert loudness(Audio(np.zeros(320, np.float32), RATE)) == SILENCE_DB
    assert loudness(Audio(np.full(RATE, 1e-7, np.float32), RATE)) == SILENCE_DB


def test_speech_level_leaves_pauses_out() -> None:
    # ITU-T P.56: words of half a second with a second's silence after each.
    pause = np.zeros(RATE, np.float32)
    words = np.concatenate([tone(200, seconds=0.5), pause] * 4)
    level, activity = speech_level(Audio(words, RATE))
    steady, always = speech_level(Audio(tone(200, seconds=4), RATE))
    assert always == pytest.approx(1, abs=0.02)
    assert steady == pytest.approx(level_db(tone(200, seconds=4)), abs=0.1)
    # Each word is followed by the hangover of 200 ms, and before that by the time that the
    # envelope (two poles of 30 ms) takes to fall by 15.9 dB: (1 + t/30) e^(−t/30) = −15.9 dB.
    time = np.arange(0, 300, 0.1)
    decay = time[np.argmin(np.abs((1 + time / 30) * np.exp(-time / 30) - 10 ** (-15.9 / 20)))]
    active = 0.5 + 0.2 + decay / 1000
    assert activity == pytest.approx(active / 1.5, abs=0.02)
    assert level == pytest.approx(steady - 10 * math.log10(active / 0.5), abs=0.2)


@given(gain=st.floats(-40, 10))
def test_speech_level_follows_the_gain(gain: float) -> None:
    words = np.concatenate([tone(200, seconds=0.3), np.zeros(8000, np.float32)] * 2)
    level, activity = speech_level(Audio(words, RATE))
    louder = Audio(words * np.float32(10 ** (gain / 20)), RATE)
    assert speech_level(louder)[0] == pytest.approx(level + gain, abs=0.01)
    assert speech_level(louder)[1] == pytest.approx(activity, abs=0.01)


def test_speech_level_of_silence() -> None:
    assert speech_level(Audio(np.zeros(RATE, np.float32), RATE)) == (SILENCE_DB, 0.0)
    assert speech_level(Audio(np.zeros(0, np.float32), RATE)) == (SILENCE_DB, 0.0)
