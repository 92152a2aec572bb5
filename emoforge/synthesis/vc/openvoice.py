"""The generator `openvoice`: OpenVoice's tone colour converter (arXiv 2312.01479), by coqui-tts."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from emoforge.audio import Audio
from emoforge.errors import RequirementError
from emoforge.hub import read_json, read_weights
from emoforge.network import load_state
from emoforge.synthesis.vc.network import NetworkConverter, checkpoint

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class OpenVoice(NetworkConverter):
    """OpenVoice v1 or v2: a flow takes the source's tone colour out and the target's in.

    It leaves F0 and rhythm as they are.

    model: folder with `config.json` and `checkpoint.pth`, or the repository that holds them.
    """

    name: ClassVar[str] = "openvoice"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[tuple[str, ...], ...]] = tuple(
        (f"converter/{name}", f"checkpoints/converter/{name}", name)
        for name in ("config.json", "checkpoint.pth")
    )
    official_terms: ClassVar[str] = "MIT"
    source: ClassVar[str] = (
        "`converter` of huggingface.co/myshell-ai/OpenVoiceV2, or `checkpoints/converter` of "
        "myshell-ai/OpenVoice (both MIT)"
    )

    def _files(self) -> Sequence[Path]:
        weights = checkpoint(self._folder(), self.needs[1])
        return [weights.with_name("config.json"), weights]

    def _load(self) -> Any:
        from TTS.vc.configs.openvoice_config import (
            OpenVoiceArgs,
            OpenVoiceAudioConfig,
            OpenVoiceConfig,
        )
        from TTS.vc.models import openvoice

        file, weights = self._files()
        settings = read_json(file)
        try:
            data, model = settings["data"], settings["model"]
            known = {field.name for field in fields(OpenVoiceArgs)}
            config = OpenVoiceConfig(
                model_args=OpenVoiceArgs(**{k: v for k, v in model.items() if k in known}),
                audio=OpenVoiceAudioConfig(
                    input_sample_rate=data["sampling_rate"],
                    output_sample_rate=data["sampling_rate"],
                    fft_size=data["filter_length"],
                    hop_length=data["hop_length"],
                    win_length=data["win_length"],
                ),
            )
            network = openvoice.OpenVoice(config)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise RequirementError(f"{file}: is no OpenVoice configuration ({error!r})") from error
        load_state(network, read_weights([weights]).get("model", {}), weights)
        return network

    def _input_rate(self, network: Any) -> int:
        return int(network.config.audio.input_sample_rate)

    def _voice(self, network: Any, waves: Sequence["torch.Tensor"]) -> "torch.Tensor":
        import torch

        return torch.stack([network.extract_se(wave)[0] for wave in waves]).mean(dim=0)

    def _speak(self, network: Any, wave: "torch.Tensor", voice: "torch.Tensor") -> Audio:
        own, spectrum = network.extract_se(wave)
        made = network.inference(spectrum, {"g_src": own, "g_tgt": voice})["model_outputs"][0, 0]
        return Audio(made.cpu().numpy(), int(network.config.audio.output_sample_rate))
