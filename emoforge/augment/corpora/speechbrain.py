"""SpeechBrain's CSV and JSON manifests, whose paths begin with a variable for the data folder."""

import re
from collections.abc import Iterator
from pathlib import Path

from emoforge.augment.corpora import manifest
from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import CorpusConfig

# `$data_root/…` in CSV, `{data_root}/…` in JSON; recipes choose the variable's name.
_VARIABLE = re.compile(r"^(?:\$\w+|\{\w+\})/*")


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of the manifests, the variable that paths begin with standing for `root`."""
    for where, fields in manifest.read(config, root):
        if isinstance(fields, dict):
            if isinstance(fields["path"], str):
                fields["path"] = _VARIABLE.sub("", fields["path"].strip())
            if not config.columns.start:
                # SpeechBrain's `start` counts samples of a file whose rate is not known here.
                fields.pop("start", None)
        yield where, fields
