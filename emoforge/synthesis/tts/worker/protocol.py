"""What a worker says of itself; docs/worker.md describes all messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emoforge.synthesis.tts.worker.process import WorkerError

PROTOCOL = 1


@dataclass(frozen=True)
class WorkerVoice:
    """A voice that a worker has. languages: BCP 47 tags, none for all that the worker has."""

    name: str
    gender: str | None = None
    emotions: tuple[str, ...] = ()
    licence: str = ""
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """A worker's `hello`."""

    engine: str
    version: str
    languages: tuple[str, ...]
    weights: str = ""
    licence: str = ""
    clones: bool = False
    voices: tuple[WorkerVoice, ...] = ()
    max_batch: int = 1


def capabilities(hello: Mapping[str, Any]) -> Capabilities:
    """What stands in a `hello`; raises WorkerError, with what is wrong, if it cannot be used."""
    from pydantic import TypeAdapter, ValidationError

    if hello.get("protocol") != PROTOCOL:
        raise WorkerError(
            f"speaks protocol {hello.get('protocol')}, this emoforge speaks {PROTOCOL}: "
            "take a worker script that fits"
        )
    fields = {name: value for name, value in hello.items() if name not in ("type", "protocol")}
    try:
        known = TypeAdapter(Capabilities).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise WorkerError(f"says of itself {key}={first['input']!r}: {first['msg']}") from error
    if not known.clones and not known.voices:
        raise WorkerError("says of itself that it neither clones nor has voices")
    if known.max_batch < 1:
        raise WorkerError(f"says of itself max_batch={known.max_batch}: must be 1 or more")
    return known


def speaks(languages: tuple[str, ...], language: str) -> bool:
    """Whether a language (BCP 47 tag) is one of those, or a variety of one."""
    wanted = language.lower()
    return any(wanted == one.lower() or wanted.startswith(f"{one.lower()}-") for one in languages)
