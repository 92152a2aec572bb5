"""`emoforge select evaluate`: the arms on what a workspace has."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from emoforge.augment.assess import judge_clips
from emoforge.augment.control_arms.cells import run_cells
from emoforge.augment.control_arms.page import render
from emoforge.augment.control_arms.trial import load_trial
from emoforge.augment.qualification import JUDGE_PAGE, qualified_by_card
from emoforge.component import Component, create
from emoforge.config import build
from emoforge.errors import ConfigError, WorkspaceError
from emoforge.label import scheme as scheme_named
from emoforge.progress import Progress
from emoforge.selection import Judge, Selector
from emoforge.selection.arms import Design, Summary, Trial, judge_alone, own_budget, summarise
from emoforge.selection.judges import HeadRecipe, read_card, taught
from emoforge.selection.judges.report_card import card_html
from emoforge.workspace import Workspace

_SIZES = (5, 10, 20, 50)


@dataclass(frozen=True)
class ArmsConfig:
    """What `configs/select_evaluate.yaml` says; see the comments there.

    judge, selector: options that differ from those of the workspace's last run, or another one
        with its `name`.
    encoder: name or options of the judge whose embeddings heads learn from; None: the judge.
    n: real training clips of each class that heads learn from, or `all`; None: those of 5, 10,
        20 and 50 that every class has, and all.
    budgets: k, as multiples of the real training clips.
    """

    workspace: str
    out: str
    audio_root: str | None = None
    judge: dict[str, Any] | None = None
    selector: dict[str, Any] | None = None
    encoder: str | dict[str, Any] | None = None
    head: dict[str, Any] = field(default_factory=dict)
    n: list[int | Literal["all"]] | None = None
    budgets: list[float] = field(default_factory=lambda: [0.25, 0.5, 1.0, 2.0, 4.0])
    seeds: int = 5
    jobs: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """What the arms showed. about: what they were made of, as plain JSON values."""

    about: Mapping[str, Any]
    summary: Summary
    page: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {**self.about, **self.summary.to_dict(), "page": self.page}

    def print(self) -> None:
        """Show it on standard output."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(markup=False)
        table = Table(
            title="Real test speakers, n real training clips a class",
            title_justify="left",
            box=None,
            pad_edge=False,
        )
        for column in ("n", "arm", "added", "UAR", "95 %", "macro-F1", "− real", "p"):
            table.add_column(column, justify="left" if column == "arm" else "right", no_wrap=True)
        own = (None, self.summary.budget)
        gains = {
            (one.n[0], one.arm, one.budget): one.uar
            for one in self.summary.comparisons
            if one.against == "real"
        }
        for score in self.summary.scores:
            if score.budget not in own:
                continue
            gain = gains.get((score.n, score.arm, score.budget))
            cells = [
                "all" if score.n is None else str(score.n),
                score.arm,
                f"{score.added:.0f}",
                f"{score.uar.value:.3f}",
                f"[{score.uar.low:.3f}, {score.uar.high:.3f}]",
                f"{score.macro_f1.value:.3f}",
                f"{gain.value:+.3f}" if gain else "",
                f"{gain.p:.2g}" if gain else "",
            ]
            table.add_row(*map(Text, cells))
        console.print(table)
        alone = self.summary.judge_uar
        console.print(
            f"\nThe judge itself: UAR {alone.value:.3f} [{alone.low:.3f}, {alone.high:.3f}]"
        )
        console.print(f"\n{self.summary.verdict}")
        if not self.about["qualified"]["qualified"]:
            console.print(f"The judge is UNQUALIFIED: {self.about['qualified']['reason']}.")
        for caution in self.about["cautions"]:
            console.print(caution)
        console.print(f"\nPage: {self.page}", soft_wrap=True)


def evaluate_arms(config: ArmsConfig, progress: Progress | None = None) -> Evaluation:
    """Train the same head on real clips, and on these with random, selected and all candidates.

    Tested on the real clips of the test split. Writes `arms.json`, `arms.html`, the page of the
    judge's report card where there is one, and `cells.jsonl` into `config.out`; an interrupted
    call goes on from the last. Clips that the judge or the encoder has not heard are judged first,
    and what they hear is added to the workspace.

    Raises WorkspaceError where no run has finished, ConfigError where the workspace cannot show
    what is asked (no test speakers, one emotion, fewer clips than n).
    """
    progress = progress or Progress()
    if config.seeds < 1:
        raise ConfigError(f"seeds={config.seeds}: must be 1 or more")
    with Workspace.open(config.workspace, config.audio_root) as workspace:
        location = workspace.location
        run = workspace.last_run()
        selection = workspace.selection_config(run["selection"]) if run else None
    if run is None or selection is None:
        raise WorkspaceError(f"{location}: nothing is selected yet; run emoforge augment")
    last = run["config"]
    judge = cast(Judge, _component("judge", last["judge"], config.judge))
    selector = cast(Selector, _component("selector", last["selector"], config.selector))
    encoder = judge
    if config.encoder is not None:
        given = {"name": config.encoder} if isinstance(config.encoder, str) else config.encoder
        encoder = cast(Judge, _component("judge", {}, given))
    recipe = build(HeadRecipe, config.head, prefix="head.")
    design = Design.of(selector, config.budgets, recipe)
    audio_root = config.audio_root or last["audio_root"]
    out = Path(config.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={out}: cannot be written ({error.strerror})") from error
    for one in (judge, encoder):
        _let_hear(config.workspace, audio_root, one, selection["gates"], progress)
    scheme = scheme_named(last["scheme"])
    with Workspace.open(config.workspace, audio_root) as workspace:
        trial = load_trial(workspace, judge, encoder, selection["gates"], scheme, last["splits"])
    trial.check()
    basis = {
        "judge": judge.key,
        "encoder": encoder.encoder,
        "gates": selection["gates"],
        "scheme": scheme.name,
    }
    cells = run_cells(
        trial,
        design,
        _sizes(config.n, trial),
        config.seeds,
        basis,
        out / "cells.jsonl",
        config.jobs,
        progress,
    )
    about = {
        "workspace": location,
        **basis,
        "selector": selector.signature(),
        "head": dataclasses.asdict(recipe),
        "clips_by_emotion": _clips(trial),
        "taught": {"judge": taught(judge), "encoder": taught(encoder)},
        "cautions": list(_cautions(trial, judge, encoder)),
    }
    judged_by = qualified_by_card(judge)
    about["qualified"] = {"qualified": judged_by.qualified, "reason": judged_by.reason}
    page = out / "arms.html"
    summary = summarise(cells, own_budget(selector), judge_alone(trial))
    evaluation = Evaluation(about, summary, str(page))
    plain = evaluation.to_dict()
    _write(page, render(plain, datetime.now(UTC)))
    card = read_card(Path(judged_by.card)) if judged_by.card else None
    if card:
        _write(out / JUDGE_PAGE, card_html(card))
    _write(out / "arms.json", json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
    return evaluation


def _component(kind: str, last: Mapping[str, Any], given: Mapping[str, Any] | None) -> Component:
    """The last run's component with the options that are given, or another one by its name."""
    own = dict(given or {})
    own = own if "name" in own else {**last, **own}
    made = create(kind, str(own.pop("name", "")), own)
    made.check_requirements()
    return made


def _let_hear(
    location: str, audio_root: str | None, judge: Judge, gates: str, progress: Progress
) -> None:
    """Judge what the judge has not judged; where there is nothing, the workspace stays closed."""
    with Workspace.open(location, audio_root) as workspace:
        if all(scored for *_, scored in workspace.judgeable(judge.key, gates)):
            return
    with Workspace.open(location, audio_root, write=True) as workspace:
        judge_clips(workspace, judge, gates, progress)


def _sizes(n: Sequence[int | str] | None, trial: Trial) -> list[int | None]:
    """Rising, all the clips last."""
    counts = trial.material.train.counts(len(trial.material.scheme.classes))
    rarest = int(counts[trial.emotions].min())
    if n is None:
        return [*(size for size in _SIZES if size <= rarest), None]
    given = sorted({int(size) for size in n if size != "all"})
    if not n or (given and given[0] < 1):
        raise ConfigError(f"n={list(n)}: must name one size or more, each 1 or more, or all")
    for size in given:
        trial.few(size, 0)
    return [*given, *([None] if "all" in n else [])]


def _clips(trial: Trial) -> dict[str, Any]:
    """How many clips of each emotion there are."""
    material = trial.material
    parts = {
        "train": material.train, "dev": material.dev, "test": trial.test,
        "candidates": material.candidates,
    }  # fmt: skip
    classes = material.scheme.classes
    return {
        name: dict(zip(classes, pool.counts(len(classes)).tolist(), strict=True))
        for name, pool in parts.items()
    }


def _cautions(trial: Trial, judge: Judge, encoder: Judge) -> Iterator[str]:
    """What a reader must know before believing the numbers."""
    own = set(trial.test.corpora.tolist())
    for role, one, consequence in (
        ("judge", judge, "it selects better than it would for people whom it has never heard"),
        ("encoder", encoder, "all arms score better than they would on people new to it"),
    ):
        known = taught(one)
        if known is None:
            yield (
                f"The {role} {one.name} does not say which corpora it learnt from; if the test "
                f"speakers were among them, {consequence}."
            )
        elif familiar := sorted(own & set(known)):
            yield (
                f"The {role} {one.name} learnt from {', '.join(familiar)}, which the test "
                f"speakers are of: {consequence}."
            )
    if len(trial.material.dev):
        yield (
            f"The selector may use all {len(trial.material.dev)} real dev clips, also where the "
            "real training clips are few."
        )


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_text(text, "utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
