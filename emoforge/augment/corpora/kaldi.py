"""Kaldi data directories: one file a property, each line an id and its value."""

from collections.abc import Iterator
from pathlib import Path

from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import CorpusConfig
from emoforge.augment.corpora.tables import Fields, RowFault, open_text
from emoforge.errors import CorpusError

EMOTION_FILES = ("utt2emo", "utt2emotion")


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of `segments`, or of `wav.scp` where there are none, with what the others say.

    `utt2spk` and one of `EMOTION_FILES` must be there; `text`, `spk2gender` (or `utt2gender`, as
    Lhotse writes it) and `utt2lang` may.
    """
    emotion_file = next((name for name in EMOTION_FILES if (root / name).is_file()), None)
    missing = [name for name in ("wav.scp", "utt2spk") if not (root / name).is_file()]
    if emotion_file is None:
        missing.append(" or ".join(EMOTION_FILES))
    if missing or emotion_file is None:
        raise CorpusError(
            f"{root} is no Kaldi data directory with emotions, it lacks {', '.join(missing)}"
        )
    emotions, speakers = _values(root / emotion_file), _values(root / "utt2spk")
    texts, genders = _values(root / "text"), _values(root / "spk2gender")
    languages, own_genders = _values(root / "utt2lang"), _values(root / "utt2gender")

    def fields(utterance: str) -> Fields:
        speaker = speakers.get(utterance, "")
        return {
            "id": utterance,
            "emotion": emotions.get(utterance),
            "speaker": speaker,
            "gender": own_genders.get(utterance) or genders.get(speaker),
            "text": texts.get(utterance),
            "language": languages.get(utterance),
        }

    if not (root / "segments").is_file():
        for where, recording, value in _lines(root / "wav.scp"):
            yield where, _audio(value) or {**fields(recording), "path": value}
        return
    recordings = _values(root / "wav.scp")
    for where, utterance, value in _lines(root / "segments"):
        match value.split():
            case [recording, start, end] if recording in recordings:
                yield where, _segment(fields(utterance), recordings[recording], start, end)
            case [recording, _, _]:
                yield where, RowFault(f"recording '{recording}' is not in wav.scp")
            case _:
                yield where, RowFault(f"must be: utterance recording start end; got '{value}'")


def _segment(fields: Fields, path: str, start: str, end: str) -> Fields | RowFault:
    if fault := _audio(path):
        return fault
    try:
        first, last = float(start), float(end)
    except ValueError:
        return RowFault(f"start and end must be seconds, got '{start}' and '{end}'")
    # Kaldi writes -1 for the end of the recording.
    if last != -1 and last <= first:
        return RowFault(f"the segment ends ({end} s) before it starts ({start} s)")
    return {**fields, "path": path, "start": first, "duration": max(last - first, 0.0)}


def _audio(value: str) -> RowFault | None:
    """Why the audio in a line of wav.scp cannot be used, or None."""
    if value.endswith("|"):
        return RowFault(
            f"the audio is a command, which emoforge does not run: write it to a file ({value})"
        )
    if value.rpartition(":")[0].endswith(".ark"):
        return RowFault(f"the audio is in an archive: write it to a file ({value})")
    return None


def _lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """Where a line stands, its id, and the rest of it."""
    try:
        with open_text(path) as file:
            for n, line in enumerate(file, 1):
                if line.strip():
                    key, *value = line.strip().split(maxsplit=1)
                    yield f"{path}:{n}", key, "".join(value)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 text, save it as UTF-8: {error.reason}") from None


def _values(path: Path) -> dict[str, str]:
    """Id → value of a file; nothing where there is no such file."""
    return {key: value for _, key, value in _lines(path)} if path.is_file() else {}
