"""What all exporters share: read, check, write one clip after the other, then the cards."""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from emoforge.audio import Audio
from emoforge.augment.export.card import Remarks, Tally, write_cards
from emoforge.augment.export.disclosure import Disclosure
from emoforge.augment.export.folder import new_folder
from emoforge.augment.export.row import Row, row
from emoforge.clip import Clip
from emoforge.component import Component
from emoforge.errors import EmoforgeError, ExportError
from emoforge.licence import Use, forbidden
from emoforge.progress import Advance

Add = Callable[[Row], None]
"""Writes one clip into the export that is being made."""

_READERS, _AHEAD = 4, 16
"""Threads that decode audio, and how many clips at most are read before they are written."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export gave.

    seconds: of audio. counts: clips by split, emotion and origin (`real`, or the generator).
    problems: (clip id, sentence) of every clip that was left out, with the reason.
    """

    path: Path
    format: str
    clips: int
    seconds: float
    counts: dict[str, dict[str, dict[str, int]]]
    problems: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "path": str(self.path),
            "format": self.format,
            "clips": self.clips,
            "seconds": round(self.seconds, 3),
            "counts": self.counts,
            "problems": [{"id": clip, "problem": why} for clip, why in self.problems],
        }


@dataclass(frozen=True)
class Exporter(Component):
    """Writes clips as a training set that another library reads.

    disclosure: whether the audio of synthetic clips says what it is: `tag` writes a comment into
        the file, `watermark` changes the sound inaudibly, `both` or `none`. Each clip's column
        `disclosure` and the cards say it too.

    Audio becomes mono 16-bit, at each clip's own sampling rate: 16-bit mono sources keep every
    sample, unless they are watermarked. The columns of `emoforge.augment.export.row` travel
    along. The same clips in the same order give the same bytes. Memory stays flat: a few hundred
    bytes a clip, for its id.

    usage: Python that loads the export, with `PATH` for its folder.
    hf_files: pattern of a split's files (`{split}`) where Hugging Face can load the folder.
    """

    disclosure: Disclosure = "none"

    usage: ClassVar[str]
    hf_files: ClassVar[str] = ""

    @abstractmethod
    def writing(self, folder: Path) -> AbstractContextManager[Add]:
        """Open the export's files in `folder`; leaving the context completes and closes them."""

    def prepared(self, audio: Audio) -> Audio:
        """A clip's audio as this format wants it."""
        return audio

    def remarks(self, tally: Tally) -> Remarks:
        """What the cards say of this format alone."""
        return Remarks()

    def write(
        self,
        clips: Iterable[Clip],
        out: Path,
        advance: Advance = lambda done: None,
        use: Use = "any",
    ) -> Exported:
        """Export clips into the folder `out`, which appears only when it is complete.

        An earlier export of that name is replaced. A clip that cannot be read, has no split,
        repeats an id, has a licence that forbids `use`, or a label of another scheme than the first
        clip's is left out and
        listed in `problems`. Raises ExportError when nothing is left to export, when `out` holds
        anything else, when the disk is full or forbids writing; then nothing stands under the
        name, or the earlier export still does.
        """
        self.check_requirements()
        tally, problems, seen = Tally(), list[tuple[str, str]](), set[str]()
        with new_folder(out) as folder:
            with self.writing(folder) as add:
                for clip, audio in _read_ahead(clips):
                    try:
                        checked = _checked(clip, audio, tally, seen, use)
                        one = row(clip, self.prepared(checked), self.disclosure)
                    except EmoforgeError as error:
                        problems.append((clip.id, str(error)))
                    else:
                        add(one)
                        tally.add(one)
                    advance(1)
            if not tally.clips:
                why = f"; the first of {len(problems)}: {problems[0][1]}" if problems else ""
                raise ExportError(f"{out}: there is no clip to export{why}")
            about = (self.signature(), len(problems), self.usage, self.hf_files)
            write_cards(folder, tally, *about, self.remarks(tally))
        counts = tally.nested_counts()
        return Exported(out, self.name, tally.clips, tally.seconds, counts, tuple(problems))


def _checked(
    clip: Clip, audio: Audio | EmoforgeError, tally: Tally, seen: set[str], use: Use
) -> Audio:
    if clip.id in seen:
        raise ExportError("another clip before it has the same id")
    seen.add(clip.id)
    if why := forbidden(clip.licence, use):
        raise ExportError(why)
    if isinstance(audio, EmoforgeError):
        raise audio
    if tally.clips and clip.label.scheme.name != tally.scheme:
        raise ExportError(
            f"its label is of scheme {clip.label.scheme.name}, the clips before it are of "
            f"{tally.scheme}; project the labels onto one scheme"
        )
    return audio


def _read_ahead(clips: Iterable[Clip]) -> Iterator[tuple[Clip, Audio | EmoforgeError]]:
    """Clips in order, each with its audio or the error, decoded by a few threads."""
    waiting: deque[tuple[Clip, Future[Audio | EmoforgeError]]] = deque()
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            for clip in clips:
                waiting.append((clip, pool.submit(_read, clip)))
                if len(waiting) > _AHEAD:
                    clip, audio = waiting.popleft()
                    yield clip, audio.result()
            while waiting:
                clip, audio = waiting.popleft()
                yield clip, audio.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _read(clip: Clip) -> Audio | EmoforgeError:
    try:
        return clip.read()
    except EmoforgeError as error:
        return error
    except Exception as error:  # whatever a decoder raises for one file must not end the export
        return ExportError(f"{clip.path}: {type(error).__name__}: {error}")
