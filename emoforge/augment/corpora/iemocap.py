"""IEMOCAP: labels, votes and valence, arousal, dominance from its evaluation files.

Layout (release of 2008): `Session1/dialog/EmoEvaluation/*.txt` has a block of lines a turn,

    [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
    C-E2:	Neutral state;	()

first the turn with its agreed emotion (`xxx`: none) and the means of its ratings, then a line
for each rater: `C-E…` is an evaluator's choice of one or more emotions, `C-F…` and `C-M…` are
the actors' own. Audio is in `Session1/sentences/wav`, texts in `Session1/dialog/transcriptions`.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import CorpusConfig
from emoforge.augment.corpora.tables import Fields, RowFault
from emoforge.errors import CorpusError

_NUMBER = r"\s*(-?[\d.]+)\s*"
_TURN = re.compile(rf"\[{_NUMBER}-{_NUMBER}\]\s+(\S+)\s+(\w+)\s+\[{_NUMBER},{_NUMBER},{_NUMBER}\]")
_NAME = re.compile(r"Ses(?P<session>\d\d)[FM]_\w+_(?P<gender>[FM])\w+")
_CHOICE = re.compile(r"C-E\d+:\s*(?P<emotions>[^()]*)")
_SAID = re.compile(r"(?P<turn>\S+)\s+\[[^\]]*\]:\s*(?P<text>.*)")

EVALUATIONS = "Session*/dialog/EmoEvaluation/*.txt"


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of all turns in the evaluation files of all sessions under `root`."""
    files = sorted(path for path in root.glob(EVALUATIONS) if not path.name.startswith("."))
    if not files:
        raise CorpusError(f"{root} is not IEMOCAP: there is no {EVALUATIONS}")
    for path in files:
        texts = _texts(path.parent.parent / "transcriptions" / path.name)
        session = path.relative_to(root).parts[0]
        where, turn, votes = "", None, Counter[str]()
        for n, line in enumerate(_lines(path), 1):
            if line.startswith("["):
                if turn is not None:
                    yield where, turn
                where, turn, votes = f"{path}:{n}", _turn(line, session, texts), Counter[str]()
            elif (choice := _CHOICE.match(line)) and isinstance(turn, dict):
                votes.update(e.strip() for e in choice["emotions"].split(";") if e.strip())
                turn["votes"] = votes
        if turn is not None:
            yield where, turn


def _turn(line: str, session: str, texts: dict[str, str]) -> Fields | RowFault:
    found = _TURN.match(line)
    named = _NAME.fullmatch(found[3]) if found else None
    if not found or not named:
        return RowFault(f"is no turn of IEMOCAP: {line}")
    name = found[3]
    return {
        "id": name,
        "path": f"{session}/sentences/wav/{name.rpartition('_')[0]}/{name}.wav",
        "emotion": found[4],
        "speaker": f"Ses{named['session']}{named['gender']}",
        "gender": named["gender"],
        "text": texts.get(name),
        "valence": found[5],
        "arousal": found[6],
        "dominance": found[7],
    }


def _texts(path: Path) -> dict[str, str]:
    """Turn → what was said, of one dialog's transcription; empty where there is none."""
    if not path.is_file():
        return {}
    found = (_SAID.match(line) for line in _lines(path))
    return {said["turn"]: said["text"].strip() for said in found if said}


def _lines(path: Path) -> list[str]:
    # A few transcriptions have bytes that are not UTF-8.
    return [line.strip() for line in path.read_text("utf-8", "replace").splitlines()]
