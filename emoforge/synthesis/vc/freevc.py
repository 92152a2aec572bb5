"""The generator `freevc`: FreeVC (J. Li et al., arXiv 2210.15418), by package coqui-tts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from emoforge.audio import Audio
from emoforge.component import INCIDENTAL
from emoforge.hub import read_weights
from emoforge.network import load_state
from emoforge.synthesis.vc.network import NetworkConverter, checkpoint, coqui_config
from emoforge.synthesis.vc.wavlm import read_wavlm, replaced, wavlm_file, whole_frames

if TYPE_CHECKING:
    import torch

_SPEAKER_ENCODER = "speaker_encoder.pt"


@dataclass(frozen=True)
class FreeVC(NetworkConverter):
    """FreeVC: WavLM features through a bottleneck, spoken with a speaker's embedding (VITS).

    model: folder with `config.json` and the checkpoint, as coqui has them.
    wavlm: the file WavLM-Large.pt; by default the one in that folder, or in coqui's cache.
    """

    wavlm: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "freevc"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("config.json",), ("model.pth", "*.pth"))
    official_terms: ClassVar[str] = "MIT"
    source: ClassVar[str] = (
        "coqui's voice_conversion_models--multilingual--vctk--freevc24.zip, an asset of release "
        "v0.13.0_models of github.com/coqui-ai/TTS (MIT)"
    )

    def _files(self) -> Sequence[Path]:
        folder = self._folder()
        files = [
            folder / "config.json",
            checkpoint(folder, self.needs[1]),
            wavlm_file(self.name, self.wavlm, folder),
        ]
        encoder = folder / _SPEAKER_ENCODER  # where the checkpoint does not hold it
        return [*files, encoder] if encoder.is_file() else files

    def _load(self) -> Any:
        from TTS.vc.configs.freevc_config import FreeVCConfig
        from TTS.vc.layers.freevc.speaker_encoder import speaker_encoder
        from TTS.vc.models import freevc

        settings, weights, wavlm, *encoder = self._files()
        features, state = read_wavlm(wavlm)
        state = {f"wavlm.{name}": value for name, value in state.items()}
        for file in encoder:
            own = read_weights([file]).get("model_state", {})
            state |= {f"enc_spk_ex.{name}": value for name, value in own.items()}
        state |= read_weights([weights]).get("model", {})
        config = coqui_config(FreeVCConfig(), settings)
        with (
            replaced(freevc, "get_wavlm", lambda: features),
            replaced(speaker_encoder, "load_fsspec", lambda *_, **__: {"model_state": {}}),
        ):
            network = freevc.FreeVC(config)
        load_state(network, state, weights)
        return network

    def _input_rate(self, network: Any) -> int:
        return int(network.config.audio.input_sample_rate)

    def _voice(self, network: Any, waves: Sequence["torch.Tensor"]) -> "torch.Tensor":
        embedding: torch.Tensor = network._extract_target_se(list(waves))
        return embedding

    def _speak(self, network: Any, wave: "torch.Tensor", voice: "torch.Tensor") -> Audio:
        features = network.extract_wavlm_features(whole_frames(wave))
        made = network.inference(features, g=voice)[0, 0]
        return Audio(made.cpu().numpy(), int(network.config.audio.output_sample_rate))
