"""Coding, measuring and hearing every clip under every condition, each once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio
from emoforge.augment.emotion_loss.job import Answer, CodecJob, Task, Way
from emoforge.augment.emotion_loss.store import Row, Store
from emoforge.augment.runner import LocalRunner
from emoforge.clip import Clip
from emoforge.codecs import Codec, Coded
from emoforge.errors import AudioError
from emoforge.progress import Progress
from emoforge.selection import Encoding, Judge
from emoforge.selection.judges import encode_batches
from emoforge.selection.measures import Measure

_NETWORK_S = 120.0
"""Seconds of audio that a network codec gets at a time."""

Missing = Mapping[str, npt.NDArray[np.int64]]
"""Condition → for each clip the bits of what is missing, see `Store.done`."""


def measure_conditions(
    store: Store,
    clips: Sequence[Clip],
    ways: Mapping[str, Way],
    measures: Mapping[str, Measure],
    measured: Collection[str],
    judge: Judge,
    workers: int,
    progress: Progress,
) -> None:
    """Add to the store what it does not have yet; interrupted, the same call goes on.

    ways: condition's key → what is done to clips; measures: by key, of the clips whose digests
    are among `measured`, while the judge hears all clips. Codecs and measures run in
    worker processes; network codecs, one after another, and the judge in this one. Of each clip
    a few bytes are held, and audio of a few batches only.
    """
    keys = [*measures]
    missing = _missing(store, clips, ways, keys, measured, judge.encoder)
    total = sum(int(np.count_nonzero(own)) for own in missing.values())
    job = CodecJob(ways, measures, judge.rate)
    with progress.stage("codecs", total) as advance:
        for turn in _turns(ways):
            batches = _batches(clips, turn, missing, keys)
            if any(_network(ways[key]) for key in turn):
                batches = _coded(batches, ways)
            with closing(LocalRunner(job, workers).run(batches)) as answers:
                for batch in encode_batches(judge, answers, _sound):
                    store.add((_row(answer, heard) for answer, heard in batch), judge.encoder)
                    advance(len(batch))


def _missing(
    store: Store,
    clips: Sequence[Clip],
    ways: Mapping[str, Way],
    keys: Sequence[str],
    measured: Collection[str],
    encoder: str,
) -> Missing:
    hear = 1 << len(keys)
    everything = np.array(
        [hear | (hear - 1 if clip.digest in measured else 0) for clip in clips], np.int64
    )
    found = {}
    for condition in ways:
        done = store.done(condition, keys, encoder)
        have = np.array([done.get(clip.digest, 0) for clip in clips], np.int64)
        found[condition] = everything & ~have
    return found


def _network(way: Way) -> bool:
    return isinstance(way, Codec) and way.network


def _turns(ways: Mapping[str, Way]) -> list[list[str]]:
    """Conditions that are worked on together: all that need no network, then each model's."""
    turns: dict[str, list[str]] = {"": []}
    for key, way in ways.items():
        model = way.weights if isinstance(way, Codec) and way.network else ""
        turns.setdefault(model, []).append(key)
    return [keys for keys in turns.values() if keys]


def _batches(
    clips: Sequence[Clip], conditions: Sequence[str], missing: Missing, keys: Sequence[str]
) -> Iterator[list[Task]]:
    """One batch a clip: what conditions of it lack."""
    for i, clip in enumerate(clips):
        tasks = [
            Task(
                clip,
                condition,
                tuple(key for bit, key in enumerate(keys) if lacks >> bit & 1),
                bool(lacks >> len(keys) & 1),
            )
            for condition in conditions
            if (lacks := int(missing[condition][i]))
        ]
        if tasks:
            yield tasks


def _coded(batches: Iterator[list[Task]], ways: Mapping[str, Way]) -> Iterator[list[Task]]:
    """The batches with what network codecs made of their clips, many clips at a time."""
    group: list[list[Task]] = []
    seconds = 0.0
    for batch in batches:
        group.append(batch)
        seconds += batch[0].clip.duration
        if seconds >= _NETWORK_S:
            yield from _through(group, ways)
            group, seconds = [], 0.0
    yield from _through(group, ways)


def _through(group: Sequence[list[Task]], ways: Mapping[str, Way]) -> Iterator[list[Task]]:
    originals = {batch[0].clip.digest: _read(batch[0].clip) for batch in group}
    made: dict[tuple[str, str], Coded | AudioError] = {}
    tasks = [task for batch in group for task in batch]
    for condition in dict.fromkeys(task.condition for task in tasks):
        codec = ways[condition]
        assert isinstance(codec, Codec)
        codec.setup()
        waiting = {task.clip.digest for task in tasks if task.condition == condition}
        sounds = {
            digest: audio
            for digest, audio in originals.items()
            if digest in waiting and isinstance(audio, Audio)
        }
        answers = codec.roundtrip_batch([*sounds.values()])
        made |= {(condition, digest): a for digest, a in zip(sounds, answers, strict=True)}
    for batch in group:
        original = originals[batch[0].clip.digest]
        yield [
            replace(
                task,
                coded=original
                if isinstance(original, AudioError)
                else made[task.condition, task.clip.digest],
            )
            for task in batch
        ]


def _read(clip: Clip) -> Audio | AudioError:
    try:
        return clip.read()
    except AudioError as error:
        return error


def _sound(answer: Answer) -> Audio:
    if answer.sound is None:
        raise AudioError(answer.fault or "is not to be heard")
    return answer.sound


def _row(answer: Answer, heard: Encoding | AudioError) -> Row:
    task = answer.task
    return Row(
        task.condition,
        task.clip.digest,
        answer.kbps,
        answer.rate,
        answer.delay_ms,
        answer.fault,
        answer.measured,
        heard if answer.sound is not None else None,
    )
