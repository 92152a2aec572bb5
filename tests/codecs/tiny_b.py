"""Random checkpoints, as small as the types allow, saved by transformers as it saves real ones."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch

from emoforge.codecs import Codec
from emoforge.component import create

_DAC: dict[str, Any] = {
    "encoder_hidden_size": 4,
    "decoder_hidden_size": 32,
    "codebook_size": 64,
    "codebook_dim": 4,
    "n_codebooks": 3,
}
_HUBERT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
_W2V_BERT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "feature_projection_input_dim": 160,
    "add_adapter": False,
}


def _mimi() -> Any:
    from transformers import MimiConfig, MimiModel

    return MimiModel(
        MimiConfig(
            hidden_size=16,
            num_filters=4,
            codebook_size=32,
            codebook_dim=8,
            vector_quantization_hidden_dimension=8,
            num_quantizers=4,
            upsample_groups=16,
            num_hidden_layers=2,
            intermediate_size=32,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
            sliding_window=30,
        )
    )


def _encodec(**changed: Any) -> Any:
    from transformers import EncodecConfig, EncodecModel

    return EncodecModel(
        EncodecConfig(hidden_size=16, num_filters=4, codebook_size=1024, codebook_dim=16, **changed)
    )


def _encodec_48khz() -> Any:
    return _encodec(
        sampling_rate=48000,
        audio_channels=2,
        normalize=True,
        chunk_length_s=1.0,
        overlap=0.01,
        norm_type="time_group_norm",
        use_causal_conv=False,
        target_bandwidths=[3.0, 6.0],
    )


def _dac() -> Any:
    from transformers import DacConfig, DacModel

    return DacModel(DacConfig(**_DAC, downsampling_ratios=[2, 4, 5, 8], sampling_rate=24000))


def _xcodec() -> Any:
    from transformers import DacConfig, HubertConfig, XcodecConfig, XcodecModel

    acoustic = DacConfig(**_DAC, downsampling_ratios=[8, 5, 4, 2])
    acoustic.hidden_size = 64
    return XcodecModel(
        XcodecConfig(
            acoustic_model_config=acoustic,
            semantic_model_config=HubertConfig(**_HUBERT),
            codebook_size=1024,
            target_bandwidths=[0.5, 1, 2],
        )
    )


def _higgs() -> Any:
    from transformers import (
        DacConfig,
        HiggsAudioV2TokenizerConfig,
        HiggsAudioV2TokenizerModel,
        HubertConfig,
    )

    acoustic = DacConfig(**_DAC, downsampling_ratios=[8, 5, 4, 2, 3], sampling_rate=24000)
    acoustic.hidden_size = 128
    return HiggsAudioV2TokenizerModel(
        HiggsAudioV2TokenizerConfig(
            acoustic_model_config=acoustic,
            semantic_model_config=HubertConfig(**_HUBERT),
            codebook_size=1024,
            codebook_dim=8,
            target_bandwidths=[0.5, 1, 2],
        )
    )


_FSQ: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "encoder_hidden_size": 2,
    "quantization_dim": 80,
    "quantization_levels": [4, 4, 4],
}


def _xcodec2() -> Any:
    from transformers import Wav2Vec2BertConfig, Xcodec2Config, Xcodec2Model

    return Xcodec2Model(
        Xcodec2Config(**_FSQ, semantic_model_config=Wav2Vec2BertConfig(**_W2V_BERT))
    )


def _neucodec() -> Any:
    from transformers import NeuCodecConfig, NeuCodecModel, Wav2Vec2BertConfig

    return NeuCodecModel(
        NeuCodecConfig(**_FSQ, semantic_model_config=Wav2Vec2BertConfig(**_W2V_BERT))
    )


NETWORKS: Mapping[str, Callable[[], Any]] = {
    "dac": _dac,
    "encodec": _encodec,
    "encodec_48khz": _encodec_48khz,
    "higgs": _higgs,
    "mimi": _mimi,
    "neucodec": _neucodec,
    "xcodec": _xcodec,
    "xcodec2": _xcodec2,
}
_EXTRACTORS = {"neucodec": "NeuCodecFeatureExtractor", "xcodec2": "Xcodec2FeatureExtractor"}


def tiny_transformers(name: str, folder: Path, kbps: float | None = None) -> Codec:
    """A random model of a type in `NETWORKS`, at its lowest bitrate if none is given."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(7)
        network = NETWORKS[name]().eval()
        for key, values in network.state_dict().items():
            if key.endswith("original0"):  # the length of a weight that is normalised
                values.fill_(1)
            elif key.endswith("decoder.conv2.weight"):  # DAC's last layer, quietly
                values.normal_(std=0.002 * values[0].numel() ** -0.5)
            elif key.endswith(("weight", "original1")) and values.ndim > 1:
                values.normal_(std=values[0].numel() ** -0.5)  # as loud after a layer as before
            elif key.endswith(("codebook.embed", "codebook.embed_sum")):
                values.normal_()  # zeros until training fills it
    network.save_pretrained(folder)
    if name in _EXTRACTORS:
        kind = getattr(importlib.import_module("transformers"), _EXTRACTORS[name])
        kind().save_pretrained(folder)
    options = {"model": str(folder), "kbps": 0.0}
    points = cast(Codec, create("codec", "transformers", options)).points
    chosen = {**options, "kbps": points[0] if kbps is None else kbps}
    return cast(Codec, create("codec", "transformers", chosen))
