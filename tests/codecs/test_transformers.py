"""The codec `transformers`: every type of model that it runs, against the model itself."""

import importlib
import json
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from tiny_b import NETWORKS, tiny_transformers

from emoforge.audio import Audio, read
from emoforge.codecs import Codec, Coded
from emoforge.codecs.transformers import TransformersCodec
from emoforge.component import create
from emoforge.errors import ConfigError, RequirementError

POINTS: Mapping[str, tuple[float, ...]] = {
    "dac": (0.45, 0.9, 1.35),  # 75 frames a second, 1 to 3 codebooks of 6 bits
    "encodec": (1.5, 3, 6, 12, 24),
    "encodec_48khz": (3, 6),
    "higgs": (0.5, 1, 2),
    "mimi": (0.06, 0.12, 0.19, 0.25),  # 12.5 frames a second, 1 to 4 codebooks of 5 bits
    "neucodec": (0.3,),  # 50 frames a second, one codebook of 4³ entries
    "xcodec": (0.5, 1, 2),
    "xcodec2": (0.3,),
}
RATES = {"encodec_48khz": 48000, "xcodec": 16000, "xcodec2": 16000}


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Codec]:
    """One random model of each type, at its lowest bitrate."""
    return {name: tiny_transformers(name, tmp_path_factory.mktemp(name)) for name in NETWORKS}


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Audio]:
    """Three real clips of 1.2 to 2.1 s."""
    files = sorted((shared / "corpora" / "emodb").rglob("*.flac"))[:3]
    return [read(file) for file in files]


def own_model(codec: Codec) -> Any:
    """The model as transformers loads it."""
    from transformers import AutoModel

    folder = cast(TransformersCodec, codec).model
    return AutoModel.from_pretrained(folder, local_files_only=True).eval()


def tokens(codec: Codec, audio: Audio) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    data = codec.encode(audio).payload.data
    assert isinstance(data, np.ndarray)
    return data


@pytest.mark.parametrize("name", NETWORKS)
def test_points_and_rate_are_those_of_the_configuration(
    codecs: dict[str, Codec], name: str
) -> None:
    assert codecs[name].points == POINTS[name]
    assert codecs[name].coded_rate(8000) == RATES.get(name, 24000)
    with pytest.raises(ConfigError, match=r"codec 'mine' has no 7\.7 kbit/s; it has "):
        replace(codecs[name], kbps=7.7).point("mine")


@pytest.mark.parametrize(
    ("config", "official"),
    [
        ("MimiConfig", {1.1, 4.4}),
        ("XcodecConfig", {0.5, 1.0, 1.5, 2.0, 4.0}),
        ("Xcodec2Config", {0.8}),
        ("NeuCodecConfig", {0.8}),
    ],
)
def test_the_defaults_of_transformers_have_the_published_bitrates(
    tmp_path: Path, config: str, official: set[float]
) -> None:
    getattr(importlib.import_module("transformers"), config)().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").touch()
    codec = cast(Codec, create("codec", "transformers", {"kbps": 0.0, "model": str(tmp_path)}))
    assert official <= set(codec.points)


def directly(name: str, model: Any, wave: torch.Tensor, codec: Codec) -> tuple[Any, torch.Tensor]:
    """Tokens and samples as the model's own documentation has them made."""
    point = codec.points.index(codec.kbps)
    if name in ("neucodec", "xcodec2"):
        from transformers import AutoFeatureExtractor

        extractor = AutoFeatureExtractor.from_pretrained(cast(TransformersCodec, codec).model)  # type: ignore[no-untyped-call]
        heard = Audio(wave[0].numpy(), codec.coded_rate(0)).resampled(16000).samples
        inputs = extractor(heard[:-1], sampling_rate=16000, return_tensors="pt")
        coded = model.encode(inputs["input_values"], inputs["input_features"])
        return coded.audio_codes[0], model.decode(coded.audio_codes).audio_values[0, 0]
    if name == "dac":
        _, _, codes, _ = model.encode(wave[None], n_quantizers=point + 1, return_dict=False)
        return codes[0], model.decode(audio_codes=codes).audio_values[0]
    if name == "mimi":
        made = model(wave[None], num_quantizers=point + 1)
        return made.audio_codes[0], made.audio_values[0, 0]
    wave = wave.expand(2, -1) if name == "encodec_48khz" else wave
    made = model(wave[None], bandwidth=model.config.target_bandwidths[point])
    codes = made.audio_codes
    if name == "encodec":
        codes = codes[0]
    elif name == "encodec_48khz":
        # Two segments and less: the first is full, the last is filled up.
        hops = wave.shape[1] - 47520 * (len(codes) - 1)
        codes = torch.cat([*codes[:-1], codes[-1][..., : -(-hops // 320)]], dim=-1)
    return codes[0], made.audio_values[0].mean(0)


@pytest.mark.parametrize(
    ("name", "kbps"), [(name, kbps) for name, points in POINTS.items() for kbps in points]
)
def test_it_codes_as_the_model_itself(
    codecs: dict[str, Codec], speech: list[Audio], name: str, kbps: float
) -> None:
    codec = cast(TransformersCodec, replace(codecs[name], kbps=kbps))
    model = own_model(codec)
    audio = speech[0].resampled(codec.coded_rate(0))
    payload = codec.encode(audio).payload
    padded = np.zeros(codec._padded(model, len(audio.samples)), np.float32)
    padded[: len(audio.samples)] = audio.samples
    with torch.inference_mode():
        codes, samples = directly(name, model, torch.from_numpy(padded)[None], codec)
    assert isinstance(payload.data, np.ndarray)
    assert np.array_equal(payload.data, codes.numpy())
    assert len(np.unique(payload.data)) > 4
    raw = codec._decode(payload, codec.coded_rate(0))
    np.testing.assert_allclose(raw[: len(samples)], samples.numpy(), atol=1e-4 * np.abs(raw).max())
    assert np.abs(raw).max() > 0.01
    assert len(raw) >= len(audio.samples) - 8


@pytest.mark.parametrize("name", NETWORKS)
def test_bits_are_those_of_the_tokens(
    codecs: dict[str, Codec], speech: list[Audio], name: str
) -> None:
    sizes = {"encodec": 1024, "encodec_48khz": 1024, "higgs": 1024, "mimi": 32, "xcodec": 1024}
    size = sizes.get(name, 64)
    for kbps in POINTS[name]:
        codec = replace(codecs[name], kbps=kbps)
        stream = codec.encode(speech[0])
        sent = tokens(codec, speech[0])
        levels = 32 * -(-stream.payload.samples // 47520) if name == "encodec_48khz" else 0
        assert stream.payload.bits == sent.size * np.log2(size) + levels
        # Points have two decimals; EnCodec's segments overlap and send their level.
        assert stream.kbps == pytest.approx(kbps, rel=0.05)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_clip_comes_out_the_same_alone_as_in_a_batch(
    codecs: dict[str, Codec], speech: list[Audio], name: str
) -> None:
    codec = codecs[name]
    short = Audio(speech[1].samples[4000:5000], 16000)
    batch = [*speech, short, Audio(speech[2].samples[::-1].copy(), 16000), speech[0], short]
    together = codec.roundtrip_batch(batch)
    for audio, one in zip(batch, together, strict=True):
        assert isinstance(one, Coded)
        alone = codec.roundtrip(audio)
        assert one.kbps == alone.kbps
        np.testing.assert_allclose(one.audio.samples, alone.audio.samples, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_length_comes_back(codecs: dict[str, Codec], speech: list[Audio], name: str) -> None:
    hop, segment = 320, 15840  # at 16 kHz, of most models and of EnCodec at 48 kHz
    for length in (1, 2, 100, hop - 1, hop, hop + 1, 961, segment, segment + 1, segment + 160):
        coded = codecs[name].roundtrip(Audio(speech[0].samples[:length], 16000))
        assert len(coded.audio.samples) == length
        assert coded.audio.rate == 16000
        assert np.isfinite(coded.audio.samples).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_silence_can_be_coded(codecs: dict[str, Codec], name: str) -> None:
    coded = codecs[name].roundtrip(Audio(np.zeros(800, np.float32), 16000))
    assert np.isfinite(coded.audio.samples).all()
    assert len(coded.audio.samples) == 800


def test_weights_are_their_content_not_their_place(
    codecs: dict[str, Codec], tmp_path: Path
) -> None:
    codec = cast(TransformersCodec, codecs["mimi"])
    copy = shutil.copytree(codec.model, tmp_path / "copy")
    moved = replace(codec, model=str(copy), device="cpu", called="mimi")
    assert moved.signature() == codec.signature()
    other = tiny_transformers("dac", tmp_path)
    assert other.weights != codec.weights


def test_a_pickle_of_tensors_is_as_good(
    codecs: dict[str, Codec], speech: list[Audio], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    codec = cast(TransformersCodec, codecs["mimi"])
    copy = Path(shutil.copytree(codec.model, tmp_path / "copy"))
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    assert np.array_equal(
        tokens(replace(codec, model=str(copy)), speech[0]), tokens(codec, speech[0])
    )


def test_what_only_training_needs_may_be_missing(
    codecs: dict[str, Codec], speech: list[Audio], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    codec = cast(TransformersCodec, codecs["xcodec"])
    copy = Path(shutil.copytree(codec.model, tmp_path / "copy"))
    state = load_file(copy / "model.safetensors")
    del state["semantic_model.masked_spec_embed"]
    save_file(state, copy / "model.safetensors", {"format": "pt"})
    assert np.array_equal(
        tokens(replace(codec, model=str(copy)), speech[0]), tokens(codec, speech[0])
    )


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vibevoice_acoustic"}))
    (tmp_path / "model.safetensors").touch()
    codec = cast(Codec, create("codec", "transformers", {"kbps": 1.0, "model": str(tmp_path)}))
    with pytest.raises(ConfigError, match=r"'vibevoice_acoustic'.* DAC, EnCodec, .*X-Codec2$"):
        _ = codec.points


def test_missing_weights_say_what_to_set(tmp_path: Path) -> None:
    options = {"kbps": 1.1, "called": "mimi"}
    codec = cast(Codec, create("codec", "transformers", options))
    with pytest.raises(ConfigError, match=r"add codec\.mimi\.model=…"):
        codec.check_requirements()
    codec = cast(Codec, create("codec", "transformers", {**options, "model": "kyutai/mimi"}))
    with pytest.raises(ConfigError, match=r"pin the commit: add codec\.mimi\.revision=…"):
        codec.check_requirements()
    codec = cast(Codec, create("codec", "transformers", {**options, "model": str(tmp_path)}))
    with pytest.raises(RequirementError, match=r"no config\.json in this folder"):
        codec.check_requirements()


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def other_sizes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_filters": 8}))


def impossible(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_quantizers": "many"}))


def cut_off(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(1000)


def incomplete(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    kept = {key: values for key, values in state.items() if "quantizer" not in key}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


class Program:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit",)


def code(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"weight": Program()}, file)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (no_json, "damaged, it is not JSON"),
        (other_sizes, "weights cannot be read"),
        (impossible, "cannot be used"),
        (cut_off, "weights cannot be read"),
        (incomplete, "of the tensors that Mimi needs"),
        (code, "weights cannot be read"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    codecs: dict[str, Codec], tmp_path: Path, damage: Any, says: str
) -> None:
    mimi = cast(TransformersCodec, codecs["mimi"])
    folder = Path(shutil.copytree(mimi.model, tmp_path / "damaged"))
    damage(folder)
    with pytest.raises(RequirementError, match=says) as caught:
        replace(mimi, model=str(folder)).setup()
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_feature_extractor_that_is_absent_is_named(
    codecs: dict[str, Codec], speech: list[Audio], tmp_path: Path
) -> None:
    codec = cast(TransformersCodec, codecs["xcodec2"])
    folder = Path(shutil.copytree(codec.model, tmp_path / "copy"))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(RequirementError, match=r"preprocessor_config\.json"):
        replace(codec, model=str(folder)).setup()


def test_loading_says_nothing(
    codecs: dict[str, Codec], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    codec = cast(TransformersCodec, codecs["dac"])
    folder = shutil.copytree(codec.model, tmp_path / "copy")
    config = json.loads((Path(folder) / "config.json").read_text())
    (Path(folder) / "config.json").write_text(json.dumps({**config, "note": "another digest"}))
    capfd.readouterr()
    replace(codec, model=str(folder)).setup()
    assert capfd.readouterr() == ("", "")
