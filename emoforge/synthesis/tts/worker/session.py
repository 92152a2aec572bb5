"""A worker over its life: started when it is needed, and again when it was lost."""

import atexit
import functools
import json
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import soundfile

from emoforge.audio import Audio, probe, read
from emoforge.clip import Clip
from emoforge.component import digest
from emoforge.errors import AudioError, EmoforgeError
from emoforge.synthesis.tts.worker.environment import environment
from emoforge.synthesis.tts.worker.process import Child, Deadline, LostError, WorkerError
from emoforge.synthesis.tts.worker.protocol import PROTOCOL, Capabilities, capabilities

RESTARTS = 5
"""A worker that is lost so often in a row, with no answer in between, is given up the next time."""
RATES = (8000, 192000)
"""Sampling rates that speech may have, Hz."""
_REFERENCE_RATE = 16000
"""References of a lower rate are resampled to it, Hz: some engines refuse less."""
_QUIETEST = 2.0**-15
"""Audio that nowhere reaches one step of 16 bits is silent."""

Said = Audio | EmoforgeError


@dataclass(frozen=True)
class Launch:
    """How a worker is started.

    settings: canonical JSON. timeout: seconds an utterance may take; start_timeout: seconds that
    `hello` and `load` may each take. log: a file, or "" for none.
    """

    name: str
    python: str
    script: str
    model: str
    settings: str
    device: str
    pythonpath: tuple[str, ...]
    timeout: float
    start_timeout: float
    log: str


@dataclass(frozen=True)
class Line:
    """One utterance. fields: of its message, less what the session adds (ids and files)."""

    fields: Mapping[str, Any]
    references: tuple[Clip, ...]


@functools.cache
def session(launch: Launch) -> "Session":
    """The one session of this launch in this process; it ends with the process at the latest."""
    made = Session(launch)
    _sessions.append(made)
    return made


_sessions: list["Session"] = []


@atexit.register
def close_all(but: "Session | None" = None) -> None:
    """End all workers; what they said of themselves stays known."""
    for one in _sessions:
        if one is not but:
            one.close()


class Session:
    """One worker. Its methods may be called from several threads, one of which is served."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._lock = threading.RLock()
        self._child: Child | None = None
        self._loaded = False
        self._known: Capabilities | None = None
        self._given_up: WorkerError | None = None
        self._losses = 0
        self._batches = 0
        self._folder: Path | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the worker can do; starts it the first time. Raises WorkerError."""
        with self._lock:
            return self._known or self._start()

    def load(self) -> None:
        """Have its model loaded, even if it was given up before. Raises WorkerError."""
        with self._lock:
            self._given_up, self._losses = None, 0
            self._ready()

    def speak(self, lines: Sequence[Line]) -> list[Said]:
        """Say the lines: for each its audio, or why there is none.

        Lines that are not answered when the worker is lost are tried again one by one; the one
        that loses it again has failed.
        """
        said: dict[int, Said] = {}
        with self._lock:
            try:
                self._say_all(lines, said)
            except WorkerError as error:  # it cannot be started any more
                said |= {i: error for i in range(len(lines)) if i not in said}
            except BaseException:  # an interrupt: answers that still come would be for nobody
                self._stop()
                raise
        return [said[i] for i in range(len(lines))]

    def close(self) -> None:
        """End the worker; the next call starts it again."""
        with self._lock:
            self._stop(patience=1.0)
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    # --- starting and ending ------------------------------------------------------------------

    def _start(self) -> Capabilities:
        launch = self._launch
        variables, _ = environment(launch.python, launch.device, launch.pythonpath)
        log = Path(launch.log) if launch.log else None
        self._child = Child([launch.python, launch.script], variables, log)
        fields = {"model": launch.model, "settings": json.loads(launch.settings)}
        hello = self._request(self._child, "hello", {"protocol": PROTOCOL, **fields}, "hello")
        try:
            known = capabilities(hello)
        except WorkerError as error:
            self._fail(str(error))
        if self._known not in (None, known):
            self._fail("is not what it was when it was first started: weights or code changed")
        self._known = known
        return known

    def _ready(self) -> Child:
        """The child, with its model loaded."""
        if self._given_up:
            raise self._given_up
        if self._child is None:
            self._start()
        assert self._child is not None
        if not self._loaded:
            _, device = environment(self._launch.python, self._launch.device)
            self._request(self._child, "load", {"device": device}, "ready")
            self._loaded = True
        return self._child

    def _request(
        self, child: Child, kind: str, fields: Mapping[str, Any], expected: str
    ) -> dict[str, Any]:
        """The answer to `hello` or `load`."""
        deadline = Deadline(self._launch.start_timeout)
        try:
            child.send({"type": kind, **fields}, deadline)
            answer = child.receive(deadline)
        except LostError as error:
            self._fail(f"cannot be started: at '{kind}' {error}")
        except BaseException:
            self._stop()
            raise
        if answer["type"] == "error":
            self._fail(f"cannot be started: {str(answer.get('error'))[:500]}")
        if answer["type"] != expected:
            self._fail(f"answered '{kind}' with '{answer['type']}', not with '{expected}'")
        return answer

    def _fail(self, what: str) -> NoReturn:
        self._stop()
        self._given_up = WorkerError(f"worker '{self._launch.name}' {what}")
        raise self._given_up

    def _stop(self, patience: float = 0.0) -> None:
        child, self._child, self._loaded = self._child, None, False
        if child:
            child.end(patience)

    # --- speaking -----------------------------------------------------------------------------

    def _say_all(self, lines: Sequence[Line], said: dict[int, Said]) -> None:
        items: dict[int, dict[str, Any]] = {}
        for i, line in enumerate(lines):
            try:
                items[i] = {**line.fields, "references": [self._given(r) for r in line.references]}
            except AudioError as error:
                said[i] = error
        size = self.capabilities.max_batch
        places = list(items)
        for start in range(0, len(places), size):
            batch = {i: items[i] for i in places[start : start + size]}
            if self._say(batch, said):
                for i in [i for i in batch if i not in said]:
                    if lost := self._say({i: batch[i]}, said):
                        said.setdefault(i, lost)

    def _say(
        self, batch: Mapping[int, Mapping[str, Any]], said: dict[int, Said]
    ) -> WorkerError | None:
        """Have a batch said, and add its answers to `said`; how the worker was lost, if it was."""
        child = self._ready()
        self._batches += 1
        # Ids and files of their own every time: nothing of an earlier attempt can be taken for it.
        asked = {f"{self._batches}.{i}": i for i in batch}
        out = {key: self._room() / f"{key}.wav" for key in asked}
        items = [{"id": key, "out": str(out[key]), **batch[i]} for key, i in asked.items()]
        deadline = Deadline(self._launch.timeout * len(batch))
        try:
            child.send({"type": "speak", "id": self._batches, "items": items}, deadline)
            while True:
                answer = child.receive(deadline)
                if answer["type"] == "done" and answer.get("id") == self._batches:
                    break
                key = str(answer.get("id"))
                # Second answers and unknown ids are passed over.
                if answer["type"] == "item" and key in asked:
                    said[asked.pop(key)] = self._heard(answer, out[key])
                    self._losses = 0
        except LostError as error:
            self._stop()
            return self._lost(error)
        finally:
            for path in out.values():
                path.unlink(missing_ok=True)
        for i in asked.values():
            said[i] = WorkerError(f"worker '{self._launch.name}' gave no answer for this one")
        return None

    def _lost(self, error: LostError) -> WorkerError:
        name = self._launch.name
        self._losses += 1
        if self._losses > RESTARTS:
            self._given_up = WorkerError(
                f"worker '{name}' was given up: it was lost {self._losses} times in a row, the "
                f"last time because {error}"
            )
        return WorkerError(f"worker '{name}' was lost twice at this one, because {error}")

    def _heard(self, answer: Mapping[str, Any], out: Path) -> Said:
        """The audio of an item, or what is wrong with it."""
        name = f"worker '{self._launch.name}'"
        if answer.get("error") is not None:
            return WorkerError(f"{name}: {str(answer['error'])[:500]}")
        if not out.exists():
            return AudioError(f"{name} wrote no audio")
        try:
            found = probe(out)
            if found.channels != 1:
                return AudioError(f"{name} wrote {found.channels} channels, speech has one")
            if not RATES[0] <= found.rate <= RATES[1]:
                return AudioError(f"{name} wrote audio at {found.rate} Hz, out of {RATES}")
            audio = read(out)
        except AudioError as error:
            return AudioError(f"{name} wrote bad audio: {str(error).removeprefix(f'{out}: ')}")
        if float(np.abs(audio.samples).max()) < _QUIETEST:
            return AudioError(f"{name} wrote {audio.duration:.2f} s of silence")
        return audio

    def _given(self, clip: Clip) -> dict[str, Any]:
        """A reference as the worker is given it; its WAV file is written once."""
        key = digest(clip.digest, clip.path, clip.start, clip.duration)
        path = self._room() / f"reference-{key}.wav"
        if not path.exists():
            audio = clip.read()
            audio = audio.resampled(max(audio.rate, _REFERENCE_RATE))
            soundfile.write(path, audio.samples, audio.rate, subtype="PCM_16")
        return {
            "path": str(path),
            "duration": soundfile.info(path).duration,
            "text": clip.text or "",
            "emotion": clip.emotion,
        }

    def _room(self) -> Path:
        """A folder that only this user can read."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="emoforge-worker-"))
        return self._folder
