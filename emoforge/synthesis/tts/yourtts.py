"""The engine `yourtts`: YourTTS (arXiv 2112.02418), zero-shot from clips, by coqui-tts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from emoforge.audio import Samples
from emoforge.errors import RequirementError
from emoforge.synthesis.tts import vits
from emoforge.synthesis.tts.checkpoint import COMPANIONS, WEIGHTS, Checkpoint, language_name
from emoforge.synthesis.tts.engine import Utterance
from emoforge.synthesis.tts.network import CloningEngine

if TYPE_CHECKING:
    import torch

_ENCODER = ("speaker_encoder_model_path", "speaker_encoder_config_path")


@dataclass(frozen=True)
class YourTts(CloningEngine):
    """YourTTS, or another VITS with a speaker encoder; lines are decoded together on a GPU.

    Its speaker encoder was trained to tell speakers apart, not emotions: what of an emotion is
    heard depends on what of it the encoder lets through.
    """

    name: ClassVar[str] = "yourtts"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("config.json",),
        WEIGHTS,
        ("config_se.json",),
        COMPANIONS["speaker_encoder_model_path"],
    )
    also: ClassVar[tuple[str, ...]] = ("*.json",)
    source: ClassVar[str] = (
        "YourTTS (unzip https://github.com/coqui-ai/TTS/releases/download/v0.10.1_models/"
        "tts_models--multilingual--multi-dataset--your_tts.zip; CC BY-NC-ND 4.0)"
    )
    official_terms: ClassVar[str] = "CC-BY-NC-ND-4.0"

    def supports(self, language: str) -> bool:
        return language_name(language, self._checkpoint().languages) is not None

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint.of(self._folder())

    def _files(self) -> Sequence[Path]:
        checkpoint = self._checkpoint()
        if (
            checkpoint.plain.get("model") != "vits"
            or not {*_ENCODER} <= checkpoint.companions.keys()
        ):
            raise RequirementError(
                f"{checkpoint.folder}: holds no VITS with a speaker encoder, so it cannot clone a "
                "voice; generators=[coqui] speaks with a checkpoint's own voices"
            )
        return checkpoint.files

    def _load(self) -> Any:
        checkpoint = self._checkpoint()
        with checkpoint.loading() as file:
            from TTS.config import load_config
            from TTS.tts.models.vits import Vits

            network = Vits(load_config(file))
            network.load_checkpoint(network.config, checkpoint.weights, eval=True)
        return network

    def _rate(self, network: Any) -> int:
        return int(network.config.audio.sample_rate)

    def _hearing_rate(self, network: Any) -> int:
        return int(network.speaker_manager.encoder_ap.sample_rate)

    def _heard(
        self, network: Any, waves: Sequence["torch.Tensor"], rate: int
    ) -> tuple["torch.Tensor", ...]:
        import torch

        return (torch.stack([_d_vector(network, wave, rate) for wave in waves]).mean(0),)

    def _prepare(self, network: Any, utterance: Utterance) -> vits.Line:
        from torch.nn.functional import normalize

        (d_vector,) = self._voice_of(network, utterance)
        languages = network.language_manager
        language = language_name(utterance.language, languages.language_names) or ""
        return vits.Line(
            vits.tokens(network, utterance.text, language),
            normalize(d_vector)[..., None],
            languages.name_to_id[language],
            utterance.seed,
        )

    def _say(self, network: Any, prepared: Sequence[vits.Line]) -> list[Samples]:
        return vits.say(network, prepared)


def _d_vector(network: Any, wave: "torch.Tensor", rate: int) -> "torch.Tensor":
    """[1, channels] of a wave [samples], by the package's own steps."""
    import torch

    manager = network.speaker_manager
    process = manager.encoder_ap
    samples = wave.cpu().numpy()
    if process.do_trim_silence:
        samples = process.trim_silence(samples)
    if process.do_sound_norm:
        samples = process.sound_norm(samples)
    if not manager.encoder_config.model_params.get("use_torch_spec", False):
        samples = process.melspectrogram(samples)
    found: torch.Tensor = manager.encoder.compute_embedding(
        torch.from_numpy(samples)[None].to(wave.device)
    )
    return found
