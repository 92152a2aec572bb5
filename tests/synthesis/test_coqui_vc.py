"""FreeVC, kNN-VC and OpenVoice with tiny random weights, against coqui's own inference."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
import tiny_vc
import torch

from emoforge.audio import Audio, fit, read
from emoforge.clip import Clip
from emoforge.component import create, rng_for
from emoforge.errors import ConfigError, RequirementError
from emoforge.synthesis.vc.network import NetworkConverter
from emoforge.synthesis.vc.wavlm import whole_frames

NAMES = ("freevc", "knnvc", "openvoice")
# coqui-tts and librosa announce changes of their own.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: tmp_path_factory.mktemp(name) for name in NAMES}
    for name, folder in made.items():
        tiny_vc.write(name, folder)
    return made


@pytest.fixture(scope="module")
def make(folders: dict[str, Path]) -> Callable[..., NetworkConverter]:
    def of(name: str, **options: object) -> NetworkConverter:
        values = {"model": str(folders[name]), **options}
        return cast(NetworkConverter, create("generator", name, values))

    return of


@pytest.fixture(scope="module")
def clip(clips: list[Clip]) -> Clip:
    """A man's clip with two of a woman as references."""
    man = next(one for one in clips if one.speaker == "emodb_03")
    woman = [one for one in clips if one.speaker == "emodb_09"][:2]
    return replace(man, references=tuple(woman))


def converted(converter: NetworkConverter, *clips: Clip, seed: int = 1) -> list[Audio]:
    params = [{"target": one.references[0].speaker, "seed": seed} for one in clips]
    outcomes = converter.apply_batch(clips, params)
    assert [outcome.detail for outcome in outcomes] == [""] * len(clips)
    return [cast(Audio, outcome.audio) for outcome in outcomes]


# --- what coqui gives -------------------------------------------------------------------------


def waves(clip: Clip) -> list[torch.Tensor]:
    return [torch.from_numpy(one.read(16000).samples) for one in clip.references]


def coqui_freevc(folder: Path, clip: Clip, tmp_path: Path) -> tuple[Any, int]:
    from TTS.utils.synthesizer import Synthesizer

    source = tmp_path / "source.wav"
    padded = whole_frames(torch.from_numpy(clip.read(16000).samples))[0].numpy()
    soundfile.write(source, padded, 16000, subtype="FLOAT")
    synthesizer = Synthesizer(vc_checkpoint=folder / "model.pth", vc_config=folder / "config.json")
    synthesizer.vc_model.eval()
    torch.manual_seed(1)
    return synthesizer.voice_conversion(str(source), [one.path for one in clip.references]), 24000


def coqui_knnvc(folder: Path, clip: Clip, tmp_path: Path) -> tuple[Any, int]:
    from TTS.config import load_config
    from TTS.vc.configs.knnvc_config import KNNVCConfig
    from TTS.vc.models.knnvc import KNNVC
    from TTS.vocoder.models.gan import GAN

    model = KNNVC(KNNVCConfig())
    vocoder = GAN(load_config(str(folder / "config.json")))
    vocoder.load_checkpoint(vocoder.config, str(folder / "model.pth"), eval=True)
    source = whole_frames(torch.from_numpy(clip.read(16000).samples))
    pool = model.get_matching_set([one[None] for one in waves(clip)], vad_trigger_level=0)
    return vocoder.inference(model.match(model.get_features(source), pool))[0, 0].numpy(), 16000


def coqui_openvoice(folder: Path, clip: Clip, tmp_path: Path) -> tuple[Any, int]:
    from TTS.vc.configs.openvoice_config import OpenVoiceArgs, OpenVoiceConfig
    from TTS.vc.models.openvoice import OpenVoice

    file = folder / "converter" / "config.json"
    args = json.loads(file.read_text())["model"]
    del args["n_speakers"]
    config = OpenVoiceConfig(model_args=OpenVoiceArgs(**args))
    model = OpenVoice(config)
    model.load_checkpoint(config, file.with_name("checkpoint.pth"), eval=True)
    rate = 22050
    source = torch.from_numpy(clip.read(rate).samples)
    torch.manual_seed(1)
    target = [torch.from_numpy(one.read(rate).samples) for one in clip.references]
    return model.voice_conversion(source, target), rate


COQUI = {"freevc": coqui_freevc, "knnvc": coqui_knnvc, "openvoice": coqui_openvoice}


@pytest.mark.parametrize("name", NAMES)
def test_the_result_is_coquis(
    make: Callable[..., NetworkConverter],
    folders: dict[str, Path],
    name: str,
    clip: Clip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = tmp_path / "tts" / "wavlm"
    cache.mkdir(parents=True)
    if name != "openvoice":
        shutil.copy(folders[name] / "WavLM-Large.pt", cache)
    monkeypatch.setenv("TTS_HOME", str(tmp_path))  # where coqui looks for WavLM
    with torch.random.fork_rng([]):
        samples, rate = COQUI[name](folders[name], clip, tmp_path)
    source = clip.read()
    assert abs(len(samples) / rate - source.duration) < 0.025
    theirs = fit(Audio(samples, rate).resampled(source.rate).samples, len(source.samples))
    (ours,) = converted(make(name), clip)
    assert ours.rate == source.rate
    assert len(ours.samples) == len(source.samples)
    gain = (ours.samples @ theirs) / (theirs @ theirs)
    np.testing.assert_allclose(ours.samples, gain * theirs, atol=1e-4 * np.abs(ours.samples).max())


# --- what the house rules say -----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_seed_company_and_global_state(
    make: Callable[..., NetworkConverter], name: str, clip: Clip, clips: list[Clip]
) -> None:
    converter = make(name)
    other = replace(clips[40], references=clip.references)
    state = torch.get_rng_state()
    (alone,) = converted(converter, clip)
    (again, _) = converted(make(name, shown=2), clip, other)
    assert np.array_equal(alone.samples, again.samples)
    assert torch.equal(torch.get_rng_state(), state)
    (reseeded,) = converted(converter, clip, seed=2)
    # kNN-VC draws nothing.
    assert np.array_equal(reseeded.samples, alone.samples) == (name == "knnvc")
    (elsewhere,) = converted(converter, replace(clip, references=(clips[30],)))
    assert not np.array_equal(elsewhere.samples, alone.samples)


def test_a_voice_is_learned_once(
    make: Callable[..., NetworkConverter], clip: Clip, tmp_path: Path
) -> None:
    path = tmp_path / "voice.flac"
    shutil.copy(clip.references[0].path, path)
    own = replace(clip, references=(replace(clip.references[0], path=str(path)),))
    (first,) = converted(make("openvoice"), own)
    path.unlink()
    (second,) = converted(make("openvoice"), own)
    assert np.array_equal(first.samples, second.samples)


def test_freevc_with_its_pretrained_speaker_encoder(tmp_path: Path, clip: Clip) -> None:
    tiny_vc.write_freevc(tmp_path, pretrained_speaker_encoder=True)
    converter = cast(NetworkConverter, create("generator", "freevc", {"model": str(tmp_path)}))
    (whole,) = converted(converter, clip)
    # The same network, its encoder in a file of its own.
    file = tmp_path / "model.pth"
    checkpoint = torch.load(file)
    prefix = "enc_spk_ex."
    own = {n: v for n, v in checkpoint["model"].items() if n.startswith(prefix)}
    checkpoint["model"] = {n: v for n, v in checkpoint["model"].items() if n not in own}
    torch.save(checkpoint, file)
    before = converter.weights
    with pytest.raises(RequirementError, match="fetch the model again"):
        converter.setup()
    state = {n.removeprefix(prefix): v for n, v in own.items()}
    torch.save({"model_state": state}, tmp_path / "speaker_encoder.pt")
    assert converter.weights != before
    (apart,) = converted(converter, clip)
    assert np.array_equal(whole.samples, apart.samples)


def test_a_vocoder_with_its_discriminator(
    make: Callable[..., NetworkConverter], folders: dict[str, Path], tmp_path: Path, clip: Clip
) -> None:
    shutil.copytree(folders["knnvc"], tmp_path, dirs_exist_ok=True)
    state = torch.load(tmp_path / "model.pth")["model"]
    both = {"model_d.x": torch.zeros(1)} | {f"model_g.{n}": v for n, v in state.items()}
    torch.save({"model": both}, tmp_path / "model.pth")
    (here,), (there,) = (
        converted(make("knnvc", **options), clip) for options in ({}, {"model": str(tmp_path)})
    )
    assert np.array_equal(here.samples, there.samples)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_model_one_sentence_says_where_to_get_it(name: str) -> None:
    with pytest.raises(RequirementError, match=rf"generators\.{name}\.model=.*MIT"):
        create("generator", name).check_requirements()


@pytest.mark.parametrize("name", ["freevc", "knnvc"])
def test_wavlm_is_a_local_file_and_never_fetched(
    make: Callable[..., NetworkConverter],
    folders: dict[str, Path],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TTS_HOME", str(tmp_path / "nothing"))
    folder = tmp_path / "model"
    shutil.copytree(folders[name], folder)
    wavlm = folder / "WavLM-Large.pt"
    elsewhere = tmp_path / "features.pt"
    wavlm.rename(elsewhere)
    with pytest.raises(RequirementError, match=rf"WavLM-Large.pt.*generators\.{name}\.wavlm=…"):
        make(name, model=str(folder)).setup()
    make(name, model=str(folder), wavlm=str(elsewhere)).setup()


def test_a_wavlm_that_would_run_code_is_refused(
    make: Callable[..., NetworkConverter], folders: dict[str, Path], tmp_path: Path
) -> None:
    checkpoint = torch.load(folders["knnvc"] / "WavLM-Large.pt")
    checkpoint["cfg"]["conv_feature_layers"] = "__import__('os').system('true') or [(16,10,5)]"
    torch.save(checkpoint, tmp_path / "w.pt")
    with pytest.raises(RequirementError, match="would run code"):
        make("knnvc", wavlm=str(tmp_path / "w.pt")).setup()


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_named(
    make: Callable[..., NetworkConverter], folders: dict[str, Path], name: str, tmp_path: Path
) -> None:
    shutil.copytree(folders[name], tmp_path, dirs_exist_ok=True)
    (weights,) = (*tmp_path.rglob("model.pth"), *tmp_path.rglob("checkpoint.pth"))
    settings = weights.with_name("config.json")
    content = settings.read_text()
    settings.write_text("[]")
    with pytest.raises(RequirementError, match=r"config\.json: damaged"):
        make(name, model=str(tmp_path)).setup()
    settings.write_text(content)
    torch.save({"model": {"other": torch.zeros(1)}}, weights)
    with pytest.raises(RequirementError, match=f"{weights.name}.*fetch the model again"):
        make(name, model=str(tmp_path)).setup()
    torch.save({"model": Path("an object")}, weights)
    with pytest.raises(RequirementError, match="unsafe pickle"):
        make(name, model=str(tmp_path)).setup()


def test_a_device_that_is_not_here(make: Callable[..., NetworkConverter]) -> None:
    with pytest.raises(ConfigError, match="device 'gpu'"):
        make("openvoice", device="gpu").setup()
    assert make("openvoice", device="cuda").in_process
    assert not make("openvoice").in_process


@pytest.mark.parametrize("name", NAMES)
def test_the_device_and_the_folder_are_not_part_of_what_it_is(
    make: Callable[..., NetworkConverter], folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    shutil.copytree(folders[name], tmp_path, dirs_exist_ok=True)
    here, there = make(name), make(name, model=str(tmp_path), device="cuda:7")
    assert here.signature() == there.signature()
    assert len(here.weights) == 32


def test_the_plan_and_its_identity(make: Callable[..., NetworkConverter], clip: Clip) -> None:
    converter = make("freevc")
    params = converter.plan(clip, rng_for(1))
    assert params["target"] == "emodb_09"
    plan = converter.planned(clip, params)
    assert plan.references == tuple(one.id for one in clip.references)
    fewer = replace(clip, references=clip.references[:1])
    assert converter.planned(fewer, params).id != plan.id


def test_a_missing_reference_fails_alone(make: Callable[..., NetworkConverter], clip: Clip) -> None:
    gone = replace(clip, references=(replace(clip.references[0], path="nowhere.flac"),))
    params = {"target": "emodb_09", "seed": 1}
    outcomes = make("openvoice").apply_batch([gone, clip], [params, params])
    assert [one.status for one in outcomes] == ["failed", "ok"]
    assert "nowhere.flac" in outcomes[0].detail
    assert read(clip.path).duration > 1
