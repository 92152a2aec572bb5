"""The generator `knnvc`: kNN-VC (M. Baas et al., arXiv 2305.18975), by package coqui-tts."""

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


@dataclass(frozen=True)
class KnnVC(NetworkConverter):
    """kNN-VC: every WavLM frame becomes the mean of its 4 nearest frames of the target.

    All of the target's sounds come from its references: a minute or more of them is better than
    a few seconds.

    model: folder with `config.json` and the checkpoint of the vocoder, as coqui has them.
    wavlm: the file WavLM-Large.pt; by default the one in that folder, or in coqui's cache.
    """

    shown: int = 30
    wavlm: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "knnvc"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("config.json",), ("model.pth", "*.pth"))
    official_terms: ClassVar[str] = "MIT"
    source: ClassVar[str] = (
        "coqui's vocoder_models--en--librispeech100--wavlm-hifigan_prematched.zip, an asset of "
        "release v0.25.2_models of github.com/idiap/coqui-ai-TTS (MIT)"
    )

    def _files(self) -> Sequence[Path]:
        folder = self._folder()
        return [
            folder / "config.json",
            checkpoint(folder, self.needs[1]),
            wavlm_file(self.name, self.wavlm, folder),
        ]

    def _load(self) -> Any:
        from torch import nn
        from TTS.vc.configs.knnvc_config import KNNVCConfig
        from TTS.vc.models import knnvc
        from TTS.vocoder.configs import HifiganConfig
        from TTS.vocoder.models import setup_generator

        settings, weights, wavlm = self._files()
        features, state = read_wavlm(wavlm)
        load_state(features, state, wavlm)
        with replaced(knnvc, "get_wavlm", lambda: features):
            converter = knnvc.KNNVC(KNNVCConfig())
        vocoder = setup_generator(coqui_config(HifiganConfig(), settings))
        state = read_weights([weights]).get("model", {})
        # Of a checkpoint with its discriminator, the generator.
        own = {n.removeprefix("model_g."): v for n, v in state.items() if n.startswith("model_g.")}
        load_state(vocoder, own or state, weights)
        vocoder.remove_weight_norm()
        return nn.ModuleDict({"converter": converter, "vocoder": vocoder})

    def _input_rate(self, network: Any) -> int:
        return int(network["converter"].config.audio.sample_rate)

    def _voice(self, network: Any, waves: Sequence["torch.Tensor"]) -> "torch.Tensor":
        # Its voice detector takes quiet recordings for silence; silent frames match only silence.
        frames: torch.Tensor = network["converter"].get_matching_set(
            [one[None] for one in waves], vad_trigger_level=0
        )
        return frames.to(waves[0].device)

    def _speak(self, network: Any, wave: "torch.Tensor", voice: "torch.Tensor") -> Audio:
        converter = network["converter"]
        frames = converter.match(converter.get_features(whole_frames(wave)), voice)
        made = network["vocoder"].inference(frames)[0, 0]
        return Audio(made.cpu().numpy(), self._input_rate(network))
