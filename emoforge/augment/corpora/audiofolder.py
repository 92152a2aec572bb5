"""Hugging Face audiofolder: metadata beside the audio, or the label as a folder's name."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import CorpusConfig
from emoforge.augment.corpora.folder import audio_files
from emoforge.augment.corpora.manifest import table_rows
from emoforge.augment.corpora.splits import split_named
from emoforge.augment.corpora.tables import open_table
from emoforge.errors import CorpusError

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of every metadata file under `root`; without one, of all audio files.

    Paths in metadata start from its folder. The split is the last folder on the way whose name
    is a split's, where the metadata has none; the label of a file without metadata is the name
    of its folder.
    """
    found = sorted(path for name in NAMES for path in root.rglob(name))
    for path in found:
        under = path.parent.relative_to(root)
        for where, fields in table_rows(open_table(path), config):
            if isinstance(fields, dict) and isinstance(fields["path"], str):
                fields["path"] = (under / fields["path"]).as_posix()
                fields["split"] = fields.get("split") or _split(fields["path"], config)
            yield where, fields
    if found:
        return
    if "{speaker}" in config.speaker:
        raise CorpusError(
            f"{root} has no {', '.join(NAMES[:-1])} or {NAMES[-1]}, and the names of folders do "
            "not tell the speakers: read it with corpus=manifest or a folder recipe, or take all "
            "for one speaker's with corpus.speaker=unknown"
        )
    empty = True
    for name in audio_files(root):
        empty = False
        emotion = PurePosixPath(name).parent.name
        yield str(root / name), {"path": name, "emotion": emotion, "split": _split(name, config)}
    if empty:
        raise CorpusError(f"there is no audio file under {root}")


def _split(path: str, config: CorpusConfig) -> str:
    """Name of the split that a path lies in, "" where no folder is called like one."""
    folders = PurePosixPath(path).parts[:-1]
    return next((f for f in reversed(folders) if split_named(f, config.split.names)), "")
