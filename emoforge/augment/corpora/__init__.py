"""Corpora in: readers, folder recipes and splits.

`read_corpus` turns a configured corpus into clips. Readers open no audio: whether a file is
there and sound, how long it is and at which rate, is found when it is imported.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import cast

from emoforge.augment.corpora.clips import Corpus, Problem, Row, collect
from emoforge.augment.corpora.config import Columns, CorpusConfig, Metadata, SplitConfig
from emoforge.augment.corpora.splits import assign_splits
from emoforge.augment.corpora.tables import USUAL, RowFault, Table, open_table
from emoforge.errors import ConfigError, CorpusError, nearest
from emoforge.label import Scheme

READERS = (
    "manifest",
    "folder",
    "audiofolder",
    "speechbrain",
    "kaldi",
    "lhotse",
    "iemocap",
    "msp_podcast",
)
"""Names for `CorpusConfig.reader`; each is a module here with `read(config, root)`."""


def read_corpus(config: CorpusConfig, scheme: Scheme) -> Corpus:
    """Read a corpus: its clips with split and label under `scheme`, and what is wrong with it.

    Clips have `duration` 0.0 unless they are a segment of a file, `rate` 0 and no digest. Bad
    rows are in `Corpus.problems`; raises CorpusError where the corpus cannot be read as a whole
    and ConfigError for a setting that cannot be used.
    """
    if config.reader not in READERS:
        known = nearest(config.reader, READERS)
        raise ConfigError(f"there is no corpus reader '{config.reader}': {known}")
    module = importlib.import_module(f"{__name__}.{config.reader}")
    read = cast(Callable[[CorpusConfig, Path], Iterator[Row]], module.read)
    root = _root(config)
    rows = read(config, Path(root))
    return collect(rows, root, config, scheme)


def _root(config: CorpusConfig) -> str:
    """The corpus's folder as an absolute path, or as the URL that it is."""
    root = config.root
    if root.startswith("package:"):
        return str(files("emoforge") / root.removeprefix("package:"))
    if root == "???":
        raise ConfigError(f"say where corpus '{config.name}' is: corpus.root=FOLDER")
    if "://" in root:
        return root.rstrip("/")
    if not root and config.manifest:
        root = os.path.dirname(config.manifest)
    root = os.path.abspath(os.path.expanduser(root))
    if not os.path.isdir(root):
        raise CorpusError(f"there is no folder {root} (corpus.root)")
    return root


__all__ = [
    "READERS",
    "USUAL",
    "Columns",
    "Corpus",
    "CorpusConfig",
    "Metadata",
    "Problem",
    "RowFault",
    "SplitConfig",
    "Table",
    "assign_splits",
    "open_table",
    "read_corpus",
]
