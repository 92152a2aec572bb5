"""The engine `hts`: Japanese voices that were recorded in several emotions, by HTS."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from emoforge.audio import Audio
from emoforge.clip import Clip
from emoforge.component import INCIDENTAL, Params, Promise, Requirement, digest
from emoforge.errors import ConfigError, EmoforgeError, RequirementError, SkipClip
from emoforge.hub import weights_digest
from emoforge.label import ALIASES
from emoforge.licence import UNSTATED
from emoforge.synthesis.tts import openjtalk
from emoforge.synthesis.tts.engine import Engine, Utterance, Voice
from emoforge.synthesis.tts.libhts import say

_SOURCES = (
    "take Mei and Takumi (in the example of MMDAgent, mmdagent.jp, CC-BY-3.0), "
    "tohoku-f01 (github.com/icn-lab/htsvoice-tohoku-f01, CC-BY-4.0) or "
    "hts_voice_nitech_jp_atr503_m001 (open-jtalk.sourceforge.net, CC-BY-3.0)"
)
_GENDERS = {"mei": "female", "takumi": "male"}
_BY_GENDER = {"f": "female", "m": "male"}
_SLOWER = 1.25
"""Than espeak-ng: the four known voices take 1.1 to 1.5 times as long."""
_TERMS = re.compile(r"Creative Commons Attribution (\d\.\d)\b")
_MORE_TERMS = re.compile(r"non-?commercial|no-?derivative|share-?alike", re.IGNORECASE)
_NOTICES = ("COPYRIGHT*", "COPYING*", "LICENSE*", "LICENCE*")


@dataclass(frozen=True)
class Speaker:
    """A voice, and the file of each emotion that it was recorded in."""

    voice: Voice
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Hts(Engine):
    """Statistical parametric speech of HTS voices, 48 kHz, read by Open JTalk.

    strength: within [0, 1]. The speaker's voice of the emotion is mixed with the neutral one: 1 is
        as it was recorded, 0 neutral. More than 1 is refused: the variances of the mix would turn
        negative, and the sound would be noise.
    model: folder with the voices, any `*.htsvoice` below it. Their names say who and how:
        `mei_angry`, `tohoku-f01-sad`; a name that ends in no emotion is neutral. Emotions that no
        scheme has (`mei_bashful`) are left out.
    """

    strength: Sequence[float] = (0.7, 1.0)
    model: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "hts"
    version: ClassVar[int] = 1
    seeded: ClassVar[bool] = False
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("pyopenjtalk", "tts"),
        Requirement("onnxruntime", "tts"),  # without it Open JTalk reads some words otherwise
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strength[1] > 1:
            raise ConfigError(
                f"hts: strength lies in [0, 1], where 1 is as recorded, got {list(self.strength)}"
            )

    @cached_property
    def speakers(self) -> Mapping[str, Speaker]:
        """Speakers by name, in order; raises RequirementError if there is none."""
        if not self.model:
            raise RequirementError(
                f"hts has no voices: {_SOURCES}, and set generators.hts.model=DIR"
            )
        folder = Path(self.model).expanduser()
        if not (found := find_speakers(folder)):
            raise RequirementError(f"{folder}: no *.htsvoice in this folder; {_SOURCES}")
        return found

    def check_requirements(self) -> None:
        """Raise RequirementError naming what is missing, voices too."""
        super().check_requirements()
        _ = self.speakers

    def setup(self) -> None:
        """Open the dictionary; raises RequirementError."""
        self.check_requirements()
        openjtalk.labels("あ")

    @cached_property
    def weights(self) -> str:
        """Digest of the voices, and of the dictionaries by their versions."""
        files = [file for one in self.speakers.values() for file in one.files.values()]
        return digest(weights_digest(files), openjtalk.version())

    def supports(self, language: str) -> bool:
        return language.lower().partition("-")[0] == "ja"

    def voices(self, language: str) -> Sequence[Voice]:
        return [one.voice for one in self.speakers.values()] if self.supports(language) else []

    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        params = super().plan(clip, rng)
        voice = self.speakers[params["voice"]].voice
        if params["strength"] != 1 and "neutral" not in voice.emotions:
            raise SkipClip(
                f"voice '{voice.name}' of hts has no neutral to mix with, "
                "so only a strength of [1, 1] is possible"
            )
        return params

    def promise(self, clip: Clip, params: Params) -> Promise:
        promised = super().promise(clip, params)
        return replace(promised, duration=_SLOWER * promised.duration)

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | EmoforgeError]:
        return [self._say(one) for one in utterances]

    def _say(self, one: Utterance) -> Audio | EmoforgeError:
        files = self.speakers[one.voice].files
        try:
            read = openjtalk.labels(one.text)
            if one.emotion == "neutral" or one.strength == 1:
                return say(read, [files[one.emotion]], [1])
            mixed = [files["neutral"], files[one.emotion]]
            return say(read, mixed, [1 - one.strength, one.strength])
        except EmoforgeError as error:
            return error


def find_speakers(folder: Path) -> dict[str, Speaker]:
    """Speakers whose voices are below a folder, by name; raises ConfigError for a voice twice."""
    files: dict[str, dict[str, Path]] = defaultdict(dict)
    unknown = []
    for file in sorted(folder.rglob("*.htsvoice")):
        speaker, _, word = file.stem.replace("_", "-").rpartition("-")
        if word.lower() not in ALIASES:
            unknown.append(file)
            continue
        speaker = file.stem[: len(speaker)]
        emotion = ALIASES[word.lower()]
        if (other := files[speaker].setdefault(emotion, file)) != file:
            raise ConfigError(f"{other} and {file}: two voices of {speaker}, {emotion}")
    for file in unknown:  # of another speaker, or an emotion without a name of ours
        if not any(re.match(f"{re.escape(speaker)}[-_]", file.stem) for speaker in files):
            files[file.stem]["neutral"] = file
    return {name: _speaker(name, files[name]) for name in sorted(files)}


def _speaker(name: str, files: Mapping[str, Path]) -> Speaker:
    coded = re.search(r"(?:^|[-_])([fm])\d+$", name)
    gender = _BY_GENDER[coded[1]] if coded else _GENDERS.get(name.lower())
    licence = " AND ".join(sorted({_licence(file.parent) for file in files.values()}))
    return Speaker(Voice(name, gender, tuple(sorted(files)), licence), files)


def _licence(folder: Path) -> str:
    """The Creative Commons licence that the notice beside a voice names, else `UNSTATED`."""
    for notice in (found for name in _NOTICES for found in sorted(folder.glob(name))):
        text = re.sub(r"[\s#]+", " ", notice.read_text(encoding="utf-8", errors="replace"))
        if (terms := _TERMS.search(text)) and not _MORE_TERMS.search(text):
            return f"CC-BY-{terms[1]}"
    return UNSTATED
