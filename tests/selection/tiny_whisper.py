"""A tiny random Whisper in the official formats: transformers' own, and CTranslate2's."""

from pathlib import Path
from typing import Any

LANGUAGES = ("en", "de", "pl", "ja")
"""Transformers takes it for multilingual, CTranslate2 for English-only: it has few tokens."""


def save(folder: Path) -> None:
    """Write the checkpoint of transformers: config, weights, tokenizer and feature extractor."""
    import torch
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizerFast,
    )
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    special = [
        "<|endoftext|>", "<|startoftranscript|>", *(f"<|{name}|>" for name in LANGUAGES),
        "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>",
        "<|notimestamps|>", *(f"<|{step * 0.02:.2f}|>" for step in range(1501)),
    ]  # fmt: skip
    plain = list(bytes_to_unicode().values())
    vocabulary = {token: number for number, token in enumerate(plain)}
    tokenizer: Any = WhisperTokenizerFast(vocab=vocabulary, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    number = tokenizer.convert_tokens_to_ids
    ends = number("<|endoftext|>")
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        decoder_start_token_id=number("<|startoftranscript|>"),
        bos_token_id=ends,
        eos_token_id=ends,
        pad_token_id=ends,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model: Any = WhisperForConditionalGeneration(config)
    generation = model.generation_config
    generation.is_multilingual = True
    generation.lang_to_id = {f"<|{name}|>": number(f"<|{name}|>") for name in LANGUAGES}
    generation.task_to_id = {task: number(f"<|{task}|>") for task in ("transcribe", "translate")}
    generation.no_timestamps_token_id = number("<|notimestamps|>")
    # Whatever is not a byte is never said, so that it says something like a text.
    generation.suppress_tokens = list(range(256, len(tokenizer)))
    generation.begin_suppress_tokens = None
    generation.max_length = 40
    model.save_pretrained(folder)


def convert(folder: Path, to: Path) -> None:
    """The checkpoint as `ct2-transformers-converter` writes it."""
    from ctranslate2.converters import TransformersConverter

    converter = TransformersConverter(
        str(folder), copy_files=["tokenizer.json", "preprocessor_config.json"]
    )
    converter.convert(str(to), force=True)
