"""The engine `coqui`: checkpoints of coqui-tts with voices of their own, emotional ones too."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emoforge.audio import Samples
from emoforge.component import INCIDENTAL, Params
from emoforge.errors import ConfigError, LabelError
from emoforge.label import canonical
from emoforge.licence import UNSTATED
from emoforge.network import seeded
from emoforge.synthesis.tts import vits
from emoforge.synthesis.tts.checkpoint import (
    WEIGHTS,
    Checkpoint,
    language_name,
    official_licence,
)
from emoforge.synthesis.tts.engine import Utterance, Voice
from emoforge.synthesis.tts.network import NetworkEngine

if TYPE_CHECKING:
    import torch

_FIELDS = ("{voice}", "{emotion}")


@dataclass(frozen=True, slots=True)
class _Line:
    """What a network other than VITS says: alone."""

    text: str
    speaker: str | None
    language: str
    seed: int


@dataclass(frozen=True)
class Coqui(NetworkEngine):
    """A model folder of coqui-tts: VITS, Tacotron 2, Glow-TTS and what else its Synthesizer loads.

    VITS is batched on a GPU, others speak one by one. A network that makes spectrograms is heard
    through `vocoder`, or Griffin-Lim without one.

    speakers: how the checkpoint's names of speakers are made of a voice and an emotion, such as
        `{voice}_{emotion}` for `0011_Angry`: an emotional checkpoint's voices then have the
        emotions that it was trained on. By default names are voices, which are neutral, and the
        emotion profile shapes them.
    language: what a checkpoint speaks whose configuration does not say (BCP 47).
    vocoder: folder of a vocoder's official files.
    """

    speakers: str = ""
    language: str = ""
    vocoder: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "coqui"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("config.json",), WEIGHTS)
    also: ClassVar[tuple[str, ...]] = ("*.json", "*.npy", "speaker*.pth")
    source: ClassVar[str] = (
        "a checkpoint (config.json and its weights; `tts --list_models` names the official ones, "
        "each under its own licence)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.speakers and not all(self.speakers.count(one) == 1 for one in _FIELDS):
            raise ConfigError(
                f"{self.name}: speakers is a pattern with {_FIELDS[0]} and {_FIELDS[1]}, such as "
                f"'{{voice}}_{{emotion}}', got '{self.speakers}'"
            )

    def licence(self, params: Params) -> str:
        """`terms`, else those of the official model whose folder's name this is."""
        return self.terms or official_licence(self._folder()) or UNSTATED

    def supports(self, language: str) -> bool:
        return language_name(language, self._languages()) is not None

    def voices(self, language: str) -> Sequence[Voice]:
        return [
            Voice(name, emotions=tuple(sorted(emotions.keys() - {""})))
            for name, emotions in self._named().items()
        ]

    def _languages(self) -> list[str]:
        checkpoint = self._checkpoint()
        found = [self.language] if self.language else checkpoint.languages
        if not found:
            raise ConfigError(
                f"{checkpoint.folder}: config.json names no language, add "
                f"generators.{self.name}.language=…"
            )
        return found

    def _named(self) -> Mapping[str, Mapping[str, str]]:
        """Voice → emotion ("" where none is named) → the checkpoint's name of that speaker."""
        checkpoint = self._checkpoint()
        named: dict[str, dict[str, str]] = {}
        for speaker in checkpoint.speakers:
            voice, emotion = _split(speaker, self.speakers)
            named.setdefault(voice, {})[emotion] = speaker
        return named or {str(checkpoint.plain.get("run_name") or "voice"): {"": ""}}

    def _checkpoint(self) -> Checkpoint:
        checkpoint = Checkpoint.of(self._folder())
        if checkpoint.plain.get("model") == "xtts":
            raise ConfigError(
                f"{checkpoint.folder}: holds XTTS, which generators=[xtts] speaks with"
            )
        if checkpoint.setting("use_d_vector_file") and not checkpoint.speakers:
            raise ConfigError(
                f"{checkpoint.folder}: has no voices of its own, generators=[yourtts] clones them"
            )
        return checkpoint

    def _vocoder(self) -> Checkpoint | None:
        if not self.vocoder:
            return None
        return Checkpoint.of(Path(self.vocoder).expanduser())

    def _files(self) -> Sequence[Path]:
        vocoder = self._vocoder()
        return [*self._checkpoint().files, *(vocoder.files if vocoder else ())]

    def _bare(self) -> "Coqui":
        bare = super()._bare()
        assert isinstance(bare, Coqui)
        return replace(bare, speakers="", language="")

    def _load(self) -> Any:
        checkpoint, vocoder = self._checkpoint(), self._vocoder()
        with checkpoint.loading() as file:
            from TTS.utils.synthesizer import Synthesizer

            if vocoder is None:
                return Synthesizer(tts_checkpoint=checkpoint.weights, tts_config_path=file)
            with vocoder.loading() as vocoder_file:
                return Synthesizer(
                    tts_checkpoint=checkpoint.weights,
                    tts_config_path=file,
                    vocoder_checkpoint=vocoder.weights,
                    vocoder_config=vocoder_file,
                )

    def _rate(self, network: Any) -> int:
        return int(network.output_sample_rate)

    def _prepare(self, network: Any, utterance: Utterance) -> vits.Line | _Line:
        own = self._named()[utterance.voice]
        speaker = own[next(one for one in (utterance.emotion, "", "neutral") if one in own)]
        model = network.tts_model
        known = model.language_manager.language_names
        language = known[0] if len(known) == 1 else language_name(utterance.language, known) or ""
        tokens = vits.tokens(model, utterance.text, language)
        if type(model).__name__ != "Vits":
            return _Line(utterance.text, speaker or None, language, utterance.seed)
        number = model.language_manager.name_to_id[language]
        return vits.Line(tokens, _embedding(model, speaker), number, utterance.seed)

    def _say(self, network: Any, prepared: Sequence[Any]) -> list[Samples]:
        if isinstance(prepared[0], vits.Line):
            return vits.say(network.tts_model, prepared)
        return [_said(network, line) for line in prepared]


def _split(speaker: str, pattern: str) -> tuple[str, str]:
    """Voice and emotion of a checkpoint's speaker; "" for one that the pattern does not name."""
    text = re.escape(pattern)
    for one in _FIELDS:
        text = text.replace(re.escape(one), f"(?P<{one[1:-1]}>.+)")
    found = re.fullmatch(text, speaker) if pattern else None
    try:
        return (found["voice"], canonical(found["emotion"])) if found else (speaker, "")
    except LabelError:
        return speaker, ""


def _embedding(model: Any, speaker: str) -> "torch.Tensor | None":
    """The voice of a speaker of a VITS network, [1, channels, 1]."""
    import torch
    from torch.nn.functional import normalize

    if not speaker:
        return None
    if model.args.use_d_vector_file:
        d_vector = torch.from_numpy(model.speaker_manager.get_mean_embedding(speaker))
        return normalize(d_vector[None].float().to(model.device))[..., None]
    number = torch.tensor([model.speaker_manager.name_to_id[speaker]], device=model.device)
    found: torch.Tensor = model.emb_g(number)[..., None]
    return found


def _said(network: Any, line: _Line) -> Samples:
    from TTS.utils.synthesizer import PAD_SILENCE_SAMPLES

    with seeded(line.seed):
        wave = network.tts(
            line.text, speaker_name=line.speaker, language_name=line.language or None
        )
    return np.asarray(wave, np.float32)[:-PAD_SILENCE_SAMPLES]
