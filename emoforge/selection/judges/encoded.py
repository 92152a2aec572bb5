"""Encoding many clips: in batches, read ahead, and once only."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio
from emoforge.clip import Clip
from emoforge.errors import AudioError, ConfigError, CorpusError
from emoforge.progress import Progress
from emoforge.selection.judges.judge import Encoding, Judge

T = TypeVar("T")

_CLIP_S = 4.0
"""About what an utterance lasts."""


def encode_all(
    judge: Judge, items: Iterable[T], read: Callable[[T], Audio]
) -> Iterator[list[tuple[T, Encoding | AudioError]]]:
    """What a judge's encoder makes of many items, in their order, a few dozen at a time.

    See `encode_batches`.
    """
    waiting = iter(items)
    ahead = int(judge.at_once_s / _CLIP_S)
    return encode_batches(judge, iter(lambda: list(islice(waiting, ahead)), []), read)


def encode_batches(
    judge: Judge, batches: Iterable[Sequence[T]], read: Callable[[T], Audio]
) -> Iterator[list[tuple[T, Encoding | AudioError]]]:
    """What a judge's encoder makes of items, batch by batch, in their order.

    read: decodes an item; called in threads, for the next batch while this one is encoded. An
    item whose audio cannot be read or encoded gets its AudioError, and the others go on.
    """

    def decode(item: T) -> Audio | AudioError:
        try:
            return read(item).resampled(judge.rate)
        except AudioError as error:
            return error

    judge.setup()
    waiting = iter(batches)
    with ThreadPoolExecutor() as pool:
        ahead: list[tuple[Sequence[T], Iterator[Audio | AudioError]]] = []
        while True:
            more = islice(waiting, 2 - len(ahead))
            ahead += [(batch, pool.map(decode, batch)) for batch in more]
            if not ahead:
                return
            batch, decoding = ahead.pop(0)
            yield list(zip(batch, _encoded(judge, list(decoding)), strict=True))


def _encoded(judge: Judge, audios: Sequence[Audio | AudioError]) -> list[Encoding | AudioError]:
    answers: dict[int, Encoding | AudioError] = {
        i: audio for i, audio in enumerate(audios) if isinstance(audio, AudioError)
    }
    # Like durations together, so that little is padded.
    sound = sorted(
        ((audio, i) for i, audio in enumerate(audios) if isinstance(audio, Audio)),
        key=lambda found: found[0].duration,
    )
    while sound:
        size = 1
        while size < len(sound) and sound[size][0].duration * (size + 1) <= judge.at_once_s:
            size += 1
        batch, sound = sound[:size], sound[size:]
        encodings = judge.encode([audio.samples for audio, _ in batch])
        answers |= {i: _finite(e) for (_, i), e in zip(batch, encodings, strict=True)}
    return [answers[i] for i in range(len(audios))]


def _finite(answer: Encoding | AudioError) -> Encoding | AudioError:
    if isinstance(answer, Encoding) and not np.isfinite(answer.embedding).all():
        return AudioError("the encoder's answer is not finite (NaN or infinite)")
    return answer


@dataclass(frozen=True, eq=False)
class Encoded:
    """Clips that an encoder could encode, and their embeddings [n, parts, width]."""

    clips: Sequence[Clip]
    embeddings: npt.NDArray[np.float32]


def encode_clips(judge: Judge, clips: Sequence[Clip], folder: Path, progress: Progress) -> Encoded:
    """Encode clips, those only that no earlier call with this folder has encoded.

    clips: with their content digests, by which the embeddings are kept, in a file for each
    encoder. A clip that cannot be encoded is noted and left out. Raises CorpusError if none can,
    and ConfigError for a damaged file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{judge.encoder}.sqlite"
    try:
        with closing(sqlite3.connect(path)) as file:
            file.execute(
                "CREATE TABLE IF NOT EXISTS encoding "
                "(clip TEXT PRIMARY KEY, parts INTEGER, embedding BLOB)"
            )
            known = {clip for (clip,) in file.execute("SELECT clip FROM encoding")}
            pending = {clip.digest: clip for clip in clips if clip.digest not in known}
            _encode(judge, list(pending.values()), file, progress)
            return _collected(file, clips)
    except (sqlite3.DatabaseError, ValueError) as error:
        raise ConfigError(
            f"{path}: the embeddings kept here cannot be used ({error}); delete the file to "
            "encode the clips again"
        ) from error


def _encode(
    judge: Judge, clips: Sequence[Clip], file: sqlite3.Connection, progress: Progress
) -> None:
    if not clips:
        return
    with progress.stage("encode", len(clips)) as advance:
        for batch in encode_all(judge, sorted(clips, key=lambda c: c.duration), Clip.read):
            rows = []
            for clip, answer in batch:
                if isinstance(answer, AudioError):
                    reason = str(answer).removeprefix(f"{clip.path}: ")
                    progress.note(f"{clip.path}: {reason}; left out")
                else:
                    values = np.ascontiguousarray(answer.embedding, np.float32)
                    rows.append((clip.digest, len(values), values.tobytes()))
            with file:
                file.executemany("INSERT OR REPLACE INTO encoding VALUES (?, ?, ?)", rows)
            advance(len(batch))


def _collected(file: sqlite3.Connection, clips: Sequence[Clip]) -> Encoded:
    places: dict[str, list[int]] = {}
    for i, clip in enumerate(clips):
        places.setdefault(clip.digest, []).append(i)
    found = np.empty((0, 1, 1), np.float32)
    there = np.zeros(len(clips), bool)
    for clip, parts, blob in file.execute("SELECT clip, parts, embedding FROM encoding"):
        if clip not in places:
            continue
        embedding = np.frombuffer(blob, np.float32).reshape(parts, -1)
        if not there.any():
            found = np.empty((len(clips), *embedding.shape), np.float32)
        if embedding.shape != found.shape[1:] or not np.isfinite(embedding).all():
            raise ValueError(f"the embedding of clip {clip} is damaged")
        found[places[clip]] = embedding
        there[places[clip]] = True
    if not there.any():
        raise CorpusError(f"none of {len(clips)} clips could be encoded")
    if not there.all():
        found = found[there]
    return Encoded([clip for clip, here in zip(clips, there, strict=True) if here], found)
