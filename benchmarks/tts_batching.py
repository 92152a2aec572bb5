"""Clips a minute that networks of coqui-tts say together against one by one, with random weights.

    python benchmarks/tts_batching.py [--full] [--device cuda]

Weights are random, so that nothing needs to be fetched: the work is that of real ones, for clips
of a fixed length (XTTS ends where it may say no more, about 1.4 s; a VITS line 1 to 3 s). By
default networks are small, `--full` makes them of the official size (XTTS-v2: 1.9 GB).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from tokenizers import Tokenizer, models
from TTS.tts.configs.shared_configs import CharactersConfig
from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
from TTS.tts.configs.xtts_config import XttsArgs, XttsConfig
from TTS.tts.models.vits import Vits
from TTS.tts.models.xtts import Xtts

from emoforge.audio import probe
from emoforge.clip import Clip
from emoforge.component import create
from emoforge.errors import EmoforgeError
from emoforge.label import Label
from emoforge.synthesis import Utterance
from emoforge.synthesis.tts.network import NetworkEngine

CLIPS = 8
TEXTS = [f"The kettle is on the stove{' and the window is open' * (n % 3)}." for n in range(CLIPS)]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def xtts(folder: Path, full: bool) -> None:
    size = {} if full else {"gpt_layers": 8, "gpt_n_model_channels": 512, "gpt_n_heads": 8}
    config = XttsConfig(
        model_args=XttsArgs(
            gpt_max_audio_tokens=33,
            gpt_num_audio_tokens=1026,
            gpt_start_audio_token=1024,
            gpt_stop_audio_token=1025,
            gpt_use_perceiver_resampler=True,
            decoder_input_dim=size.get("gpt_n_model_channels", 1024),
            **size,
        )
    )
    tokens = ["[STOP]", "[UNK]", "[SPACE]", "[START]", "[en]", *LETTERS, "."]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [], unk_token="[UNK]"))
    tokenizer.add_special_tokens(tokens[:5])
    tokenizer.save(str(folder / "vocab.json"))
    config.save_json(str(folder / "config.json"))
    config.model_args.gpt_number_text_tokens = len(tokens)
    config.model_args.gpt_start_text_token, config.model_args.gpt_stop_text_token = 3, 0
    model = Xtts(config)
    model.gpt.mel_head.bias.data[1025] -= 100  # never the end
    torch.save({"config": config.to_dict(), "model": model.state_dict()}, folder / "model.pth")


def vits(folder: Path, full: bool) -> None:
    config = VitsConfig(
        model_args=VitsArgs(
            init_discriminator=False, upsample_initial_channel_decoder=512 if full else 128
        ),
        characters=CharactersConfig(
            characters_class="TTS.tts.utils.text.characters.Graphemes",
            pad="_",
            blank="<BLNK>",
            characters=LETTERS,
            punctuations=" .",
        ),
        text_cleaner="basic_cleaners",
        use_phonemes=False,
        phoneme_language="en",
    )
    config.save_json(str(folder / "config.json"))
    torch.save({"model": Vits(config).state_dict()}, folder / "model.pth")


def utterances(voice: str) -> list[Utterance]:
    """The texts, with the voice of a recording that comes with emoforge."""
    path = str(min((Path(sys.modules["emoforge"].__path__[0]) / "starter").rglob("*.flac")))
    header = probe(path)
    shown = Clip(
        id=path, path=path, duration=header.duration, rate=header.rate, speaker="one",
        label=Label.of("angry"), corpus="starter",
    )  # fmt: skip
    return [
        Utterance(text, "en", voice, () if voice else (shown,), "angry", 1.0, seed, {})
        for seed, text in enumerate(TEXTS)
    ]


def seconds(engine: NetworkEngine, batches: Sequence[Sequence[Utterance]]) -> float:
    start = time.perf_counter()
    for batch in batches:
        failed = [one for one in engine.speak(batch) if isinstance(one, EmoforgeError)]
        assert not failed, failed
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(f"{'engine':8}{'one by one':>12}{f'{CLIPS} together':>12}  clips a minute")
    for name, write in (("xtts", xtts), ("coqui", vits)):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), options.full)
            made = create("generator", name, {"model": folder, "device": options.device})
            engine = cast(NetworkEngine, made)
            voices = engine.voices("en")
            lines = utterances(voices[0].name if voices else "")
            seconds(engine, [lines[:1]])  # loads, and hears the voice
            again = [replace(one, seed=one.seed + 100) for one in lines]
            alone, together = seconds(engine, [[one] for one in lines]), seconds(engine, [again])
        print(f"{name:8}{60 * CLIPS / alone:12.1f}{60 * CLIPS / together:12.1f}")


if __name__ == "__main__":
    main()
