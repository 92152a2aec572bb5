"""The codecs `dac`, `dac_24khz` and `dac_16khz` against their own package."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_a
import torch

from emoforge.audio import Audio, fit, read
from emoforge.codecs import Codec
from emoforge.codecs.dac import DAC, DAC16
from emoforge.errors import RequirementError

OFFICIAL = {
    "dac": (44100, [0.86, 7.75]),
    "dac_24khz": (24000, [0.75, 24.0]),
    "dac_16khz": (16000, [0.5, 6.0]),
}


@pytest.fixture(scope="module", params=sorted(OFFICIAL))
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return tiny_a.dac(tmp_path_factory.mktemp("dac"), str(request.param))


@pytest.fixture(scope="session")
def speech(shared: Path) -> Audio:
    return read(str(min((shared / "corpora" / "emodb").rglob("*.flac"))))


def file_of(codec: Codec) -> Path:
    (file,) = Path(codec.model).iterdir()  # type: ignore[attr-defined]
    return file


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("codebooks", [1, 3, 9])
def test_it_is_what_the_package_gives(codec: Codec, speech: Audio, codebooks: int) -> None:
    original = tiny_a.dac_class().load(str(file_of(codec))).eval()
    rate, _ = OFFICIAL[codec.name]
    clip = speech.resampled(rate)
    with torch.inference_mode():
        waves = original.preprocess(torch.from_numpy(clip.samples)[None, None], rate)
        quantised, codes, *_ = original.encode(waves, n_quantizers=codebooks)
        back = original.decode(quantised)[0, 0].numpy()
    at_point = replace(codec, kbps=codec.points[codebooks - 1])
    stream = at_point.encode(clip)
    assert np.array_equal(stream.payload.data, codes[0].numpy())
    assert codes.shape[1] == codebooks
    assert stream.payload.bits == codes.numel() * 6  # 64 entries
    assert stream.payload.samples == waves.shape[-1]
    assert np.abs(back).max() > 1e-3
    np.testing.assert_allclose(
        at_point.decode(stream).samples, fit(back, len(clip.samples)).clip(-1, 1), atol=1e-5
    )


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_points_of_the_official_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tiny_a._DAC, "codebook_size", 1024)
    codec = tiny_a.dac(tmp_path, name)
    rate, (first, last) = OFFICIAL[name]
    assert codec.coded_rate(8000) == rate
    assert (codec.points[0], codec.points[-1]) == (first, last)
    codec.point()
    replace(codec, kbps=first).point()


def test_the_weights_of_another_rate_are_refused(tmp_path: Path) -> None:
    file = file_of(tiny_a.dac(tmp_path, "dac_24khz"))
    with pytest.raises(RequirementError, match=r"a DAC of 24000 Hz, 'dac_16khz' is that of 16000"):
        DAC16(0.5, str(file)).setup()


def without_kwargs(held: dict[str, Any]) -> None:
    del held["metadata"]["kwargs"]


def without_rates(held: dict[str, Any]) -> None:
    del held["metadata"]["kwargs"]["encoder_rates"]


@pytest.mark.parametrize(
    ("change", "says"), [(without_kwargs, "no 'kwargs'"), (without_rates, "no 'encoder_rates'")]
)
def test_a_file_without_settings_is_one_sentence(tmp_path: Path, change: Any, says: str) -> None:
    codec = tiny_a.dac(tmp_path)
    held = torch.load(file_of(codec), weights_only=True)
    change(held)
    torch.save(held, file_of(codec))
    with pytest.raises(RequirementError, match=f"no checkpoint of DAC, it has {says}"):
        _ = codec.points


def test_settings_that_an_older_release_did_not_save_have_their_defaults(
    tmp_path: Path, speech: Audio
) -> None:
    codec = tiny_a.dac(tmp_path)
    clip = Audio(speech.samples[:8000], speech.rate)
    before = codec.roundtrip(clip)
    held = torch.load(file_of(codec), weights_only=True)
    del held["metadata"]["kwargs"]["latent_dim"]
    torch.save(held, file_of(codec))
    assert np.array_equal(codec.roundtrip(clip).audio.samples, before.audio.samples)


def test_weights_are_found_where_the_package_puts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, usual = tmp_path / "own", tmp_path / ".cache" / "descript" / "dac"
    folder.mkdir()
    usual.mkdir(parents=True)
    codec = tiny_a.dac(folder)
    shutil.copy(file_of(codec), usual)
    monkeypatch.setenv("HOME", str(tmp_path))
    for model in ("", str(file_of(codec))):
        assert DAC(codec.kbps, model).signature() == codec.signature()


def test_two_files_of_weights_are_one_too_many(tmp_path: Path) -> None:
    codec = tiny_a.dac(tmp_path)
    shutil.copy(file_of(codec), tmp_path / "weights_44khz_16kbps_1.0.0.pth")
    with pytest.raises(RequirementError, match=r"2 files of weights .* add codec\.dac\.model="):
        codec.setup()


def test_an_odd_stride_makes_nothing_late(tmp_path: Path) -> None:
    """What a sample changes lies around it, on average over a frame: no delay to take out.

    The encoder is late by half a sample of the layer with stride 5, the decoder as early.
    """
    network = tiny_a.dac(tmp_path, "dac_16khz")._network()  # type: ignore[attr-defined]
    offsets = []
    with torch.inference_mode():
        for place in range(18 * 320, 19 * 320, 3):
            wave = torch.zeros(1, 1, 40 * 320)
            wave[0, 0, place] = torch.nan
            changed = network.decoder(network.encoder(wave))[0, 0].isnan().nonzero()
            offsets.append(float(changed[0] + changed[-1]) / 2 - place)
    assert abs(np.mean(offsets)) <= 1
