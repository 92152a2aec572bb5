"""The codecs `encodec` and `encodec_48khz` against their own package."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_a
import torch
from encodec.model import EncodecModel

from emoforge.audio import Audio, fit, read
from emoforge.codecs import Codec
from emoforge.codecs.encodec import Encodec, Encodec48


@pytest.fixture(scope="module")
def mono(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return tiny_a.encodec(tmp_path_factory.mktemp("encodec"))


@pytest.fixture(scope="module")
def stereo(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return tiny_a.encodec_48khz(tmp_path_factory.mktemp("encodec_48khz"))


@pytest.fixture(scope="session")
def speech(shared: Path) -> Audio:
    return read(str(min((shared / "corpora" / "emodb").rglob("*.flac"))))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("kbps", "codebooks"), [(1.5, 2), (3, 4), (6, 8), (12, 16), (24, 32)])
def test_24_khz_is_what_the_package_gives(
    mono: Codec, speech: Audio, kbps: float, codebooks: int
) -> None:
    codec = replace(mono, kbps=kbps)
    folder = Path(mono.model)  # type: ignore[attr-defined]
    original = EncodecModel.encodec_model_24khz(pretrained=False).eval()
    original.load_state_dict(torch.load(folder / Encodec.checkpoint))
    original.set_target_bandwidth(kbps)
    clip = speech.resampled(24000)
    length = -(-len(clip.samples) // 320) * 320
    with torch.inference_mode():
        waves = torch.from_numpy(fit(clip.samples, length))[None, None]
        ((codes, _),) = original.encode(waves)
        back = original.decode([(codes, None)])[0, 0].numpy()
    stream = codec.encode(clip)
    assert np.array_equal(stream.payload.data, codes[0].numpy())
    assert stream.payload.bits == codebooks * length // 320 * 10
    assert np.abs(back).max() > 1e-3
    np.testing.assert_allclose(
        codec.decode(stream).samples, fit(back, len(clip.samples)).clip(-1, 1), atol=1e-5
    )


@pytest.mark.parametrize(("kbps", "codebooks"), [(3, 2), (24, 16)])
def test_48_khz_is_what_the_package_gives(
    stereo: Codec, speech: Audio, kbps: float, codebooks: int
) -> None:
    codec = replace(stereo, kbps=kbps)
    folder = Path(stereo.model)  # type: ignore[attr-defined]
    original = EncodecModel.encodec_model_48khz(pretrained=False).eval()
    original.load_state_dict(torch.load(folder / Encodec48.checkpoint))
    original.set_target_bandwidth(kbps)
    spoken = np.tile(speech.resampled(48000).samples, 2)
    clip = Audio(spoken[: 320 * 330], 48000)  # 2.2 s: three segments
    with torch.inference_mode():
        waves = torch.from_numpy(clip.samples)[None, None].repeat(1, 2, 1)
        segments = original.encode(waves)
        back = original.decode(segments)[0].mean(dim=0).numpy()
    stream = codec.encode(clip)
    tokens = np.concatenate([codes[0].numpy() for codes, _ in segments], axis=1)
    assert len(segments) == 3
    assert np.array_equal(stream.payload.data, tokens)
    assert len(tokens) == codebooks
    assert stream.payload.bits == tokens.size * 10 + 3 * 32
    assert np.abs(back).max() > 1e-3
    np.testing.assert_allclose(
        codec.decode(stream).samples, fit(back, len(clip.samples)).clip(-1, 1), atol=1e-5
    )


@pytest.mark.parametrize("length", [47520, 47840, 48000, 48001, 95040, 95360, 95521])
def test_a_last_segment_within_the_one_before_is_avoided(stereo: Codec, length: int) -> None:
    """The package's own decoder fails on 47,840 and 95,360 samples."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(length)
    coded = stereo.roundtrip(Audio(noise.astype(np.float32), 48000))
    assert len(coded.audio.samples) == length
    assert np.abs(coded.audio.samples[-320:]).max() > 1e-4


def test_the_levels_of_segments_are_followed(stereo: Codec, speech: Audio) -> None:
    """Each segment is brought to one level: a quieter clip has the same tokens, quieter."""
    clip = Audio(speech.resampled(48000).samples[:48000], 48000)
    quiet = Audio(clip.samples / 8, 48000)
    loud, soft = stereo.encode(clip), stereo.encode(quiet)
    assert np.array_equal(loud.payload.data, soft.payload.data)
    np.testing.assert_allclose(
        stereo.decode(loud).samples / 8, stereo.decode(soft).samples, atol=1e-5
    )


def test_weights_are_found_where_the_package_puts_them(
    mono: Codec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = Path(mono.model) / Encodec.checkpoint  # type: ignore[attr-defined]
    usual = tmp_path / "hub" / "checkpoints"
    usual.mkdir(parents=True)
    shutil.copy(source, usual)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for model in ("", str(source)):
        assert Encodec(6.0, model).signature() == mono.signature()
