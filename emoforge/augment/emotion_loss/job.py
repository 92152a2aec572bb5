"""What workers do for the report: one clip under one condition, coded and measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from emoforge.audio import Audio
from emoforge.clip import Clip
from emoforge.codecs import Coded
from emoforge.errors import AudioError, EmoforgeError
from emoforge.selection.measures import Measure

T = TypeVar("T")


class Way(Protocol):
    """What a condition does to a clip: a codec, an anchor, or nothing."""

    def setup(self) -> None:
        """Load what it needs."""

    def roundtrip(self, audio: Audio) -> Coded:
        """The clip as it is heard under this condition; raises AudioError."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One clip under one condition. measures: keys of those that are wanted; hear: the sound is.

    coded: what a network made of it already, in the process that has the device.
    """

    clip: Clip
    condition: str
    measures: tuple[str, ...]
    hear: bool
    coded: Coded | AudioError | None = None


Numbers = Mapping[str, float] | AudioError
"""What a measure gives: numbers by name, or why there are none."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What became of a task. sound: at the judge's rate, where it was wanted."""

    task: Task
    kbps: float = float("nan")
    rate: int = 0
    delay_ms: float = 0.0
    fault: str = ""
    measured: Mapping[str, Numbers] = field(default_factory=dict)
    sound: Audio | None = None


@dataclass
class CodecJob:
    """Runs tasks in a worker. ways: condition → what it does; measures: by key; rate: the judge's.

    Tasks of one clip come one after another, so that what measures need of the original is
    prepared once.
    """

    ways: Mapping[str, Way]
    measures: Mapping[str, Measure]
    rate: int
    _ready: set[str] = field(default_factory=set)
    _original: tuple[str, Audio] | None = None
    _prepared: dict[str, Any] = field(default_factory=dict)
    """Measure's key → what it made of the original, or the AudioError that it raised."""

    def run(self, batch: Sequence[Task]) -> Sequence[Answer]:
        """One answer a task; a codec or a measure that fails on a clip fails there alone."""
        return [self._answer(task) for task in batch]

    def crashed(self, item: Task) -> Answer:
        """The answer to a task that killed its worker."""
        return _failed(item, "the codec crashed on this clip")

    def _answer(self, task: Task) -> Answer:
        try:
            original = self._read(task.clip)
            coded = task.coded or self._made(task.condition, original)
        except EmoforgeError as error:
            return _failed(task, str(error))
        if isinstance(coded, AudioError):
            return _failed(task, str(coded))
        sound = coded.audio.resampled(self.rate) if task.hear else None
        measured = {key: self._measured(key, original, coded.audio) for key in task.measures}
        about = coded.measured()
        return Answer(
            replace(task, coded=None),
            about["kbps"],
            coded.rate,
            about["delay_ms"],
            "",
            measured,
            sound,
        )

    def _read(self, clip: Clip) -> Audio:
        if self._original is None or self._original[0] != clip.digest:
            self._original = (clip.digest, clip.read())
            self._prepared = {}
        return self._original[1]

    def _made(self, condition: str, original: Audio) -> Coded:
        way = self.ways[condition]
        self._set_up(condition, way)
        return guarded(way.roundtrip, original)

    def _set_up(self, name: str, part: Way | Measure) -> None:
        if name not in self._ready:
            part.setup()
            self._ready.add(name)

    def _measured(self, key: str, original: Audio, other: Audio) -> Numbers:
        measure = self.measures[key]
        self._set_up(key, measure)
        try:
            if key not in self._prepared:
                try:
                    self._prepared[key] = guarded(measure.prepare, original)
                except AudioError as error:  # not to be tried again for every condition
                    self._prepared[key] = error
            if isinstance(prepared := self._prepared[key], AudioError):
                return prepared
            found = guarded(measure.compare, prepared, other)
        except AudioError as error:
            return error
        return {name: float(value) for name, value in found.items()}


def guarded(work: Callable[..., T], *arguments: Any) -> T:
    """What the work returns; whatever a library raises in it becomes an AudioError."""
    try:
        return work(*arguments)
    except AudioError:
        raise
    except Exception as error:
        known = isinstance(error, EmoforgeError)
        raise AudioError(str(error) if known else f"{type(error).__name__}: {error}") from error


def _failed(task: Task, fault: str) -> Answer:
    return Answer(replace(task, coded=None), fault=fault.removeprefix(f"{task.clip.path}: "))
