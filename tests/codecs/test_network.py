"""What holds for every codec that is a network, with random weights in the published format."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import tiny_codec

from emoforge.audio import Audio, read
from emoforge.codecs import Codec, Coded
from emoforge.codecs.network import _resident, codebook_points, token_bits
from emoforge.component import create, rng_for
from emoforge.errors import AudioError, ConfigError, RequirementError

NAMES = ("encodec", "encodec_48khz", "dac", "dac_24khz", "dac_16khz", "snac", "speechtokenizer")


@pytest.fixture(scope="module", params=NAMES)
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    name = str(request.param)
    made = tiny_codec(name, tmp_path_factory.mktemp(name))
    assert made is not None
    made.check_requirements()
    made.setup()
    return made


@pytest.fixture
def damaged(codec: Codec, tmp_path: Path) -> Iterator[tuple[Codec, Path]]:
    """The codec of a copy of its folder, and the file of weights in it."""
    folder = shutil.copytree(codec.model, tmp_path / "damaged")  # type: ignore[attr-defined]
    (weights,) = (file for file in folder.iterdir() if file.suffix != ".json")
    yield replace(codec, model=str(folder)), weights  # type: ignore[call-arg]
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def speech(shared: Path) -> Audio:
    return read(str(min((shared / "corpora" / "emodb").rglob("*.flac"))))


def part(speech: Audio, start: int, length: int) -> Audio:
    return Audio(speech.samples[start : start + length], speech.rate)


def test_a_clip_comes_out_the_same_alone_as_in_a_batch(codec: Codec, speech: Audio) -> None:
    batch = [part(speech, 2000 * n, 8000) for n in range(4)]
    batch += [part(speech, 3000, 1), part(speech, 3000, 800), part(speech, 0, 20000)]
    together = codec.roundtrip_batch(batch)
    for clip, one in zip(batch, together, strict=True):
        assert isinstance(one, Coded)
        alone = codec.roundtrip(clip)
        np.testing.assert_allclose(one.audio.samples, alone.audio.samples, atol=1e-4)
        assert one.measured() == alone.measured()
    loudest = [np.abs(one.audio.samples).max() for one in together if isinstance(one, Coded)]
    assert min(loudest[:4]) > 1e-3  # there is something to compare


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(1, 6000), rate=st.sampled_from([8000, 16000, 22050, 44100, 48000]))
def test_length_and_rate_come_back(codec: Codec, length: int, rate: int) -> None:
    noise = 0.1 * rng_for("network", length).standard_normal(length)
    coded = codec.roundtrip(Audio(noise.astype(np.float32), rate))
    assert (len(coded.audio.samples), coded.audio.rate) == (length, rate)
    assert np.isfinite(coded.audio.samples).all()
    assert coded.delay == 0


def test_silence_and_clipping_are_coded(codec: Codec) -> None:
    silence = Audio(np.zeros(8000, np.float32), 16000)
    square = Audio(np.sign(np.sin(np.arange(8000) / 20)).astype(np.float32), 16000)
    for one in codec.roundtrip_batch([silence, square]):
        assert isinstance(one, Coded)
        assert np.abs(one.audio.samples).max() <= 1


def test_samples_that_are_not_finite_fail_alone(codec: Codec, speech: Audio) -> None:
    broken = Audio(np.full(8000, np.nan, np.float32), 16000)
    good, bad = codec.roundtrip_batch([part(speech, 0, 8000), broken])
    assert isinstance(good, Coded)
    assert isinstance(bad, AudioError)


def test_every_point_sends_what_it_says(codec: Codec, speech: Audio) -> None:
    clip = part(speech, 0, 24000)
    assert list(codec.points) == sorted(set(codec.points))
    sizes = []
    for point in codec.points:
        at_point = replace(codec, kbps=point)
        at_point.point()
        stream = at_point.encode(clip)
        tokens = stream.payload.data
        assert isinstance(tokens, np.ndarray)
        assert tokens.dtype == np.int64
        # EnCodec's segments at 48 kHz overlap by 1 %, and their levels are 0.04 kbit/s.
        most = 1.01 * point + 0.05 if codec.name == "encodec_48khz" else point + 6e-3
        assert point - 6e-3 <= stream.kbps <= most
        assert stream.payload.samples >= len(clip.samples) * stream.rate / clip.rate
        sizes.append(stream.payload.bits)
        coded = at_point.roundtrip(clip)
        assert coded.kbps == stream.kbps
        assert coded.rate == stream.rate == codec.coded_rate(clip.rate)
        assert np.array_equal(coded.audio.samples, at_point.decode(stream).samples)
    assert sizes == sorted(set(sizes))
    with pytest.raises(ConfigError, match="kbit/s; it has"):
        replace(codec, kbps=codec.points[-1] + 1).point()


def test_the_points_of_a_model_share_one_network(codec: Codec, speech: Audio) -> None:
    low, high = replace(codec, kbps=codec.points[0]), replace(codec, kbps=codec.points[-1])
    clip = part(speech, 0, 8000)
    before = low.encode(clip).payload.data
    high.encode(clip)
    assert np.array_equal(before, low.encode(clip).payload.data)
    assert low._network() is high._network()  # type: ignore[attr-defined]


def test_nothing_global_changes(codec: Codec, speech: Audio) -> None:
    def state() -> tuple[Any, ...]:
        return (
            torch.random.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_default_dtype(),
            np.random.get_state()[1].tolist(),  # type: ignore[index,union-attr] # noqa: NPY002
        )

    _resident.cache_clear()
    before = state()
    codec.setup()
    first = codec.roundtrip(part(speech, 0, 8000))
    assert state() == before
    torch.rand(1)  # and what others draw changes nothing
    second = codec.roundtrip(part(speech, 0, 8000))
    assert np.array_equal(first.audio.samples, second.audio.samples)


def test_the_weights_count_and_their_place_does_not(
    codec: Codec, damaged: tuple[Codec, Path]
) -> None:
    other, file = damaged
    assert other.signature() == codec.signature()
    assert "model" not in codec.options()
    with file.open("ab") as weights:
        weights.write(b"more")
    assert other.weights != codec.weights


def test_weights_that_are_cut_off_are_one_sentence(damaged: tuple[Codec, Path]) -> None:
    codec, file = damaged
    with file.open("r+b") as weights:
        weights.truncate(1000)
    refused(codec, file, "damaged")


def test_other_weights_are_one_sentence(damaged: tuple[Codec, Path]) -> None:
    codec, file = damaged
    held = torch.load(file, weights_only=True)
    tensors = held.get("state_dict", held)
    del tensors[next(name for name in tensors if name.startswith("decoder."))]
    torch.save(held, file)
    refused(codec, file, "its weights are not those of the")


def test_a_pickle_that_would_run_code_is_refused(damaged: tuple[Codec, Path]) -> None:
    class Program:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return exec, ("raise SystemExit",)

    codec, file = damaged
    torch.save({"state_dict": Program(), "metadata": Program()}, file)
    refused(codec, file, "refused as an unsafe pickle")


def refused(codec: Codec, file: Path, says: str) -> None:
    with pytest.raises(RequirementError, match=says) as caught:
        codec.setup()
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("encodec", r"encodec_24khz-d7cc33bc\.th.*CC BY-NC"),
        ("encodec_48khz", r"encodec_48khz-7e698e3e\.th.*CC BY-NC"),
        ("dac", r"weights_44khz_8kbps_0\.0\.1\.pth.*dac download --model_type 44khz.*MIT"),
        ("dac_24khz", r"weights_24khz_8kbps_0\.0\.4\.pth.*dac download --model_type 24khz.*MIT"),
        ("dac_16khz", r"weights_16khz_8kbps_0\.0\.5\.pth.*dac download --model_type 16khz.*MIT"),
        ("snac", "codec.snac.model=hubertsiuzdak/snac_24khz.*MIT.*codec.snac.revision="),
        ("speechtokenizer", "model=fnlp/SpeechTokenizer.*Apache-2.0.*revision="),
    ],
)
def test_missing_weights_say_how_to_get_them(
    name: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    codec = cast(Codec, create("codec", name, {"kbps": 6}))
    for use in (codec.check_requirements, codec.setup, lambda: codec.weights):
        with pytest.raises(RequirementError, match=says) as caught:
            use()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_place_without_weights_is_named(name: str, tmp_path: Path) -> None:
    for model in (str(tmp_path), str(tmp_path / "nowhere")):
        codec = cast(Codec, create("codec", name, {"kbps": 6, "model": model}))
        with pytest.raises(RequirementError, match=model):
            codec.check_requirements()
    on_hub = cast(Codec, create("codec", name, {"kbps": 6, "model": "someone/something"}))
    with pytest.raises(ConfigError, match=f"add codec.{name}.revision="):
        on_hub.check_requirements()


def test_a_device_that_is_not_here_is_one_sentence(codec: Codec) -> None:
    for device in ("cuda:77", "gramophone"):
        with pytest.raises(ConfigError, match=f"device '{device}' cannot be used here"):
            replace(codec, device=device).setup()  # type: ignore[call-arg]


@pytest.mark.parametrize(("size", "each"), [(2, 1), (1000, 10), (1024, 10), (1025, 11)])
def test_bits_are_what_indices_of_equal_length_take(size: int, each: int) -> None:
    assert token_bits(7, size) == 7 * each


def test_points_can_be_typed() -> None:
    assert codebook_points(9, 44100 / 512, 1024)[:3] == (0.86, 1.72, 2.58)
    assert codebook_points(9, 44100 / 512, 1024)[-1] == 7.75
    assert codebook_points(8, 50, 1024)[-1] == 4.0
