"""What a judge learned from, as far as its files say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emoforge.selection.judges.ensemble import EnsembleJudge
from emoforge.selection.judges.judge import Judge


def taught(judge: Judge) -> Mapping[str, int] | None:
    """Clips of each corpus that a judge's weights and its head were trained on.

    Of an ensemble, its members'. Empty where nothing was trained; None where the files do not say.
    """
    files = [path for path in (judge.place, Path(judge.head) if judge.head else None) if path]
    found: dict[str, int] = {}
    for member in judge.judges if isinstance(judge, EnsembleJudge) else ():
        known = taught(member)
        if known is None:
            return None
        found |= known
    for path in files:
        corpora = _about(path).get("corpora")
        if not isinstance(corpora, dict):
            return None
        found |= corpora
    return found


def _about(weights: Path) -> Mapping[str, Any]:
    """What emoforge notes in the header of weights that it trains."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, "np") as file:
            header: dict[str, str] = file.metadata() or {}
        about = json.loads(header.get("head") or header["judge"])["about"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return {}
    return about if isinstance(about, dict) else {}
