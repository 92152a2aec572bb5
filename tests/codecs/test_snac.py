"""The codec `snac` against its own package."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_a
import torch
from hypothesis import given
from hypothesis import strategies as st

from emoforge.audio import Audio, fit, read
from emoforge.codecs import Codec
from emoforge.codecs.snac import _columns, _levels
from emoforge.component import rng_for
from emoforge.errors import RequirementError

CONFIGS = {"24 kHz": tiny_a.SNAC_24, "44 kHz": tiny_a.SNAC_44}


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return tiny_a.snac(tmp_path_factory.mktemp("snac"), CONFIGS[str(request.param)])


@pytest.fixture(scope="session")
def speech(shared: Path) -> Audio:
    return read(str(min((shared / "corpora" / "emodb").rglob("*.flac"))))


@pytest.fixture
def original(codec: Codec) -> Any:
    """The package's network, with the noise that the codec lets it have."""
    folder = Path(codec.model)  # type: ignore[attr-defined]
    config = json.loads((folder / "config.json").read_text())
    network = tiny_a.built(lambda: importlib.import_module("snac").SNAC(**config))
    network.load_state_dict(torch.load(folder / "pytorch_model.bin"))
    return network


def test_it_is_what_the_package_gives(
    codec: Codec, original: Any, speech: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = speech.resampled(original.sampling_rate)
    seeds = iter(range(4))
    draw = torch.randn

    def noise(shape: tuple[int, ...], **options: Any) -> torch.Tensor:
        return draw(shape, generator=torch.Generator().manual_seed(next(seeds)), **options)

    with torch.inference_mode(), monkeypatch.context() as patch:
        patch.setattr(torch, "randn", noise)
        back, codes = original(torch.from_numpy(clip.samples)[None, None])
    stream = codec.encode(clip)
    tokens = stream.payload.data
    assert isinstance(tokens, np.ndarray)
    levels = _levels(tokens, original.vq_strides)
    assert len(levels) == len(codes) == len(original.vq_strides)
    for own, level in zip(levels, codes, strict=True):
        assert np.array_equal(own, level[0].numpy())
    assert stream.payload.bits == 12 * sum(level.numel() for level in codes)
    expected = back[0, 0].numpy()
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(
        codec.decode(stream).samples, fit(expected, len(clip.samples)).clip(-1, 1), atol=1e-5
    )


def test_the_decoder_has_its_noise(codec: Codec, speech: Audio) -> None:
    network = codec._network()  # type: ignore[attr-defined]
    block = next(b for b in network.modules() if type(b).__name__ == "NoiseBlock")
    hidden = torch.ones(2, block.linear.in_channels, 500)
    with torch.inference_mode():
        noise = block(hidden) - hidden
        scale = block.linear(hidden)
    assert torch.equal(noise[0], noise[1])
    own = noise[0, 0] / scale[0, 0]
    assert 0.8 < float(own.std()) < 1.2
    assert abs(float(own.mean())) < 0.2


@given(strides=st.sampled_from([[4, 2, 1], [8, 4, 2, 1], [1], [6, 3, 1]]), frames=st.integers(1, 9))
def test_levels_come_back_from_columns(strides: list[int], frames: int) -> None:
    rng = rng_for("levels", strides, frames)
    levels = [rng.integers(0, 4096, frames * strides[0] // stride) for stride in strides]
    columns = _columns(levels)
    assert columns.shape == (sum(strides[0] // stride for stride in strides), frames)
    for own, level in zip(_levels(columns, strides), levels, strict=True):
        assert np.array_equal(own, level)


def test_a_column_has_the_tokens_of_one_slow_frame() -> None:
    levels = [np.array([1, 2]), np.array([3, 4, 5, 6])]
    assert _columns(levels).tolist() == [[1, 2], [3, 5], [4, 6]]


@pytest.mark.parametrize(
    ("config", "point"), [(tiny_a.SNAC_24, 0.98), (tiny_a.SNAC_44, 2.58)], ids=sorted(CONFIGS)
)
def test_the_point_of_the_official_models(
    config: dict[str, Any], point: float, tmp_path: Path
) -> None:
    codec = tiny_a.snac(tmp_path, config)
    assert codec.points == (point,)
    assert codec.coded_rate(16000) == config["sampling_rate"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vq_strides": None}, "no 'vq_strides'"),
        ({"groups": 3}, "not the configuration of a SNAC .*groups"),
        ({"encoder_dim": 16}, "its weights are not those of the SNAC"),
    ],
)
def test_another_configuration_is_one_sentence(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    codec = tiny_a.snac(tmp_path)
    config = {**tiny_a.SNAC_24, **change}
    if "vq_strides" in change:
        del config["vq_strides"]
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(RequirementError, match=says) as caught:
        codec.setup()
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
