"""The generator `worker`: an engine that runs in an interpreter of its own."""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from emoforge.audio import Audio
from emoforge.component import INCIDENTAL, Params, canonical_json, digest
from emoforge.errors import ConfigError, EmoforgeError, RequirementError
from emoforge.licence import UNSTATED, together
from emoforge.synthesis.tts.engine import Engine, Utterance, Voice
from emoforge.synthesis.tts.worker.protocol import Capabilities, speaks
from emoforge.synthesis.tts.worker.session import Launch, Line, Session, close_all, session


@dataclass(frozen=True)
class Worker(Engine):
    """Speaks with an engine that has its own Python interpreter, over pipes; see docs/worker.md.

    python: the interpreter that has the engine, such as `/engines/f5/bin/python`.
    script: the worker's script, which that interpreter runs.
    model: the engine's weights, as the script understands it: mostly a folder.
    settings: what else the script takes; its values change the speech and so are part of every
        candidate's parameters.
    device: `cpu`, `cuda`, or `cuda:1` for the second of the visible GPUs.
    pythonpath: folders where that interpreter finds modules, such as an engine's checkout.
    timeout: seconds an utterance may take.
    start_timeout: seconds that saying hello, and loading the model, may each take.
    log: a file to which the worker's standard error is added, "" for none.
    """

    python: str = field(default="", metadata=INCIDENTAL)
    script: str = field(default="", metadata=INCIDENTAL)
    model: str = field(default="", metadata=INCIDENTAL)
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = field(default="cpu", metadata=INCIDENTAL)
    pythonpath: Sequence[str] = field(default=(), metadata=INCIDENTAL)
    timeout: float = field(default=120.0, metadata=INCIDENTAL)
    start_timeout: float = field(default=600.0, metadata=INCIDENTAL)
    log: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "worker"
    version: ClassVar[int] = 1
    model_from: ClassVar[str] = ""
    """The command that gets the weights, and their licence; "" where none are needed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("timeout", "start_timeout"):
            if not getattr(self, option) > 0:
                raise ConfigError(f"{self.name}: {option}={getattr(self, option):g}: must be > 0")

    @property
    def in_process(self) -> bool:
        """One worker a run: its engine may fill the device."""
        return True

    def check_requirements(self) -> None:
        """Raise RequirementError naming what is missing; starts nothing."""
        super().check_requirements()
        if missing := self._missing():
            raise RequirementError(f"'{self.name}' cannot run here, it needs {missing}")

    def _missing(self) -> str:
        key = f"generators.{self.name}"
        if not self.python:
            return f"the interpreter that has the engine: add {key}.python=… (see docs/worker.md)"
        if shutil.which(self.python) is None:
            return f"an interpreter at {self.python}, where there is none: correct {key}.python"
        if not self.script:
            return f"a worker script: add {key}.script=… (see docs/worker.md)"
        if not Path(self.script).is_file():
            return f"a worker script at {self.script}, where there is none: correct {key}.script"
        if self.model_from and not self.model:
            return f"a model: add {key}.model=<folder>; to get one: {self.model_from}"
        if self.model_from and not Path(self.model).is_dir():
            return f"a model at {self.model}, where there is no folder: {self.model_from}"
        return ""

    def setup(self) -> None:
        """Have the model loaded; other workers end, for one model is resident at a time."""
        self.check_requirements()
        own = self._session(canonical_json(self.settings))
        close_all(but=own)
        own.load()

    @property
    def clones(self) -> bool:  # type: ignore[override]
        """As the worker says."""
        return self._known.clones

    @property
    def weights(self) -> str:
        """Digest of the engine, its version and its weights, as the worker says."""
        return self._identity

    def supports(self, language: str) -> bool:
        return speaks(self._known.languages, language)

    def voices(self, language: str) -> Sequence[Voice]:
        known = self._known
        return [
            Voice(one.name, one.gender, one.emotions, one.licence)
            for one in known.voices
            if not known.clones and (not one.languages or speaks(one.languages, language))
        ]

    def licence(self, params: Params) -> str:
        """The licences of the engine's weights and of the voice."""
        return together(self._known.licence or UNSTATED, super().licence(params)) or ""

    def draw(self, voice: str, rng: np.random.Generator) -> dict[str, Any]:
        return {"settings": dict(self.settings)} if self.settings else {}

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | EmoforgeError]:
        said: dict[int, Audio | EmoforgeError] = {}
        # What was planned with other settings, and is made again, needs a worker that has them.
        groups: dict[str, list[int]] = defaultdict(list)
        for i, one in enumerate(utterances):
            groups[canonical_json(one.params.get("settings", {}))].append(i)
        for settings, places in groups.items():
            lines = [_line(utterances[i]) for i in places]
            said |= zip(places, self._session(settings).speak(lines), strict=True)
        return [said[i] for i in range(len(utterances))]

    # Planning asks for these several times a candidate.
    @cached_property
    def _known(self) -> Capabilities:
        self.check_requirements()
        return self._session(canonical_json(self.settings)).capabilities

    @cached_property
    def _identity(self) -> str:
        return digest("worker", self._known.engine, self._known.version, self._known.weights)

    def _session(self, settings: str) -> Session:
        return session(
            Launch(
                name=self.name,
                python=self.python,
                script=self.script,
                model=self.model,
                settings=settings,
                device=self.device,
                pythonpath=tuple(self.pythonpath),
                timeout=self.timeout,
                start_timeout=self.start_timeout,
                log=self.log,
            )
        )


def _line(utterance: Utterance) -> Line:
    # Where the prosody is shaped afterwards, the engine's own part is neutral.
    shaped = "controls" in utterance.params
    return Line(
        {
            "text": utterance.text,
            "language": utterance.language,
            "voice": utterance.voice,
            "emotion": "neutral" if shaped else utterance.emotion,
            "strength": 0.0 if shaped else utterance.strength,
            "seed": utterance.seed,
        },
        utterance.references,
    )
