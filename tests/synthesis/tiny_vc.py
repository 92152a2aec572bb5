"""Voice converters with small random weights, in the official formats on disk."""

import json
from pathlib import Path
from typing import Any

import torch
from TTS.vc.configs.openvoice_config import OpenVoiceArgs, OpenVoiceConfig
from TTS.vc.layers.freevc.speaker_encoder.speaker_encoder import SpeakerEncoder
from TTS.vc.layers.freevc.wavlm.wavlm import WavLM, WavLMConfig
from TTS.vc.models import freevc
from TTS.vc.models.openvoice import OpenVoice
from TTS.vocoder.configs import HifiganConfig
from TTS.vocoder.models import setup_generator

DIM = 32


def write(name: str, folder: Path) -> dict[str, str]:
    """Weights of a converter of that name; its options that load them."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        if name == "freevc":
            write_freevc(folder)
        elif name == "knnvc":
            write_knnvc(folder)
        else:
            write_openvoice(folder)
    return {"model": str(folder)}


def write_wavlm(folder: Path) -> Path:
    """`WavLM-Large.pt`: 6 layers of 32 channels instead of 24 of 1,024, the frames as there."""
    settings = {
        "extractor_mode": "layer_norm",
        "encoder_layers": 6,
        "encoder_embed_dim": DIM,
        "encoder_ffn_embed_dim": 64,
        "encoder_attention_heads": 2,
        "layer_norm_first": True,
        "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
        "normalize": True,
        "relative_position_embedding": True,
        "gru_rel_pos": True,
    }
    file = folder / "WavLM-Large.pt"
    state = WavLM(WavLMConfig(settings)).state_dict()
    torch.save({"cfg": settings, "model": state}, file)
    return file


def write_freevc(folder: Path, *, pretrained_speaker_encoder: bool = False) -> None:
    """`config.json`, `model.pth` and WavLM, as coqui's freevc24.zip has the first two."""
    settings: dict[str, Any] = {
        "model": "freevc",
        "model_args": {
            "ssl_dim": DIM,
            "inter_channels": 16,
            "hidden_channels": 16,
            "gin_channels": 256,
            "upsample_rates": [10, 6, 4, 2],
            "upsample_initial_channel": 32,
            "upsample_kernel_sizes": [20, 12, 8, 4],
            "use_spk": pretrained_speaker_encoder,
        },
    }
    (folder / "config.json").write_text(json.dumps(settings))
    wavlm = torch.load(write_wavlm(folder))
    features = WavLM(WavLMConfig(wavlm["cfg"]))
    features.load_state_dict(wavlm["model"])

    class Offline(freevc.FreeVC):  # type: ignore[misc]
        def load_pretrained_speaker_encoder(self) -> None:
            file = folder / "speaker_encoder.pt"
            torch.save({"model_state": {}}, file)
            self.enc_spk_ex = SpeakerEncoder(str(file))
            file.unlink()

    original, freevc.get_wavlm = freevc.get_wavlm, lambda: features
    try:
        config = freevc.FreeVCConfig()
        config.from_dict(settings)
        network = Offline(config)
    finally:
        freevc.get_wavlm = original
    _stir(network)
    torch.save({"config": settings, "model": network.state_dict(), "step": 1}, folder / "model.pth")


def write_knnvc(folder: Path) -> None:
    """`config.json` and `model.pth` of the vocoder, and WavLM."""
    settings: dict[str, Any] = {
        "model": "hifigan",
        "audio": {"sample_rate": 16000, "num_mels": DIM},
        "generator_model_params": {
            "pre_linear": DIM,
            "in_channels": DIM,
            "inference_padding": 0,
            "resblock_type": "1",
            "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5]],
            "resblock_kernel_sizes": [3, 7],
            "upsample_factors": [10, 8, 2, 2],
            "upsample_kernel_sizes": [20, 16, 4, 4],
            "upsample_initial_channel": 32,
        },
    }
    (folder / "config.json").write_text(json.dumps(settings))
    write_wavlm(folder)
    config = HifiganConfig()
    config.from_dict(settings)
    state = setup_generator(config).state_dict()
    torch.save({"model": state, "model_disc": {}}, folder / "model.pth")


def write_openvoice(folder: Path) -> None:
    """`converter/config.json` and `converter/checkpoint.pth`, as the hub's repository has them."""
    folder = folder / "converter"
    folder.mkdir()
    model = {
        "zero_g": True,
        "inter_channels": 16,
        "hidden_channels": 16,
        "filter_channels": 32,
        "upsample_initial_channel": 32,
        "gin_channels": 64,
        "n_speakers": 0,
    }
    data = {
        "sampling_rate": 22050,
        "filter_length": 1024,
        "hop_length": 256,
        "win_length": 1024,
        "n_speakers": 0,
    }
    (folder / "config.json").write_text(json.dumps({"data": data, "model": model}))
    args = {name: value for name, value in model.items() if name != "n_speakers"}
    network = OpenVoice(OpenVoiceConfig(model_args=OpenVoiceArgs(**args)))
    _stir(network)
    torch.save({"model": network.state_dict(), "iteration": 1}, folder / "checkpoint.pth")


def _stir(network: torch.nn.Module) -> None:
    """Flows begin as the identity, which would pass over the target."""
    for name, weights in network.named_parameters():
        if ".post." in name:
            torch.nn.init.normal_(weights, std=0.3)
