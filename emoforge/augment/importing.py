"""Taking a corpus into a workspace: every recording is read once, checked and catalogued."""

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from emoforge.audio import probe, read
from emoforge.augment.corpora import Corpus, Problem
from emoforge.clip import Clip
from emoforge.component import digest
from emoforge.errors import AudioError, CorpusError
from emoforge.progress import Progress
from emoforge.workspace import Workspace

SHORTEST_S = 0.1
"""Shorter audio carries no emotion that anyone could judge."""

_MOST_CHANNELS = 2
_BATCH = 256


@dataclass(frozen=True)
class Imported:
    """What came of a corpus: usable clips in id order, and what is wrong with the others.

    left_out: emotion without a counterpart in the scheme → clips.
    """

    clips: list[Clip]
    problems: list[Problem] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


def import_corpus(workspace: Workspace, corpus: Corpus, progress: Progress) -> Imported:
    """Catalogue the recordings of a corpus that the workspace does not have yet.

    A recording that is missing, broken, or not what it was when it was catalogued becomes a
    problem, and the others go on. Raises CorpusError when no clip of the corpus can be used.
    """
    known = {name: workspace.known_recordings(name) for name in {c.corpus for c in corpus.clips}}
    problems = list(corpus.problems)
    usable: list[Clip] = []
    new: list[tuple[Clip, str]] = []
    for clip in corpus.clips:
        try:
            state = _state(clip)
        except OSError as error:
            problems.append(Problem(clip.path, f"{error.strerror or error} (clip {clip.id})"))
            continue
        before = known[clip.corpus].get(clip.id)
        if before is None:
            new.append((clip, state))
        elif before.state == state:
            usable.append(
                replace(clip, digest=before.digest, duration=before.duration, rate=before.rate)
            )
        else:
            problems.append(Problem(clip.path, _changed(clip, before.state, state)))
    with progress.stage("import", len(new)) as advance:
        for batch in _checked(new):
            found = [(clip, state) for clip, state in batch if isinstance(clip, Clip)]
            problems += [clip for clip, _ in batch if isinstance(clip, Problem)]
            workspace.add_recordings(found)
            usable += [clip for clip, _ in found]
            advance(len(batch))
    _require(usable, problems)
    return Imported(sorted(usable, key=lambda clip: clip.id), problems, corpus.left_out)


def sound_clips(corpus: Corpus, progress: Progress) -> Imported:
    """The usable clips of a corpus without a workspace, for what is learned from recordings."""
    usable: list[Clip] = []
    problems = list(corpus.problems)
    with progress.stage("import", len(corpus.clips)) as advance:
        for batch in _checked([(clip, "") for clip in corpus.clips]):
            usable += [clip for clip, _ in batch if isinstance(clip, Clip)]
            problems += [clip for clip, _ in batch if isinstance(clip, Problem)]
            advance(len(batch))
    _require(usable, problems)
    return Imported(sorted(usable, key=lambda clip: clip.id), problems, corpus.left_out)


def _require(usable: list[Clip], problems: list[Problem]) -> None:
    if not usable:
        reasons = "; ".join(f"{p.where}: {p.sentence}" for p in problems[:3])
        raise CorpusError(
            f"no clip of the corpus can be used ({reasons or 'none has a label in the scheme'})"
        )


def _state(clip: Clip) -> str:
    """Size and time of the file, and a digest of what the corpus says of the clip."""
    said = (
        clip.start,
        clip.duration,
        clip.label.distribution,
        clip.label.votes,
        clip.label.vad,
        clip.label.modality,
        clip.speaker,
        clip.text,
        clip.language,
        clip.gender,
        clip.split,
        clip.licence,
        clip.consent,
    )
    told = hashlib.blake2b(repr(said).encode(), digest_size=8).hexdigest()
    if "://" in clip.path:
        return f"remote {told}"
    file = os.stat(clip.path)
    return f"{file.st_size} {file.st_mtime_ns} {told}"


def _changed(clip: Clip, before: str, now: str) -> str:
    what = "its label or its row" if before.split()[:-1] == now.split()[:-1] else "its audio file"
    return (
        f"{what} changed since this workspace read clip {clip.id}; "
        "start a new workspace, or name the changed corpus otherwise"
    )


def _checked(
    new: list[tuple[Clip, str]],
) -> Iterator[list[tuple[Clip | Problem, str]]]:
    def check(item: tuple[Clip, str]) -> tuple[Clip | Problem, str]:
        clip, state = item
        try:
            return checked(clip), state
        except AudioError as error:
            return Problem(clip.path, str(error).removeprefix(f"{clip.path}: ")), state

    # Decoding and hashing let go of the interpreter's lock, so threads use both cores.
    with ThreadPoolExecutor() as pool:
        for first in range(0, len(new), _BATCH):
            yield list(pool.map(check, new[first : first + _BATCH]))


def checked(clip: Clip) -> Clip:
    """The clip with its measured duration, rate and content digest; reads all of its audio.

    Raises AudioError for audio that cannot be decoded, is not finite, has more than two
    channels, or is shorter than 0.1 s.
    """
    header = probe(clip.path)
    if header.channels > _MOST_CHANNELS:
        raise AudioError(
            f"{clip.path}: {header.channels} channels; mix the recording down to mono first, "
            "averaging microphones of an array would distort it"
        )
    audio = read(clip.path, start=clip.start, duration=clip.duration or None)
    if audio.duration < SHORTEST_S:
        raise AudioError(
            f"{clip.path}: {audio.duration:.3f} s long, a clip needs at least {SHORTEST_S} s"
        )
    return replace(
        clip,
        duration=audio.duration,
        rate=audio.rate,
        digest=digest(_content_digest(clip.path), round(clip.start, 6), round(audio.duration, 6)),
    )


def _content_digest(path: str) -> str:
    if "://" in path:
        import fsspec

        with fsspec.open(path, "rb") as remote:
            return hashlib.file_digest(io.BytesIO(remote.read()), "blake2b").hexdigest()
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
