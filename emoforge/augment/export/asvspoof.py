"""Protocols and audio as in ASVspoof 2019, logical access."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from emoforge.audio import Audio
from emoforge.augment.export.card import Remarks, Tally, table
from emoforge.augment.export.exporter import Add, Exporter
from emoforge.augment.export.row import REAL, Row, file_name
from emoforge.clip import Split
from emoforge.component import canonical_json
from emoforge.errors import ConfigError

_PARTS: Mapping[Split, str] = {"train": "train", "dev": "dev", "test": "eval"}
_PROTOCOL: Mapping[str, str] = {
    "train": "asvspoof.train.trn.txt",
    "dev": "asvspoof.dev.trl.txt",
    "eval": "asvspoof.eval.trl.txt",
}
_META = (
    "speaker", "gender", "emotion", "language", "text", "duration", "rate", "corpus", "licence",
    "consent", "origin", "disclosure",
)  # fmt: skip

Attack = tuple[str, int, str]
"""Generator, its version, and the digest of its weights."""
_ATTACK = ("generator", "version", "weights")


@dataclass(frozen=True)
class ASVspoof(Exporter):
    """`protocols/asvspoof.train.trn.txt`, `….dev.trl.txt`, `….eval.trl.txt`, `flac/train/`, ….

    A line of a protocol is `SPEAKER FILE - ATTACK KEY`, as in X. Wang et al., "ASVspoof 2019: a
    large-scale public database", Computer Speech & Language 64, 2020: `- bonafide` for a
    recording, `A01 spoof` for what a generator made, whichever generator it is. An attack is a
    generator at one version with one set of weights, numbered by name; `attacks.csv` says which.
    `metadata.csv` has what else is known of each file. `test` is called `eval`.

    rate: sampling rate of all files, Hz. A countermeasure would tell an engine from a microphone
    by the rate alone; what was recorded at less stays empty above.
    """

    name: ClassVar[str] = "asvspoof"
    version: ClassVar[int] = 1
    usage: ClassVar[str] = (
        "import soundfile\n\n"
        'with open("PATH/protocols/asvspoof.train.trn.txt", encoding="ascii") as lines:\n'
        "    trials = [line.split() for line in lines]\n"
        "speaker, name, _, attack, key = trials[0]\n"
        'samples, rate = soundfile.read(f"PATH/flac/train/{name}.flac")'
    )

    rate: int = 16000

    def __post_init__(self) -> None:
        if not 8000 <= self.rate <= 48000:
            raise ConfigError(f"asvspoof: rate must be 8000 to 48000 Hz, got {self.rate}")

    def prepared(self, audio: Audio) -> Audio:
        """See Exporter."""
        return audio.resampled(self.rate)

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Add]:
        """See Exporter."""
        for part in _PARTS.values():
            (folder / "flac" / part).mkdir(parents=True)
        (folder / "protocols").mkdir()
        attacks: dict[Attack, _Clips] = {}
        # The numbers of attacks are known when all clips have been seen.
        unsorted = folder / "unsorted"
        with unsorted.open("x", encoding="utf-8", newline="\n") as kept:

            def add(row: Row) -> None:
                part = _PARTS[row.split]
                (folder / "flac" / part / f"{row.name}.flac").write_bytes(row.flac())
                attack = _attack(row)
                if attack:
                    attacks.setdefault(attack, _Clips()).add(part, row)
                kept.write(json.dumps([part, row.name, attack, row.columns]) + "\n")

            yield add
        numbers = _numbered(attacks)
        with unsorted.open(encoding="utf-8") as lines:
            _write_lists(folder, map(json.loads, lines), numbers)
        unsorted.unlink()
        with _table(folder / "attacks.csv") as write:
            write(["attack", *_ATTACK, "licence", *_PARTS.values()])
            for attack, number in numbers.items():
                write([number, *attack, *attacks[attack].cells()])

    def remarks(self, tally: Tally) -> Remarks:
        """Which attacks are in which part, and whether parts share attacks or speakers."""
        clips: dict[Attack, Counter[str]] = {}
        for (split, *attack), count in tally.makers.items():
            clips.setdefault(cast(Attack, tuple(attack)), Counter())[_PARTS[split]] += count
        numbers = _numbered(clips)
        held = {
            part: [number for attack, number in numbers.items() if clips[attack][part]]
            for part in _PARTS.values()
        }
        unseen = [number for number in held["eval"] if number not in held["train"]]
        shared = {
            "bonafide": _in_several_parts(tally, lambda origin: origin == REAL),
            "spoof": _in_several_parts(tally, lambda origin: origin != REAL),
        }
        figures = {
            "attacks": {
                number: dict(zip(_ATTACK, attack, strict=True))
                for attack, number in numbers.items()
            },
            "attacks_in": held,
            "attacks_unseen_in_train": unseen,
            "speakers_in_several_parts": shared,
        }
        rows = [
            [
                number,
                name,
                version,
                weights or "none",
                *(clips[name, version, weights][part] for part in held),
            ]
            for (name, version, weights), number in numbers.items()
        ]
        page = "\n\n".join(
            [
                "## Attacks and speakers",
                f"All files are at {self.rate} Hz, whatever their source was. Recordings are bona "
                "fide; what a generator made is spoofed, whichever it is.",
                table(["attack", "generator", "version", "weights", *held], rows),
                f"Attacks of eval that train does not have: {', '.join(unseen) or 'none'}. "
                f"Bona fide speakers in more than one part: {len(shared['bonafide'])}. "
                f"Speakers of spoofed clips in more than one part: {len(shared['spoof'])} "
                "(an engine's own voices stand in all parts that it serves).",
            ]
        )
        return Remarks(figures, (page,))


def _attack(row: Row) -> Attack | None:
    lineage = row.columns["lineage"]
    if lineage is None:
        return None
    return row.columns["origin"], lineage["component_version"], lineage["weights"]


def _numbered(attacks: Iterable[Attack]) -> dict[Attack, str]:
    """A01, A02, … in the order of their names, versions and weights."""
    return {attack: f"A{i:02d}" for i, attack in enumerate(sorted(attacks), 1)}


def _in_several_parts(tally: Tally, of: Callable[[str], bool]) -> list[str]:
    """Speakers of these origins that are in more than one part, in order."""
    parts: dict[str, set[Split]] = {}
    for (split, origin), speakers in tally.speakers.items():
        for speaker in speakers if of(origin) else ():
            parts.setdefault(speaker, set()).add(split)
    return sorted(speaker for speaker, where in parts.items() if len(where) > 1)


class _Clips:
    """Of one attack: clips in each part, and their licences."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self.licences: set[str] = set()

    def add(self, part: str, row: Row) -> None:
        self.parts[part] += 1
        self.licences.add(row.columns["licence"] or "not stated")

    def cells(self) -> list[Any]:
        return ["; ".join(sorted(self.licences)), *(self.parts[part] for part in _PARTS.values())]


def _write_lists(folder: Path, rows: Iterable[Any], numbers: Mapping[Attack, str]) -> None:
    """The protocols and `metadata.csv`, in the order of the clips."""
    with ExitStack() as files:
        protocols = {
            part: files.enter_context(
                (folder / "protocols" / name).open("x", encoding="ascii", newline="\n")
            )
            for part, name in _PROTOCOL.items()
        }
        write = files.enter_context(_table(folder / "metadata.csv"))
        write(["file", "split", "attack", "key", "id", *_META, "parents"])
        for part, name, attack, columns in rows:
            number = numbers[attack[0], attack[1], attack[2]] if attack else "-"
            key = "spoof" if attack else "bonafide"
            # Columns are told apart by blanks: no speaker's name may have one.
            speaker = file_name(columns["speaker"])
            protocols[part].write(f"{speaker} {name} - {number} {key}\n")
            parents = canonical_json(columns["lineage"]["parents"]) if attack else ""
            known = [columns[key] for key in _META]
            file = f"flac/{part}/{name}.flac"
            write([file, part, number, key, columns["id"], *known, parents])


@contextmanager
def _table(path: Path) -> Iterator[Callable[[list[Any]], Any]]:
    """Opens a CSV file; gives what writes a row."""
    with path.open("x", encoding="utf-8", newline="") as file:
        yield csv.writer(file).writerow
