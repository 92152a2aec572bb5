"""Votes as tables: what raters filled in, checked row by row, and all votes written out."""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emoforge.errors import CorpusError, ExportError, LabelError, nearest
from emoforge.label import canonical
from emoforge.workspace import Vote

COLUMNS = ("clip", "rater", "emotion", "at")

_USUAL: Mapping[str, Sequence[str]] = {
    "clip": ("clip", "clip_id", "id"),
    "rater": ("rater", "rater_id", "annotator", "listener", "worker"),
    "emotion": ("emotion", "label", "vote", "heard"),
    "at": ("at", "time", "date"),
}


@dataclass(frozen=True, slots=True)
class Ballot:
    """One row of a table of votes, as it stands there; `line` counts from 1, with the header."""

    line: int
    clip: str
    rater: str
    emotion: str
    at: str


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One row that cannot be used, and why."""

    line: int
    sentence: str


def read_ballots(path: Path, rater: str = "") -> list[Ballot]:
    """Rows of a CSV with the columns clip, rater and emotion, under these or usual names.

    rater: who voted, where the table does not say. Raises CorpusError for a file that is missing
    or no such table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = csv.DictReader(file, delimiter=max(",;\t", key=first.count), restval="")
            names = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
            column = {
                field: names[found]
                for field, usual in _USUAL.items()
                if (found := next((name for name in usual if name in names), None))
            }
            needed = ("clip", "emotion") if rater else ("clip", "rater", "emotion")
            if absent := [field for field in needed if field not in column]:
                raise CorpusError(
                    f"{path} has no column {' and no column '.join(absent)}; its columns are "
                    f"{', '.join(names) or 'none'}"
                )
            ballots = []
            for row in rows:
                clip, who, emotion, at = (
                    (row[column[field]] or "").strip() if field in column else ""
                    for field in _USUAL
                )
                if clip or who or emotion:
                    ballots.append(Ballot(rows.line_num, clip, who or rater, emotion, at))
            return ballots
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 text: save it as CSV UTF-8") from error
    except csv.Error as error:
        raise CorpusError(f"{path} is no CSV table ({error})") from error


def check_ballots(
    ballots: Sequence[Ballot],
    clips: Mapping[str, str],
    earlier: Mapping[tuple[str, str], str],
    now: str,
) -> tuple[list[Vote], int, int, list[RowProblem]]:
    """(new votes, rows without a vote yet, votes known already, rows that cannot be used).

    clips: what a table may call a clip → its id. earlier: (clip id, rater) → emotion of the votes
    that are there. now: when votes were cast whose row does not say.
    """
    known = dict(earlier)
    votes: list[Vote] = []
    problems: list[RowProblem] = []
    blank = repeated = 0
    for ballot in ballots:
        if not ballot.emotion:
            blank += 1
            continue
        try:
            vote = _vote(ballot, clips, now)
        except LabelError as error:
            problems.append(RowProblem(ballot.line, str(error)))
            continue
        before = known.setdefault((vote.clip, vote.rater), vote.emotion)
        if before != vote.emotion:
            problems.append(
                RowProblem(
                    ballot.line,
                    f"{vote.rater} has voted {before} on clip '{ballot.clip}', now it says "
                    f"{vote.emotion}: a rater's first vote stays",
                )
            )
        elif len(known) > len(earlier) + len(votes):
            votes.append(vote)
        else:
            repeated += 1
    return votes, blank, repeated, problems


def _vote(ballot: Ballot, clips: Mapping[str, str], now: str) -> Vote:
    if ballot.clip not in clips:
        hint = nearest(ballot.clip, clips) if 0 < len(clips) <= 8 else "no clip of this workspace"
        raise LabelError(f"unknown clip '{ballot.clip}': {hint}")
    if not ballot.rater:
        raise LabelError(f"no rater: who says {ballot.emotion} of clip '{ballot.clip}'?")
    return Vote(clips[ballot.clip], ballot.rater, canonical(ballot.emotion), ballot.at or now)


def write_votes(votes: Iterable[Vote], out: Path) -> int:
    """Write votes as CSV (clip, rater, emotion, at); returns their number.

    Raises ExportError where it cannot be written.
    """
    rows: Collection[tuple[str, ...]] = [(v.clip, v.rater, v.emotion, v.at) for v in votes]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows(rows)
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({error.strerror or error})") from error
    return len(rows)
