"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real corpora and weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("EMOFORGE_SHARED", ROOT.parent / "shared"))
    if not (folder / "corpora").is_dir():
        pytest.skip(f"no real corpora at {folder} (set EMOFORGE_SHARED)")
    return folder
