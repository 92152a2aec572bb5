"""Workers whose script is shipped: the generators `f5tts`, `styletts2`, `cosyvoice`, `indextts2`.

They clone: the emotion is that of the reference clips, and of what the script makes of it. Each
script says what it takes as `settings`, and under which terms its engine's weights stand.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from emoforge.component import INCIDENTAL
from emoforge.synthesis.tts.worker.generator import Worker

SCRIPTS = Path(__file__).parent / "scripts"
"""The scripts that other interpreters run."""


def _shipped(name: str) -> str:
    return field(default=str(SCRIPTS / name), metadata=INCIDENTAL)


@dataclass(frozen=True)
class F5TTS(Worker):
    """F5-TTS (arXiv 2410.06885), English and Chinese."""

    script: str = _shipped("f5tts_worker.py")

    name: ClassVar[str] = "f5tts"
    version: ClassVar[int] = 1
    clones: ClassVar[bool] = True
    model_from: ClassVar[str] = (
        "hf download SWivid/F5-TTS --include 'F5TTS_v1_Base/*' --local-dir F5-TTS, "
        "the model is F5-TTS/F5TTS_v1_Base (CC-BY-NC-4.0)"
    )


@dataclass(frozen=True)
class StyleTTS2(Worker):
    """StyleTTS 2 (arXiv 2306.07691), English."""

    script: str = _shipped("styletts2_worker.py")

    name: ClassVar[str] = "styletts2"
    version: ClassVar[int] = 1
    clones: ClassVar[bool] = True
    model_from: ClassVar[str] = (
        "hf download yl4579/StyleTTS2-LibriTTS --local-dir StyleTTS2, "
        "the model is StyleTTS2/Models/LibriTTS (MIT, listeners are to be told or voices permitted)"
    )


@dataclass(frozen=True)
class CosyVoice(Worker):
    """CosyVoice 2 (arXiv 2412.10117) and 3 (arXiv 2505.17589), nine languages."""

    script: str = _shipped("cosyvoice_worker.py")

    name: ClassVar[str] = "cosyvoice"
    version: ClassVar[int] = 1
    clones: ClassVar[bool] = True
    model_from: ClassVar[str] = (
        "hf download FunAudioLLM/CosyVoice2-0.5B --local-dir CosyVoice2-0.5B (Apache-2.0)"
    )


@dataclass(frozen=True)
class IndexTTS2(Worker):
    """IndexTTS 2 (arXiv 2506.21619), English and Chinese."""

    script: str = _shipped("indextts2_worker.py")

    name: ClassVar[str] = "indextts2"
    version: ClassVar[int] = 1
    clones: ClassVar[bool] = True
    model_from: ClassVar[str] = (
        "hf download IndexTeam/IndexTTS-2 --local-dir IndexTTS-2 "
        "(bilibili Model Use License Agreement)"
    )
