"""Kaldi data directories."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from emoforge.augment.export.exporter import Add, Exporter
from emoforge.augment.export.row import Row, file_name
from emoforge.clip import Split
from emoforge.component import canonical_json

_GENDERS = {"male": "m", "female": "f"}


@dataclass(frozen=True)
class Kaldi(Exporter):
    """`train/wav.scp`, `text`, `utt2spk`, `spk2utt`, `utt2emo`, …; 16-bit WAV in `train/audio/`.

    Utterances are `speaker-clip`, in the ASCII form of `file_name`; in a speaker's part no
    character sorts before the `-`, so that files sorted by utterance are sorted by speaker too,
    as Kaldi wants it. `text`, `utt2lang` and `spk2gender` are written for a split where each
    of its utterances has one, since Kaldi accepts no gaps. `utt2clip` has everything as JSON.
    Paths are relative to the data directory, so that it can be moved: work in it, or put its
    place in front of them.
    """

    name: ClassVar[str] = "kaldi"
    version: ClassVar[int] = 2
    usage: ClassVar[str] = (
        "import json, os, kaldiio\n\n"
        'os.chdir("PATH/train")  # the paths in wav.scp are relative to its folder\n'
        'waves = kaldiio.load_scp("wav.scp")\n'
        'with open("utt2clip", encoding="utf-8") as lines:\n'
        '    clips = {utt: json.loads(text) for utt, text in (li.split(" ", 1) for li in lines)}\n'
        "rate, samples = waves[next(iter(clips))]"
    )

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Add]:
        """See Exporter."""
        lists: dict[Split, _Utterances] = {}
        with ExitStack() as files:

            def add(row: Row) -> None:
                if row.split not in lists:
                    (folder / row.split / "audio").mkdir(parents=True)
                    kept = files.enter_context((folder / row.split / "unsorted").open("x+b"))
                    lists[row.split] = _Utterances(kept)
                place = f"audio/{row.name}.wav"
                (folder / row.split / place).write_bytes(row.wav())
                lists[row.split].add(row, place)

            yield add
            for split, utterances in lists.items():
                utterances.write(folder / split)
                (folder / split / "unsorted").unlink()


class _Utterances:
    """Lines of one split, kept on disk until they can be sorted; their keys are in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.places: list[tuple[str, int]] = []
        self.everywhere = {"text", "utt2lang", "spk2gender"}
        self.genders: dict[str, str] = {}

    def add(self, row: Row, place: str) -> None:
        speaker = file_name(row.columns["speaker"], plain=b"")
        utterance = f"{speaker}-{row.name}"
        gender = _GENDERS.get(row.columns["gender"] or "", "")
        values = {
            "wav.scp": place,
            "utt2spk": speaker,
            "utt2emo": row.columns["emotion"],
            "utt2dur": repr(row.audio.duration),
            "reco2dur": repr(row.audio.duration),
            # One line a value: any run of white space is a blank.
            "text": " ".join((row.columns["text"] or "").split()),
            "utt2lang": "_".join((row.columns["language"] or "").split()),
            "utt2clip": canonical_json(row.columns),
        }
        self.everywhere -= {name for name in ("text", "utt2lang") if not values[name]}
        if not gender or self.genders.setdefault(speaker, gender) != gender:
            self.everywhere.discard("spk2gender")
        self.places.append((utterance, self.file.tell()))
        self.file.write(json.dumps(values).encode() + b"\n")

    def write(self, folder: Path) -> None:
        """Write every file of the data directory, sorted as with LC_ALL=C."""
        self.places.sort()
        optional = {"text", "utt2lang"}
        with ExitStack() as files:
            opened: dict[str, Any] = {}

            def line(name: str, key: str, value: str) -> None:
                if name not in opened:
                    path = folder / name
                    opened[name] = files.enter_context(
                        path.open("x", encoding="utf-8", newline="\n")
                    )
                opened[name].write(f"{key} {value}\n")

            for speaker, of in groupby(self._sorted(), key=lambda one: one[1]["utt2spk"]):
                utterances = []
                for utterance, values in of:
                    utterances.append(utterance)
                    for name, value in values.items():
                        if name not in optional or name in self.everywhere:
                            line(name, utterance, value)
                line("spk2utt", speaker, " ".join(utterances))
                if "spk2gender" in self.everywhere:
                    line("spk2gender", speaker, self.genders[speaker])

    def _sorted(self) -> Iterator[tuple[str, dict[str, str]]]:
        for utterance, place in self.places:
            self.file.seek(place)
            yield utterance, json.loads(self.file.readline())
