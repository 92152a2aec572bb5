"""MSP-Podcast: the consensus table, with the raters' votes and the transcripts beside it."""

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from emoforge.augment.corpora import manifest
from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import Columns, CorpusConfig
from emoforge.augment.corpora.folder import clip_name
from emoforge.augment.corpora.tables import RowFault, open_table, open_text
from emoforge.errors import CorpusError

DETAILS = ("labels_detailed.csv", "labels_detailed.json")


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of `config.manifest`, with votes from `DETAILS` beside it and texts from Transcripts.

    Who speaks is not known for part of the corpus: there the podcast stands for the speaker, so
    that the two never come apart.
    """
    if config.manifest.endswith(".json"):
        # The JSON form is a mapping from file name to what is said of it.
        columns = dataclasses.replace(config.columns, path="id")
        config = dataclasses.replace(config, columns=columns)
    votes = _votes(manifest.manifests(config, root)[0].path.parent)
    transcripts = root / "Transcripts"
    for where, fields in manifest.read(config, root):
        if isinstance(fields, dict) and isinstance(fields["path"], str):
            name = clip_name(fields["path"])
            fields["id"] = name
            fields["votes"] = votes.get(name)
            if str(fields["speaker"]).strip().lower() in ("", "unknown", "none"):
                fields["speaker"] = f"podcast{name.split('_')[1]}" if "_" in name else ""
            text = transcripts / f"{name}.txt"
            if text.is_file():
                with open_text(text) as file:
                    fields["text"] = file.read().strip()
        yield where, fields


def _votes(labels: Path) -> dict[str, Counter[str]]:
    """Clip → raters' first choices; empty where the folder has no details."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    path = next((labels / name for name in DETAILS if (labels / name).is_file()), None)
    if path is None:
        return votes
    if path.suffix == ".json":
        with open_text(path) as file:
            try:
                for name, raters in json.load(file).items():
                    for said in raters.values():
                        votes[clip_name(name)][_choice(said["EmoClass_Major"])] += 1
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise CorpusError(f"{path} is not as MSP-Podcast has it: {error!r}") from None
        return votes
    table = open_table(path)
    # Older releases have all that a rater said in one cell: `worker; first choice; …`.
    column = "EmoDetail" if "EmoDetail" in table.columns else "EmoClass_Major"
    columns = Columns(path="FileName", emotion=column)
    bound = table.bind(columns, (), "MSP-Podcast's details", usual=False)
    for _, values in table.rows([bound["path"], bound["emotion"]]):
        if not isinstance(values, RowFault):
            said = values[1].split(";")[1] if column == "EmoDetail" else values[1]
            votes[clip_name(values[0])][_choice(said.strip())] += 1
    return votes


def _choice(emotion: str) -> str:
    """A rater's choice; whatever was written in for `Other` is other."""
    return "other" if emotion.lower().startswith("other") else emotion
