"""The gate `wer`: whether a speech recogniser hears the text."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from emoforge.audio import Audio
from emoforge.component import INCIDENTAL
from emoforge.hub import weights_digest
from emoforge.selection.gates.gate import Gate, Given
from emoforge.selection.gates.text import base_language, edits, words
from emoforge.selection.gates.transcription import (
    RATE,
    Transcribe,
    load_whisper,
    whisper_files,
)

_UNSPACED = ("ja", "km", "lo", "my", "th", "yue", "zh")


@dataclass(frozen=True)
class WordErrorRate(Gate):
    """Word error rate of Whisper's transcript, from 0; over 1 where it has more than the text.

    Errors are insertions, deletions and substitutions per word of the text, or per character in
    languages that are written without spaces. Case and punctuation do not count. Numbers are not
    spelled out: a text with digits is not measured, and a transcript that writes "7" for "seven"
    has an error. Nor is a text without words or language, or in one that the model does not know.

    model: folder with Whisper in the format of CTranslate2 (for `faster-whisper`) or of
    transformers, or a hub's `owner/name` with its commit as `revision`. device: `cpu`, `cuda`,
    `cuda:1`. The limit is a choice: no recogniser's weights were at hand to measure it.
    """

    model: str = field(default="", metadata=INCIDENTAL)
    revision: str = field(default="", metadata=INCIDENTAL)
    device: str = field(default="cpu", metadata=INCIDENTAL)
    highest: float = 0.5

    name: ClassVar[str] = "wer"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""

    @cached_property
    def _files(self) -> tuple[Path, list[Path]]:
        return whisper_files(self.model, self.revision, "gates.wer")

    @property
    def weights(self) -> str:
        """Digest of the weights; raises ConfigError or RequirementError if there are none."""
        return weights_digest(self._files[1])

    @cached_property
    def _transcribe(self) -> Transcribe:
        return load_whisper(self._files[0], self.device)

    def setup(self) -> None:
        """Load the model; raises RequirementError."""
        _ = self._transcribe

    def measure(self, candidate: Audio, given: Given) -> float | None:
        text, language = given.promise.text or "", base_language(given.promise.language)
        if not words(text) or not language or any(c.isdigit() for c in text):
            return None
        samples = candidate.resampled(RATE).samples
        heard = self._transcribe(samples, language) if len(samples) else ""
        return None if heard is None else error_rate(text, heard, language)

    def reject(self, value: float) -> str | None:
        if value <= self.highest:
            return None
        return f"the word error rate is {value:.0%}, over {self.highest:.0%}"


def error_rate(text: str, heard: str, language: str) -> float:
    """Errors per word, or per character where words are not spaced; the text must have words."""
    wanted, found = words(text), words(heard)
    if language in _UNSPACED:
        wanted, found = list("".join(wanted)), list("".join(found))
    return edits(wanted, found) / len(wanted)
