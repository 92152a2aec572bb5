"""Fixtures of the corpus tests: read a recipe's corpus, write small corpora."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from recipes import Files, Read, recipe

from emoforge.augment.corpora import Corpus, read_corpus
from emoforge.label import FULL, Scheme


@pytest.fixture
def read() -> Read:
    """Read a recipe's corpus: `read("nemo", root=…)`."""

    def run(name: str, scheme: Scheme = FULL, /, **settings: Any) -> Corpus:
        plain = {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()}
        return read_corpus(recipe(name, **plain), scheme)

    return run


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Write files, `path → text`, under a fresh folder and return it."""

    def write(texts: Mapping[str, str]) -> Path:
        root = tmp_path / "corpus"
        for name, text in texts.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    return write
