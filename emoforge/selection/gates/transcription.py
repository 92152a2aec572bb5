"""Speech to text by Whisper (A. Radford et al., arXiv 2212.04356), with local weights."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from emoforge.audio import Samples
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, read_json

RATE = 16000
_CTRANSLATE2 = "model.bin"
_WEIGHTS = (_CTRANSLATE2, "model.safetensors", "model-*.safetensors")
_PART_S = 30

Transcribe = Callable[[Samples, str], str | None]
"""Samples at 16 kHz and a language (`en`) to text; None for a language that is not spoken."""


def whisper_files(model: str, revision: str, key: str) -> tuple[Path, list[Path]]:
    """The folder of a Whisper model, and its weights; raises ConfigError or RequirementError.

    Either in the format of CTranslate2 (`model.bin`) or of transformers (safetensors).
    """
    folder = model_folder(
        model,
        revision,
        [_WEIGHTS, ["config.json"], ["tokenizer.json", "vocab.json"]],
        ["*.json", "vocabulary.txt", "merges.txt"],
        key=key,
    )
    if (folder / _CTRANSLATE2).is_file():
        return folder, [folder / _CTRANSLATE2]
    kind = read_json(folder / "config.json").get("model_type")
    if kind != "whisper":
        raise RequirementError(f"{folder}: holds a model of type '{kind}', not Whisper")
    return folder, [file for pattern in _WEIGHTS for file in folder.glob(pattern)]


def load_whisper(folder: Path, device: str) -> Transcribe:
    """Load the weights; raises RequirementError if they are damaged or a package is missing.

    device: `cpu` or `cuda`, or one of several as in `cuda:1`.
    """
    from safetensors import SafetensorError

    native = (folder / _CTRANSLATE2).is_file()
    try:
        return _faster_whisper(folder, device) if native else _transformers(folder, device)
    except ImportError as error:
        package = "faster-whisper" if native else "transformers"
        raise RequirementError(
            f"{folder}: this model needs Python package '{package}' "
            f"(pip install 'emoforge[{'asr' if native else 'hf'}]')"
        ) from error
    except (RuntimeError, ValueError, OSError, KeyError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RequirementError(f"{folder}: Whisper cannot be loaded ({reason})") from error


def _faster_whisper(folder: Path, device: str) -> Transcribe:
    from faster_whisper import WhisperModel

    kind, _, index = device.partition(":")
    model = WhisperModel(
        str(folder), kind, device_index=int(index or 0), cpu_threads=1, local_files_only=True
    )

    def transcribe(samples: Samples, language: str) -> str | None:
        if language not in model.supported_languages:
            return None
        # Temperature 0 alone: others would draw from a generator that nobody seeds.
        segments, _ = model.transcribe(
            samples, language, temperature=0.0, condition_on_previous_text=False
        )
        return " ".join(segment.text for segment in segments)

    return transcribe


def _transformers(folder: Path, device: str) -> Transcribe:
    import torch
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    processor: Any = WhisperProcessor.from_pretrained(folder, local_files_only=True)
    with _no_progress_bar():
        model: Any = WhisperForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    model = model.to(device).eval()
    known = getattr(model.generation_config, "lang_to_id", None)

    def transcribe(samples: Samples, language: str) -> str | None:
        if language != "en" if not known else f"<|{language}|>" not in known:
            return None
        spoken = {"language": language, "task": "transcribe"} if known else {}
        parts = np.array_split(samples, -(-len(samples) // (_PART_S * RATE)))
        heard = processor(
            parts, sampling_rate=RATE, return_tensors="pt", return_attention_mask=True
        )
        with torch.inference_mode():
            tokens = model.generate(
                heard.input_features.to(device),
                attention_mask=heard.attention_mask.to(device),
                do_sample=False,
                **spoken,
            )
        return " ".join(processor.batch_decode(tokens, skip_special_tokens=True))

    return transcribe


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """A command has its own; transformers' is put back as it was."""
    from transformers.utils import logging

    bar: Any = logging
    shown = bar.is_progress_bar_enabled()
    bar.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bar.enable_progress_bar()
