"""Random checkpoints, as small as the format allows, of EnCodec, DAC, SNAC and SpeechTokenizer.

Each stands in a folder as it is published, and is loaded like a real one. EnCodec's architecture
is fixed, so its files have their real size.
"""

import importlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch

from emoforge.codecs import Codec
from emoforge.codecs.encodec import Encodec, Encodec48
from emoforge.codecs.speechtokenizer import _model
from emoforge.component import create

_DAC: dict[str, Any] = {
    "encoder_dim": 8,
    "decoder_dim": 32,
    "codebook_size": 64,
    "codebook_dim": 8,
}
_DAC_OF = {
    "dac": ("weights_44khz_8kbps_0.0.1.pth", 44100, [2, 4, 8, 8], 9),
    "dac_24khz": ("weights_24khz_8kbps_0.0.4.pth", 24000, [2, 4, 5, 8], 32),
    "dac_16khz": ("weights_16khz_8kbps_0.0.5.pth", 16000, [2, 4, 5, 8], 12),
}

# As published for 44 kHz (window of attention, four codebooks) and 24 kHz, fewer channels.
SNAC_44: dict[str, Any] = {
    "sampling_rate": 44100,
    "encoder_dim": 8,
    "encoder_rates": [2, 3, 8, 8],
    "decoder_dim": 128,
    "decoder_rates": [8, 8, 3, 2],
    "attn_window_size": 32,
    "codebook_size": 4096,
    "codebook_dim": 8,
    "vq_strides": [8, 4, 2, 1],
    "noise": True,
    "depthwise": True,
}
SNAC_24: dict[str, Any] = {
    **SNAC_44,
    "sampling_rate": 24000,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "vq_strides": [4, 2, 1],
}

SPEECHTOKENIZER: dict[str, Any] = {
    "resblock": "1",
    "n_filters": 4,
    "strides": [8, 5, 4, 2],
    "dimension": 64,
    "semantic_dimension": 48,
    "bidirectional": True,
    "dilation_base": 2,
    "residual_kernel_size": 3,
    "n_residual_layers": 1,
    "lstm_layers": 2,
    "activation": "ELU",
    "segment_size": 48000,
    "codebook_size": 1024,
    "n_q": 8,
    "sample_rate": 16000,
}


def built(make: Callable[[], Any]) -> Any:
    """A network of an original package with random weights, the same on every call.

    Without biases, which would drown what little a random network keeps of its input.
    """
    with torch.random.fork_rng([]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.default_generator.manual_seed(4)
        network = make().eval().requires_grad_(False)
    for name, values in network.state_dict().items():
        if "bias" in name:
            values.zero_()
    return network


def fill_codebooks(network: Any, channels: int) -> None:
    """Codebooks of EnCodec's kind, which are zeros until training, spread as the latents are.

    Layers are made louder, so that something comes out of many of them.
    """
    random = torch.Generator().manual_seed(5)
    for name, values in network.state_dict().items():
        if name.endswith("weight_g"):
            values.mul_(3**0.5)
    with torch.inference_mode():
        latents = network.encoder(0.1 * torch.randn(1, channels, 48000, generator=random))
    spread = latents.std(dim=2)
    for name, values in network.state_dict().items():
        if name.endswith("_codebook.embed"):
            values.copy_(0.5 * spread * torch.randn(values.shape, generator=random))
        elif name.endswith("_codebook.inited"):
            values.fill_(1)


def encodec(folder: Path, kbps: float = 6.0) -> Codec:
    """`encodec` from `encodec_24khz-d7cc33bc.th`."""
    network = built(Encodec._empty)
    fill_codebooks(network, channels=1)
    torch.save(network.state_dict(), folder / Encodec.checkpoint)
    return _created("encodec", folder, kbps)


def encodec_48khz(folder: Path, kbps: float = 6.0) -> Codec:
    """`encodec_48khz` from `encodec_48khz-7e698e3e.th`."""
    network = built(Encodec48._empty)
    fill_codebooks(network, channels=2)
    torch.save(network.state_dict(), folder / Encodec48.checkpoint)
    return _created("encodec_48khz", folder, kbps)


def dac(folder: Path, name: str = "dac", codebooks: int = 3) -> Codec:
    """`dac`, `dac_24khz` or `dac_16khz`, saved by its own package with all its codebooks."""
    file, rate, strides, number = _DAC_OF[name]
    kind = dac_class()
    settings = {
        **_DAC,
        "sample_rate": rate,
        "encoder_rates": strides,
        "decoder_rates": strides[::-1],
        "n_codebooks": number,
    }
    network = built(lambda: kind(**settings))
    network.save(str(folder / file), package=False)
    points = cast(Codec, create("codec", name, {"kbps": 0, "model": str(folder)})).points
    return _created(name, folder, points[codebooks - 1])


def dac_class() -> Any:
    """The network of package `descript-audio-codec`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("dac").DAC


def snac(folder: Path, config: dict[str, Any] = SNAC_24) -> Codec:
    """`snac` from `config.json` and `pytorch_model.bin`."""
    network = built(lambda: importlib.import_module("snac").SNAC(**config))
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    (point,) = cast(Codec, create("codec", "snac", {"kbps": 0, "model": str(folder)})).points
    return _created("snac", folder, point)


def speechtokenizer(folder: Path, kbps: float = 2.0) -> Codec:
    """`speechtokenizer` from `config.json` and `SpeechTokenizer.pt`."""
    network = built(lambda: _model().SpeechTokenizer(SPEECHTOKENIZER))
    fill_codebooks(network, channels=1)
    (folder / "config.json").write_text(json.dumps(SPEECHTOKENIZER), encoding="utf-8")
    torch.save(network.state_dict(), folder / "SpeechTokenizer.pt")
    return _created("speechtokenizer", folder, kbps)


def _created(name: str, folder: Path, kbps: float) -> Codec:
    return cast(Codec, create("codec", name, {"kbps": kbps, "model": str(folder)}))
