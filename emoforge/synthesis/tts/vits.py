"""Saying several lines at once with a VITS network (arXiv 2106.06103) of coqui-tts.

The package's own `Vits.inference` takes a batch, but draws its noise for all of it at once and
lets the waves of shorter lines end in what padding has become. Here durations and noise are those
of every line alone, drawn in the package's order, and each line is decoded with silence after
it, beyond the decoder's reach: then nothing of a line depends on the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emoforge.audio import Samples
from emoforge.errors import AudioError
from emoforge.network import seeded

if TYPE_CHECKING:
    import torch

AFTER = 32
"""Frames of silence after a line: twice the reach of the official decoder (13)."""
AT_ONCE = {"cpu": 1}
"""Lines decoded at once by kind of device: a processor gains nothing from more."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Line:
    """tokens: of the text. voice: [1, channels, 1], or None for the only one. language: its number
    in the network, or None."""

    tokens: Sequence[int]
    voice: "torch.Tensor | None"
    language: int | None
    seed: int


def tokens(network: Any, text: str, language: str) -> list[int]:
    """Numbers of a text's symbols; raises AudioError for one that the network cannot read.

    The package leaves out what it does not know; a letter or digit must not get lost so.
    """
    tokenizer = network.tokenizer
    tokenizer.not_found_characters = []
    found: list[int] = tokenizer.text_to_ids(text, language=language)
    unknown = [c for c in tokenizer.not_found_characters if c.isalnum()]
    if unknown and not tokenizer.use_phonemes:
        raise AudioError(
            f"the checkpoint does not know '{''.join(unknown)}' of the text '{text[:40]}'"
        )
    silent = {tokenizer.blank_id, tokenizer.pad_id, *tokenizer.encode(" ")}
    if not {*found} - silent:
        raise AudioError(f"the checkpoint knows no symbol of the text '{text[:40]}'")
    return found


def say(network: Any, lines: Sequence[Line]) -> list[Samples]:
    """Samples [n] of each line."""
    import torch

    device = next(network.parameters()).device
    frames = [_frames(network, line, device) for line in lines]
    order = sorted(range(len(lines)), key=lambda place: frames[place].shape[1])
    size = AT_ONCE.get(device.type, _AT_ONCE)
    waves: dict[int, Samples] = {}
    for start in range(0, len(order), size):
        part = order[start : start + size]
        voices = [voice for place in part if (voice := lines[place].voice) is not None]
        decoded = _decoded(
            network, [frames[place] for place in part], torch.cat(voices) if voices else None
        )
        waves.update(zip(part, decoded, strict=True))
    return [waves[place] for place in range(len(lines))]


def _frames(network: Any, line: Line, device: "torch.device") -> "torch.Tensor":
    """What the flow is given: prior and noise, [channels, frames]."""
    import torch

    tokens = torch.tensor([list(line.tokens)], device=device)
    lengths = torch.tensor([tokens.shape[1]], device=device)
    language = None
    if line.language is not None and network.args.use_language_embedding:
        language = network.emb_l(torch.tensor([line.language], device=device))[..., None]
    voice = line.voice if network.args.condition_dp_on_speaker else None
    hidden, mean, spread, mask = network.text_encoder(tokens, lengths, lang_emb=language)
    with seeded(line.seed):
        if network.args.use_sdp:
            length = network.duration_predictor(
                hidden,
                mask,
                g=voice,
                reverse=True,
                noise_scale=network.inference_noise_scale_dp,
                lang_emb=language,
            )
        else:
            length = network.duration_predictor(hidden, mask, g=voice, lang_emb=language)
        repeats = torch.ceil(torch.exp(length) * mask * network.length_scale)[0, 0].long()
        mean, spread = (one[0].repeat_interleave(repeats, dim=1) for one in (mean, spread))
        # Laid out as the package's prior is: it decides which number goes where.
        noise = torch.randn_like(torch.empty(mean.T.shape).T).to(device)
    prior: torch.Tensor = mean + noise * torch.exp(spread) * network.inference_noise_scale
    return prior


def _decoded(
    network: Any, frames: Sequence["torch.Tensor"], voices: "torch.Tensor | None"
) -> list[Samples]:
    import torch
    from torch.nn.functional import interpolate, pad

    longest = max(one.shape[1] for one in frames) + AFTER
    batch = torch.stack([pad(one, (0, longest - one.shape[1])) for one in frames])
    lengths = torch.tensor([one.shape[1] for one in frames], device=batch.device)
    mask = (torch.arange(longest, device=batch.device) < lengths[:, None])[:, None].to(batch)
    latent = network.flow(batch, mask, g=voices, reverse=True) * mask
    if network.args.encoder_sample_rate and network.args.interpolate_z:
        latent = interpolate(latent, scale_factor=network.interpolate_factor, mode="linear")
    waves = network.waveform_decoder(latent, g=voices)[:, 0]
    hop = waves.shape[1] // longest
    return [
        wave[: hop * one.shape[1]].float().cpu().numpy()
        for wave, one in zip(waves, frames, strict=True)
    ]
