"""`emoforge judge card`: measuring a judge on recordings and on what generators made of them."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from emoforge.augment.corpora import CorpusConfig, read_corpus
from emoforge.augment.importing import sound_clips
from emoforge.component import create
from emoforge.errors import ConfigError
from emoforge.label import FULL
from emoforge.progress import Progress
from emoforge.selection import Judge
from emoforge.selection.judges import SHIPPED, card_path, measured_card, read_card, save_card
from emoforge.selection.judges.report_card import measure_judge
from emoforge.workspace import Workspace


@dataclass(frozen=True)
class JudgeCard:
    """What `configs/judge_card.yaml` says; see the comments there. judge: options, with `name`."""

    corpus: CorpusConfig
    judge: dict[str, Any] = field(default_factory=lambda: {"name": "embedded"})
    workspace: str | None = None
    audio_root: str | None = None
    out: str | None = None


def card_judge(config: JudgeCard, progress: Progress | None = None) -> dict[str, Any]:
    """Measure a judge and write its card; returns where it is, with all that is on it.

    What training wrote on the card of the same weights stays.
    """
    progress = progress or Progress()
    options = dict(config.judge)
    judge = cast(Judge, create("judge", str(options.pop("name", "")), options))
    judge.check_requirements()
    out = _out(config, judge)
    before = read_card(out) or _before(judge)
    if before and before["digest"] != judge.weights:
        progress.note(f"{out}: the card there is of other weights, nothing of it is kept")
    opened = (
        Workspace.open(config.workspace, config.audio_root) if config.workspace else nullcontext()
    )
    with opened as workspace:
        imported = sound_clips(read_corpus(config.corpus, FULL), progress)
        for problem in imported.problems:
            progress.note(f"{problem.where}: {problem.sentence}")
        sections = measure_judge(judge, imported.clips, workspace, progress)
    card = measured_card(judge, before, sections)
    save_card(card, out)
    return {"card": str(out), "page": str(out.with_suffix(".html")), **card}


def _out(config: JudgeCard, judge: Judge) -> Path:
    out = Path(config.out) if config.out else card_path(judge)
    if out is None:
        raise ConfigError("say where the card goes: add out=FILE.json")
    if not config.out and out.parent == SHIPPED:
        raise ConfigError(
            "the card of the judge that comes with emoforge stays as it is: add out=FILE.json, "
            "and judge.card=FILE.json wherever it is to count"
        )
    if out.suffix != ".json":
        raise ConfigError(f"out={out}: a card is written as .json")
    return out


def _before(judge: Judge) -> dict[str, Any] | None:
    """The card at the judge's own place, where `out` is another."""
    place = card_path(judge)
    return read_card(place) if place else None
