"""The worker's side of the protocol (docs/worker.md); needs the standard library and numpy alone.

A script beside this file calls `serve` with two functions:

    describe(model, settings) → the fields of `hello`; quick, loads nothing
    load(model, settings, device) → speak(item) → mono samples in [-1, 1], and their rate in Hz

An exception in `describe` or `load` ends the worker with its sentence; in `speak` only that item
fails. Items are said one by one.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import queue
import random
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

PROTOCOL = 1
GRACE = 2.0
"""Seconds that the work in hand is given once nobody waits for it."""

Item = dict[str, Any]
Speak = Callable[[Item], tuple[Any, int]]
Describe = Callable[[str, dict[str, Any]], dict[str, Any]]
Load = Callable[[str, dict[str, Any], str], Speak]


class WorkerError(Exception):
    """What a user is to read: one sentence."""


def serve(describe: Describe, load: Load) -> None:
    """Answer messages until there are no more."""
    # The messages get pipes of their own: what an engine prints goes to standard error from here
    # on, and what it starts (such as ffmpeg, which reads its input) finds nothing to read.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def answer(kind: str, **fields: Any) -> None:
        answers.write(json.dumps({"type": kind, **fields}) + "\n")
        answers.flush()

    model, settings = "", {}
    speak: Speak | None = None
    for message in _messages(requests):
        try:
            if message["type"] == "hello":
                model, settings = message["model"], message["settings"]
                answer("hello", protocol=PROTOCOL, **describe(model, settings))
            elif message["type"] == "load":
                speak = load(model, settings, message["device"])
                answer("ready")
        except Exception as error:
            answer("error", error=_sentence(error))
            return
        if message["type"] == "speak":
            assert speak is not None
            for item in message["items"]:
                answer("item", id=item["id"], **_say(speak, item))
            answer("done", id=message["id"])


def _messages(requests: TextIO) -> Iterator[dict[str, Any]]:
    """Messages as they come. A thread reads them, to see at once when the other side is gone."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in requests:
            waiting.put(line)
        waiting.put(None)
        time.sleep(GRACE)  # Idle, this process has ended by now.
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    while (line := waiting.get()) is not None:
        yield json.loads(line)


def _say(speak: Speak, item: Item) -> dict[str, str]:
    seed_all(item["seed"])
    try:
        samples, rate = speak(item)
        write_wav(item["out"], samples, rate)
    except Exception as error:
        # After such an error a process cannot use its GPU again: emoforge starts another.
        if "CUDA error" in str(error):
            raise
        return {"error": _sentence(error)}
    return {}


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text if isinstance(error, WorkerError) else f"{type(error).__name__}: {text}"


def seed_all(seed: int) -> None:
    """Seed every generator that an engine may draw from."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the engines draw from it
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def write_wav(path: str, samples: Any, rate: int) -> None:
    """Write mono audio as 32-bit float WAV; shapes such as [1, n] and [n, 1] are taken too."""
    mono = np.squeeze(np.asarray(samples, dtype="<f4"))
    if mono.ndim != 1:
        raise WorkerError(f"the engine gave audio of shape {np.shape(samples)}, speech has one")
    size = mono.nbytes
    with open(path, "wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 4 + 26 + 12 + 8 + size, b"WAVE"))
        file.write(struct.pack("<4sIHHIIHHH", b"fmt ", 18, 3, 1, rate, 4 * rate, 4, 32, 0))
        file.write(struct.pack("<4sII", b"fact", 4, mono.size))
        file.write(struct.pack("<4sI", b"data", size))
        file.write(mono.tobytes())


def engine_version(module: str, package: str, remedy: str) -> str:
    """Version of an engine's package, or of a checkout a digest of its code; imports nothing.

    Raises WorkerError, with the remedy, if it is not there.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise WorkerError(f"Python package '{module}' is not in {sys.executable}: {remedy}")
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        folder = Path(next(iter(spec.submodule_search_locations)))
        return files_digest(folder.rglob("*.py"))


def files_digest(files: Iterable[Path]) -> str:
    """BLAKE2b-128 of the files' names and content, 32 hex digits, whatever their order."""
    total = hashlib.blake2b(digest_size=16)
    for file in sorted(files, key=lambda file: (file.name, str(file))):
        with open(file, "rb") as stream:
            one = hashlib.blake2b(digest_size=16)
            while part := stream.read(1 << 22):
                one.update(part)
        total.update(f"{file.name}\0{one.hexdigest()}\0".encode())
    return total.hexdigest()


def model_files(model: str, *patterns: str) -> list[Path]:
    """The files of a model's folder that match; raises WorkerError for a pattern without any."""
    found = []
    for pattern in patterns:
        matching = sorted(Path(model).glob(pattern))
        if not matching:
            raise WorkerError(f"{model}: no {pattern} in this folder, so it is no such model")
        found += matching
    return found


def known_settings(settings: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """The settings over their defaults; raises WorkerError for one that is not among these."""
    for name in settings:
        if name not in defaults:
            raise WorkerError(f"there is no setting '{name}': known: {', '.join(sorted(defaults))}")
    return {**defaults, **settings}


def reference_within(item: Item, longest: float) -> Item:
    """The first reference that lasts at most so many seconds; raises WorkerError for none."""
    for reference in item["references"]:
        if reference["duration"] <= longest:
            return dict(reference)
    raise WorkerError(f"all references are longer than the {longest:g} s that this engine takes")
