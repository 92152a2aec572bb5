"""The codec `transformers`: whatever codec of tokens the package transformers runs.

Names such as `mimi` stand in `configs/codec/default.yaml`; what is particular to a type of model
(its bitrates, its inputs) stands here, everything else is in its config.json.
"""

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from emoforge.audio import Audio
from emoforge.codecs.codec import Payload
from emoforge.codecs.network import NetworkCodec, codebook_points, token_bits
from emoforge.component import INCIDENTAL, Requirement
from emoforge.errors import ConfigError, RequirementError
from emoforge.hub import model_folder, read_json

if TYPE_CHECKING:
    import torch

_CONFIG = "config.json"
_PROCESSOR = "preprocessor_config.json"
_WEIGHTS = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin", "pytorch_model-*.bin")
_INDEX = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_LEVEL_BITS = 32


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is particular to a type of model.

    title: its name. told: what says how much `encode` sends: a number of codebooks or a
    bandwidth, by this name; "" where it always sends the same. rate: where its configuration has
    the sampling rate of what comes out. features: it hears what its feature extractor makes of
    the wave, and not the wave alone. spare: samples that it needs after a clip's end.
    """

    title: str
    told: Literal["num_quantizers", "n_quantizers", "bandwidth", ""]
    rate: str = "sampling_rate"
    features: bool = False
    spare: int = 0


# Both feature extractors add a zero at the end, so that the clip needs room for it; NeuCodec's
# gives a frame less than the wave has.
_KINDS: Mapping[str, _Kind] = {
    "dac": _Kind("DAC", "n_quantizers"),
    "encodec": _Kind("EnCodec", "bandwidth"),
    "higgs_audio_v2_tokenizer": _Kind("Higgs Audio v2", "bandwidth", "sample_rate"),
    "mimi": _Kind("Mimi", "num_quantizers"),
    "neucodec": _Kind("NeuCodec", "", "output_sampling_rate", features=True, spare=2 + 480),
    "xcodec": _Kind("X-Codec", "bandwidth", "sample_rate"),
    "xcodec2": _Kind("X-Codec2", "", features=True, spare=1),
}


@dataclass(frozen=True)
class TransformersCodec(NetworkCodec):
    """A codec in transformers' format: DAC, EnCodec, Higgs, Mimi, NeuCodec, X-Codec, X-Codec2.

    Stereo models hear two equal channels, and the mean of what they give comes out.

    model: folder with config.json and the weights (and preprocessor_config.json for NeuCodec and
        X-Codec2), or a hub's `owner/name`. called: the name that the user knows it by.
    """

    called: str = field(default="transformers", metadata=INCIDENTAL)

    name: ClassVar[str] = "transformers"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("transformers", "hf"),)

    @cached_property
    def place(self) -> Path:
        """The model's folder; raises ConfigError or RequirementError if there is none."""
        key = f"codec.{self.called}"
        return model_folder(
            self.model, self.revision, [[_CONFIG], _WEIGHTS], [_PROCESSOR, *_INDEX], key=key
        )

    def _files(self) -> Sequence[Path]:
        found = (sorted(self.place.glob(pattern)) for pattern in _WEIGHTS)
        weights = next(files for files in found if files)
        processor = [self.place / _PROCESSOR] if self._kind.features else []
        return [self.place / _CONFIG, *weights, *processor]

    @cached_property
    def _kind(self) -> _Kind:
        said = str(read_json(self.place / _CONFIG).get("model_type"))
        if said not in _KINDS:
            raise ConfigError(
                f"{self.place}: its model_type is '{said}', no codec of tokens that emoforge runs "
                f"by transformers; those are {', '.join(kind.title for kind in _KINDS.values())}"
            )
        return _KINDS[said]

    @cached_property
    def _config(self) -> Any:
        """The configuration as transformers reads it, with its defaults."""
        from transformers import AutoConfig

        _ = self._kind
        try:
            return AutoConfig.from_pretrained(self.place, trust_remote_code=False)
        except Exception as error:  # its checks raise whatever they like
            raise RequirementError(
                f"{self.place / _CONFIG}: cannot be used ({_reason(error)})"
            ) from error

    @cached_property
    def _told(self) -> Mapping[float, float]:
        """kbit/s → what `encode` is told: the bandwidth, or the number of codebooks."""
        config = self._config
        if self._kind.told == "bandwidth":
            return {round(float(kbps), 2): kbps for kbps in sorted(config.target_bandwidths)}
        first, number = 1, 1
        if self._kind.told == "num_quantizers":
            first, number = config.num_semantic_quantizers, config.num_quantizers
        elif self._kind.told == "n_quantizers":
            number = config.n_codebooks
        points = codebook_points(number, self.coded_rate(0) / _hop(config), _codebook(config))
        return {points[n - 1]: n for n in range(first, number + 1)}

    @property
    def points(self) -> tuple[float, ...]:
        """Those of its configuration: its bandwidths, or 1 … n codebooks."""
        return tuple(self._told)

    def coded_rate(self, rate: int) -> int:
        """The sampling rate of its configuration, Hz."""
        return int(getattr(self._config, self._kind.rate))

    def _load(self) -> Any:
        import torch
        from transformers import AutoModel

        try:
            with _quiet():
                network, found = AutoModel.from_pretrained(
                    self.place,
                    config=self._config,
                    dtype=torch.float32,
                    local_files_only=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                )
        except Exception as error:  # damaged files, other shapes, pickles that hold code, …
            raise RequirementError(
                f"{self.place}: the weights cannot be read ({_reason(error)})"
            ) from error
        # What stands for masked frames is training's alone.
        if missing := sorted(k for k in found["missing_keys"] if "masked_spec_embed" not in k):
            raise RequirementError(
                f"{self.place}: {len(missing)} of the tensors that {self._kind.title} needs are "
                f"not among its weights, such as {missing[0]}"
            )
        return network

    def _padded(self, network: Any, length: int) -> int:
        config, hop = network.config, _hop(network.config)
        padded = -(-(length + self._kind.spare) // hop) * hop
        stride = getattr(config, "chunk_stride", None)
        # EnCodec's decoder fails on a last segment that lies within the one before it.
        while stride and padded > stride and (padded - 1) % stride < config.chunk_length - stride:
            padded += hop
        return padded

    def _tokens(self, network: Any, waves: "torch.Tensor") -> list[Payload]:
        config, length = network.config, waves.shape[1]
        point = min(self._told, key=lambda point: abs(point - self.kbps))
        told: dict[str, Any] = {self._kind.told: self._told[point]} if self._kind.told else {}
        heard = self._features(waves) if self._kind.features else {"input_values": waves[:, None]}
        if config.model_type == "encodec":
            codes, levels = _encoded_segments(network, waves, told)
        else:
            codes = network.encode(**heard, **told, return_dict=True).audio_codes
            levels = codes.new_empty((len(codes), 0))
        return [
            Payload(
                tokens,
                token_bits(tokens.size, _codebook(config)) + _LEVEL_BITS * len(own),
                min(length, tokens.shape[1] * _hop(config)),
                {"levels": own},
            )
            for tokens, own in zip(codes.cpu().numpy(), levels.cpu().numpy(), strict=True)
        ]

    def _features(self, waves: "torch.Tensor") -> dict[str, "torch.Tensor"]:
        """What the feature extractor makes of waves whose last samples are padding."""
        extractor = _extractor(self.place)
        rate = extractor.sampling_rate
        heard = [
            Audio(wave, self.coded_rate(0)).resampled(rate).samples[:-1]
            for wave in waves.cpu().numpy()
        ]
        made = extractor(heard, sampling_rate=rate, return_tensors="pt")
        wanted = ("input_values", "input_features", "input_features_mask")
        return {name: made[name].to(waves.device) for name in wanted}

    def _waves(self, network: Any, payloads: Sequence[Payload]) -> "torch.Tensor":
        import torch

        codes = torch.from_numpy(np.stack([np.asarray(one.data) for one in payloads]))
        codes = codes.to(network.device)
        if network.config.model_type == "encodec":
            return _decoded_segments(network, codes, payloads)
        waves: torch.Tensor = network.decode(audio_codes=codes, return_dict=True).audio_values
        return waves.reshape(len(payloads), -1)


def _encoded_segments(
    network: Any, waves: "torch.Tensor", told: Mapping[str, Any]
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """EnCodec's codes [B, codebooks, frames of all segments] and levels [B, segments or none]."""
    stereo = waves[:, None].expand(-1, network.config.audio_channels, -1)
    coded = network.encode(stereo, **told, return_dict=True)
    codes = coded.audio_codes.permute(1, 2, 0, 3).flatten(2)  # from [S, B, codebooks, frames]
    # The last segment was filled up.
    codes = codes[..., : codes.shape[-1] - coded.last_frame_pad_length]
    if not network.config.normalize:
        return codes, waves.new_empty((len(waves), 0))
    import torch

    return codes, torch.cat(coded.audio_scales, dim=1)


def _decoded_segments(
    network: Any, codes: "torch.Tensor", payloads: Sequence[Payload]
) -> "torch.Tensor":
    """Waves [B, samples] of what `_encoded_segments` gave."""
    import torch

    config, length = network.config, payloads[0].samples
    size, stride = config.chunk_length or length, config.chunk_stride or length
    starts = range(0, length, stride)
    frames = [-(-min(size, length - start) // config.hop_length) for start in starts]
    segments = list(torch.split(codes, frames, dim=-1))
    filled = frames[0] - frames[-1]
    segments[-1] = torch.nn.functional.pad(segments[-1], (0, filled))
    levels: list[Any] = [None] * len(segments)
    if config.normalize:
        sent = torch.from_numpy(np.stack([one.side["levels"] for one in payloads]))
        levels = list(sent.to(codes.device).T)
    waves: torch.Tensor = network.decode(
        torch.stack(segments), levels, last_frame_pad_length=filled, return_dict=True
    ).audio_values
    return waves.mean(dim=1)


def _hop(config: Any) -> int:
    """Samples of a frame of tokens."""
    hop = getattr(config, "hop_length", None)
    return int(hop or round(config.sampling_rate / config.frame_rate))


def _codebook(config: Any) -> int:
    """How many entries a codebook has."""
    levels = getattr(config, "quantization_levels", None)
    return math.prod(levels) if levels else int(config.codebook_size)


@lru_cache(maxsize=4)
def _extractor(folder: Path) -> Any:
    from transformers import AutoFeatureExtractor

    reader: Any = AutoFeatureExtractor
    try:
        return reader.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # absent, damaged, of another kind
        raise RequirementError(
            f"{folder / _PROCESSOR}: cannot be used ({_reason(error)})"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars, and its log of what is missing: that is an error."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
