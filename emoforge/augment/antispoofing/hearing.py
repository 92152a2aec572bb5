"""What countermeasures and the shortcut check take of each clip."""

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoforge.clip import Clip
from emoforge.errors import AudioError
from emoforge.pool import process_pool
from emoforge.progress import Progress
from emoforge.selection.countermeasures import Preparation, lfcc, measure

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One clip: LFCC frames [t, 60] of the prepared sound, and the eight low-level features of
    the sound as it is stored and as it is prepared."""

    frames: npt.NDArray[np.float16]
    before: npt.NDArray[np.float64]
    after: npt.NDArray[np.float64]


def hear(
    clips: Sequence[Clip], preparation: Preparation, jobs: int, progress: Progress
) -> list[Heard | AudioError]:
    """One answer a clip, in order; jobs: processes, 0: all in this one."""
    parts = [range(at, min(at + _AT_ONCE, len(clips))) for at in range(0, len(clips), _AT_ONCE)]
    found: dict[int, list[Heard | AudioError]] = {}
    with progress.stage("hear", len(clips)) as advance:
        for at, answers in _answers(clips, parts, preparation, jobs):
            found[at] = answers
            advance(len(answers))
    return [answer for at in sorted(found) for answer in found[at]]


def _answers(
    clips: Sequence[Clip], parts: Sequence[range], preparation: Preparation, jobs: int
) -> Iterator[tuple[int, list[Heard | AudioError]]]:
    if not jobs:
        for part in parts:
            yield part.start, _hear([clips[i] for i in part], preparation)
        return
    pool = process_pool(jobs)
    try:
        waiting = {
            pool.submit(_hear, [clips[i] for i in part], preparation): part.start for part in parts
        }
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _hear(clips: Sequence[Clip], preparation: Preparation) -> list[Heard | AudioError]:
    return [_one(clip, preparation) for clip in clips]


def _one(clip: Clip, preparation: Preparation) -> Heard | AudioError:
    try:
        audio = clip.read()
        prepared = preparation.apply(audio, clip.digest or clip.id)
    except AudioError as error:
        return error
    frames = lfcc(prepared.samples, *preparation.span).astype(np.float16)
    return Heard(frames, measure(audio), measure(prepared))
