"""The codec `lyra`, with its real weights, on real speech."""

import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pesq import pesq

from emoforge.audio import Audio, read
from emoforge.codecs import Codec, Coded
from emoforge.component import create, rng_for
from emoforge.errors import ConfigError, RequirementError


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "weights" / "lyra_v1"


def lyra(folder: Path, kbps: float) -> Codec:
    codec = cast(Codec, create("codec", "lyra", {"kbps": kbps, "model": str(folder)}))
    codec.check_requirements()
    codec.setup()
    return codec


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Audio]:
    """Nine real clips: loud, quiet, three languages."""
    chosen = []
    for corpus in ("emodb", "ravdess", "nemo"):
        files = sorted((shared / "corpora" / corpus).rglob("*.flac"))
        chosen += [read(files[i * len(files) // 3]) for i in range(3)]
    return chosen


def tokens(codec: Codec, audio: Audio) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    data = codec.encode(audio).payload.data
    assert isinstance(data, np.ndarray)
    return data


def test_the_points_are_those_of_1_to_46_quantisers(folder: Path) -> None:
    codec = lyra(folder, 3.2)
    assert len(codec.points) == 46
    assert list(codec.points) == sorted(codec.points)
    for official in (3.2, 6.0, 9.2):
        assert official in codec.points
    with pytest.raises(ConfigError, match=r"codec 'lyra' has no 3\.3 kbit/s; it has 0\.2, 0\.4"):
        lyra(folder, 3.3).point()


@pytest.mark.parametrize(("kbps", "quantisers"), [(0.2, 1), (3.2, 16), (6, 30), (9.2, 46)])
def test_bits_are_those_of_the_tokens(
    folder: Path, speech: list[Audio], kbps: float, quantisers: int
) -> None:
    codec = lyra(folder, kbps)
    for audio in speech:
        payload = codec.encode(audio).payload
        sent = tokens(codec, audio)
        frames = -(-(len(audio.samples) + codec.delay(16000)) // 320)
        assert sent.shape == (quantisers, frames)
        assert 0 <= sent.min() <= sent.max() < 16
        assert payload.samples == 320 * frames
        assert payload.bits == 4 * sent.size + 32
        gain = 32 / audio.duration / 1000
        assert kbps < codec.roundtrip(audio).kbps <= kbps + gain


def test_fewer_quantisers_are_the_first_of_more(folder: Path, speech: list[Audio]) -> None:
    few, many = lyra(folder, 3.2), lyra(folder, 9.2)
    assert np.array_equal(tokens(many, speech[0])[:16], tokens(few, speech[0]))


def test_more_bits_sound_better(folder: Path, speech: list[Audio]) -> None:
    scores = []
    for kbps in (0.2, 3.2, 6, 9.2):
        heard = [lyra(folder, kbps).roundtrip(audio).audio.samples for audio in speech]
        pairs = zip(speech, heard, strict=True)
        scores.append(np.mean([pesq(16000, a.samples, b, "wb") for a, b in pairs]))
    assert scores == sorted(scores)
    assert scores[1] > 1.8
    assert scores[3] > 2.5


def test_it_is_in_time(folder: Path, speech: list[Audio]) -> None:
    codec = lyra(folder, 9.2)
    assert codec.delay(16000) <= 1
    assert lyra(folder, 0.2).delay(16000) == codec.delay(16000)
    for audio in speech:
        back = codec.roundtrip(audio).audio.samples
        size = 2 * len(back)
        spectrum = np.fft.rfft(back, size) * np.conj(np.fft.rfft(audio.samples, size))
        shift = np.fft.fftshift(np.fft.irfft(spectrum, size))
        assert abs(int(np.argmax(shift)) - size // 2) <= 1


@given(exponent=st.integers(-9, 0))
def test_a_quieter_clip_is_coded_as_well(folder: Path, speech: list[Audio], exponent: int) -> None:
    codec = lyra(folder, 3.2)
    clip = speech[3]
    quiet = Audio(clip.samples * np.float32(2.0**exponent), 16000)
    assert np.array_equal(tokens(codec, quiet), tokens(codec, clip))
    expected = codec.roundtrip(clip).audio.samples * np.float32(2.0**exponent)
    np.testing.assert_allclose(codec.roundtrip(quiet).audio.samples, expected, atol=1e-7)


def test_no_clip_leaves_anything_to_the_next(folder: Path, speech: list[Audio]) -> None:
    codec = lyra(folder, 6)
    first = [codec.roundtrip(audio).audio.samples for audio in speech]
    backwards = [codec.roundtrip(audio).audio.samples for audio in speech[::-1]][::-1]
    batch = [cast(Coded, one).audio.samples for one in codec.roundtrip_batch(speech)]
    for one, other, third in zip(first, backwards, batch, strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one, third)


@pytest.mark.parametrize("length", [1, 319, 320, 321, 800])
def test_short_clips_keep_their_length(folder: Path, speech: list[Audio], length: int) -> None:
    clip = Audio(speech[0].samples[8000 : 8000 + length], 16000)
    back = lyra(folder, 3.2).roundtrip(clip).audio
    assert back.rate == 16000
    assert len(back.samples) == length
    assert np.isfinite(back.samples).all()


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_other_rates_come_back(folder: Path, speech: list[Audio], rate: int) -> None:
    clip = speech[0].resampled(rate)
    coded = lyra(folder, 9.2).roundtrip(clip)
    assert (coded.rate, coded.audio.rate) == (16000, rate)
    assert len(coded.audio.samples) == len(clip.samples)
    assert np.corrcoef(coded.audio.samples, clip.samples)[0, 1] > 0.8


def test_silence_stays_silent(folder: Path) -> None:
    coded = lyra(folder, 3.2).roundtrip(Audio(np.zeros(16000, np.float32), 16000))
    assert not coded.audio.samples.any()


def test_the_faintest_sound_can_be_coded(folder: Path) -> None:
    noise = rng_for("lyra").uniform(-1, 1, 3200).astype(np.float32)
    faint = Audio(noise * np.float32(1e-38), 16000)
    back = lyra(folder, 3.2).roundtrip(faint).audio.samples
    assert np.abs(back).max() < 1e-37


def test_weights_are_their_content_not_their_place(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert lyra(copy, 6).signature() == lyra(folder, 6).signature()
    network = copy / "lyragan.tflite"
    network.chmod(0o644)
    network.write_bytes(network.read_bytes() + b"\0")
    assert lyra(copy, 6).weights != lyra(folder, 6).weights


def test_missing_weights_say_where_they_are() -> None:
    codec = cast(Codec, create("codec", "lyra", {"kbps": 6}))
    with pytest.raises(RequirementError, match=r"Lyra v1\.3 .*Apache-2\.0.*codec\.lyra\.model=DIR"):
        codec.setup()


def test_a_folder_without_a_network_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copyfile(folder / "quantizer.tflite", tmp_path / "quantizer.tflite")
    with pytest.raises(RequirementError, match=r"no soundstream_encoder\.tflite in this folder"):
        lyra(tmp_path, 6)


def test_a_damaged_network_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "quantizer.tflite").chmod(0o644)
    (copy / "quantizer.tflite").write_bytes(b"not a network")
    with pytest.raises(RequirementError, match=r"damaged, .*quantizer\.tflite") as caught:
        lyra(copy, 6)
    assert "\n" not in str(caught.value)
