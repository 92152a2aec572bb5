"""The engine `xtts`: XTTS-v2 (arXiv 2406.04904), zero-shot from reference clips, by coqui-tts."""

import dataclasses
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from emoforge.audio import Samples
from emoforge.errors import AudioError, RequirementError, SkipClip
from emoforge.synthesis.tts.checkpoint import Checkpoint, language_name
from emoforge.synthesis.tts.engine import Utterance
from emoforge.synthesis.tts.network import CloningEngine
from emoforge.synthesis.tts.racing import race

if TYPE_CHECKING:
    import torch

# Characters that XTTS-v2 was trained to say at once: beyond, it leaves words out.
_LONGEST = {
    "ar": 166, "cs": 186, "de": 253, "en": 250, "es": 239, "fr": 273, "hi": 150, "hu": 224,
    "it": 213, "ja": 71, "ko": 95, "nl": 251, "pl": 224, "pt": 203, "ru": 182, "tr": 226, "zh": 82,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Line:
    """tokens: [1, n]. latents: [1, positions, channels] for the GPT. timbre: [1, channels, 1] for
    the decoder."""

    tokens: "torch.Tensor"
    latents: "torch.Tensor"
    timbre: "torch.Tensor"
    seed: int


@dataclass(frozen=True)
class Xtts(CloningEngine):
    """XTTS-v2, or a fine-tuned one: the voice and the emotion of the references, in 17 languages.

    The codes of a batch of texts are drawn together, each with its own seed, and are those that
    every text would have alone (see `racing`); the waves are decoded one by one.
    """

    name: ClassVar[str] = "xtts"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("config.json",),
        ("model.pth",),
        ("vocab.json",),
    )
    source: ClassVar[str] = (
        "XTTS-v2 (hf download tts-hub/XTTS-v2 config.json model.pth vocab.json --local-dir …; "
        "Coqui Public Model License, non-commercial)"
    )
    official_terms: ClassVar[str] = "CPML"

    def supports(self, language: str) -> bool:
        return language_name(language, self._checkpoint().languages) is not None

    def check(self, text: str, language: str) -> None:
        primary = language.lower().partition("-")[0]
        longest = _LONGEST.get(primary, min(_LONGEST.values()))
        if len(text) > longest:
            raise SkipClip(
                f"its text of {len(text)} characters is longer than the {longest} that "
                f"{self.name} says at once in '{primary}'"
            )

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint.of(self._folder(), "model.pth")

    def _files(self) -> Sequence[Path]:
        folder = self._folder()
        return [folder / name for (name,) in self.needs]

    def _load(self) -> Any:
        checkpoint = self._checkpoint()
        with checkpoint.loading() as file:
            from TTS.config import load_config
            from TTS.tts.models.xtts import Xtts as Network

            network = Network(load_config(file))
            # The package's own rewrites the released file in place.
            network._load_checkpoint = _state
            network.load_checkpoint(
                network.config, checkpoint_dir=checkpoint.folder, speaker_file_path="", eval=True
            )
        return network

    def _rate(self, network: Any) -> int:
        return int(network.args.output_sample_rate)

    def _hearing_rate(self, network: Any) -> int:
        return int(network.args.input_sample_rate)

    def _heard(
        self, network: Any, waves: Sequence["torch.Tensor"], rate: int
    ) -> tuple["torch.Tensor", ...]:
        import torch

        config = network.config
        parts = [wave[None, : rate * config.max_ref_len] for wave in waves]
        if config.sound_norm_refs:
            parts = [0.75 * part / part.abs().max().clamp_min(1e-8) for part in parts]
        timbre = torch.stack([network.get_speaker_embedding(part, rate) for part in parts]).mean(0)
        latents = network.get_gpt_cond_latents(
            torch.cat(parts, dim=-1), rate, config.gpt_cond_len, config.gpt_cond_chunk_len
        )
        return latents, timbre

    def _prepare(self, network: Any, utterance: Utterance) -> _Line:
        import torch

        latents, timbre = self._voice_of(network, utterance)
        language = language_name(utterance.language, network.config.languages) or ""
        try:
            tokens = network.tokenizer.encode(utterance.text.lower(), lang=language)
        except ImportError as error:
            raise RequirementError(
                f"{self.name} reads '{language}' with a Python package that is missing "
                f"({error}): pip install 'coqui-tts[languages]'"
            ) from error
        silent = {network.tokenizer.tokenizer.token_to_id(one) for one in ("[UNK]", "[SPACE]")}
        if not {*tokens[1:]} - silent:  # the first is the language
            raise AudioError(f"{self.name} knows no letter of the text '{utterance.text[:40]}'")
        if len(tokens) >= network.args.gpt_max_text_tokens:
            raise AudioError(
                f"the text has {len(tokens)} tokens, {self.name} reads fewer than "
                f"{network.args.gpt_max_text_tokens} at once"
            )
        row = torch.tensor([tokens], dtype=torch.int32, device=latents.device)
        return _Line(row, latents, timbre, utterance.seed)

    def _say(self, network: Any, prepared: Sequence[_Line]) -> list[Samples]:
        codes, doubtful = _codes(network, prepared)
        for place in doubtful if len(prepared) > 1 else ():
            (codes[place],), _ = _codes(network, [prepared[place]])
        return [_decoded(network, *pair) for pair in zip(prepared, codes, strict=True)]


def _codes(network: Any, lines: Sequence[_Line]) -> tuple[list["torch.Tensor"], list[int]]:
    """Audio codes [n] of each line with the stop code, and which of them rounding could change.

    Texts of other lengths are padded before their start, which the GPT does not attend to and,
    having no positions but those within the text and within the codes, cannot notice.
    """
    import torch
    from torch.nn.functional import pad

    gpt, config = network.gpt, network.config
    prefixes = []
    for line in lines:
        text = pad(
            pad(line.tokens, (1, 0), value=gpt.start_text_token), (0, 1), value=gpt.stop_text_token
        )
        embedded = gpt.text_embedding(text) + gpt.text_pos_embedding(text)
        prefixes.append(torch.cat([line.latents, embedded], dim=1)[0])
    longest = max(map(len, prefixes))
    gaps = [longest - len(prefix) for prefix in prefixes]
    gpt.gpt_inference.store_prefix_emb(
        torch.stack([pad(p, (0, 0, gap, 0)) for p, gap in zip(prefixes, gaps, strict=True)])
    )
    # One place more than the prefix: the start code.
    places = torch.arange(longest + 1, device=prefixes[0].device)
    attended = torch.stack([(places >= gap).long() for gap in gaps])
    start = torch.ones_like(attended)  # stands for the prefix
    start[:, -1] = gpt.start_audio_token
    with race([line.seed for line in lines], stop=gpt.stop_audio_token) as drawing:
        drawn = gpt.gpt_inference.generate(
            start,
            attention_mask=attended,
            bos_token_id=gpt.start_audio_token,
            pad_token_id=gpt.stop_audio_token,
            eos_token_id=gpt.stop_audio_token,
            max_length=gpt.max_gen_mel_tokens + longest + 1,
            do_sample=True,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            repetition_penalty=config.repetition_penalty,
        )[:, longest + 1 :]
    codes = []
    for row in drawn:
        stops = torch.nonzero(row == gpt.stop_audio_token)
        codes.append(row[: int(stops[0]) + 1] if len(stops) else row)
    return codes, drawing.doubtful


def _decoded(network: Any, line: _Line, codes: "torch.Tensor") -> Samples:
    import torch

    gpt, device = network.gpt, codes.device
    latents = gpt(
        line.tokens,
        torch.tensor([line.tokens.shape[1]], device=device),
        codes[None],
        torch.tensor([len(codes) * gpt.code_stride_len], device=device),
        cond_latents=line.latents,
        return_latent=True,
    )
    wave: Samples = network.hifigan_decoder(latents, g=line.timbre)[0, 0].float().cpu().numpy()
    return wave


def _state(file: Path) -> dict[str, Any]:
    """What model.pth holds; tensors and plain values, and in the released file its configuration.

    The classes of the latter, which are plain data, are all that may be built to read it.
    """
    import torch
    from TTS.config.shared_configs import BaseDatasetConfig
    from TTS.tts.configs import xtts_config

    moved = {  # where these classes were when the file was written
        f"TTS.tts.models.xtts.{name}": getattr(xtts_config, name)
        for name in ("XttsArgs", "XttsAudioConfig")
    }
    plain = [xtts_config.XttsConfig, BaseDatasetConfig, *moved.values()]
    assert all(dataclasses.is_dataclass(one) for one in plain)
    allowed: list[Any] = [*plain, *((one, name) for name, one in moved.items())]
    with torch.serialization.safe_globals(allowed):
        try:
            held = torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise RequirementError(
                f"{file}: refused as an unsafe pickle: it holds more than tensors and XTTS's "
                "configuration, and reading it could run any code"
            ) from error
    state: dict[str, Any] = held["model"]
    return state
