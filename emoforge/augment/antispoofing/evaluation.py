"""`emoforge antispoof evaluate`: a pooled countermeasure and a gated ensemble on a workspace."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from emoforge.augment.antispoofing.hearing import Heard, hear
from emoforge.augment.antispoofing.page import render
from emoforge.augment.antispoofing.results import (
    Attack,
    Results,
    Row,
    Scores,
    points,
    results,
    told,
)
from emoforge.augment.antispoofing.trial import Trial, load_trial
from emoforge.augment.qualification import qualified
from emoforge.clip import SPLITS
from emoforge.component import create, digest
from emoforge.errors import ConfigError, EmoforgeError, WorkspaceError
from emoforge.progress import Progress
from emoforge.selection import Judge
from emoforge.selection.countermeasures import CountermeasureRecipe, Preparation
from emoforge.selection.judges import taught
from emoforge.workspace import Workspace

_FEW_SPEAKERS = 10
_FEW_CLIPS = 20


@dataclass(frozen=True)
class AntispoofConfig:
    """What `configs/antispoof.yaml` says; see the comments there.

    emotions: of the workspace's scheme; None: those that there are recordings of.
    unseen: attacks (generators) that are only tested on. seeds: trainings, from `seed` on.
    jobs: processes that prepare clips; None: one a core; 0: all in this process.
    """

    workspace: str
    out: str
    audio_root: str | None = None
    emotions: list[str] | None = None
    unseen: list[str] = field(default_factory=list)
    preparation: Preparation = field(default_factory=Preparation)
    training: CountermeasureRecipe = field(default_factory=CountermeasureRecipe)
    seed: int = 0
    seeds: int = 3
    device: str = "cpu"
    jobs: int | None = None


@dataclass(frozen=True)
class Antispoofing:
    """What was found. about: what it was made of, as plain JSON values."""

    about: Mapping[str, Any]
    results: Results
    page: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {**self.about, **self.results.to_dict(), "page": self.page}

    def print(self) -> None:
        """Show it on standard output."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(markup=False)
        table = Table(
            title="Equal error rates on the test speakers, in percent, with 95 % intervals",
            title_justify="left",
            box=None,
            pad_edge=False,
        )
        for column in ("", "real", "spoofs", "pooled", "gated", "gated − pooled"):
            table.add_column(column, justify="right" if column else "left", overflow="fold")
        found = self.results
        for row in (*found.overall, *found.emotions, *found.attacks):
            table.add_row(*map(Text, _cells(row)))
        console.print(table)
        console.print(f"\n{' '.join(found.verdict)}")
        for caution in self.about["cautions"]:
            console.print(caution)
        console.print(f"\nPage: {self.page}", soft_wrap=True)


def _cells(row: Row) -> Iterator[str]:
    yield row.of + (", unseen" if isinstance(row, Attack) and not row.seen else "")
    yield str(row.bonafide)
    yield str(row.spoof)
    for one in (row.pooled, row.gated):
        yield told(one).replace(" %", "")
    yield points(row.difference).replace(" points", "")


def evaluate_antispoofing(
    config: AntispoofConfig, progress: Progress | None = None
) -> Antispoofing:
    """Train countermeasures on the train split, choose epochs on dev, measure on test.

    Bona fide: the recordings; spoofs: the candidates past the gates of the last run, each
    generator an attack. Writes `antispoof.json`, `antispoof.html` and the countermeasures into
    `config.out`; an interrupted call goes on from the last epoch.

    Raises WorkspaceError where no run has finished, ConfigError where the workspace cannot show
    what is asked (one class, one emotion too rare, one test speaker).
    """
    progress = progress or Progress()
    if config.seeds < 1:
        raise ConfigError(f"seeds={config.seeds}: must be 1 or more")
    with Workspace.open(config.workspace, config.audio_root) as workspace:
        location = workspace.location
        run = workspace.last_run()
        selection = workspace.selection_config(run["selection"]) if run else None
        if run is None or selection is None:
            raise WorkspaceError(f"{location}: no run has finished here; run emoforge augment")
        if config.audio_root is None and run["config"].get("audio_root"):
            config = dataclasses.replace(config, audio_root=run["config"]["audio_root"])
    with Workspace.open(config.workspace, config.audio_root) as workspace:
        trial = load_trial(workspace, selection, config.emotions, config.unseen)
        trial.check()
        out = _folder(config.out)
        trial, heard, left_out = _heard(trial, config, progress)
    trial.check()
    scores = _scores(trial, heard, config, out, progress)
    before, after = (
        np.stack([getattr(one, name) for one in heard]) for name in ("before", "after")
    )
    found = results(trial, scores, before, after, config.seed)
    options = run["config"].get("judge") or {}
    judged_by = qualified(selection["judge"], options)
    about = {
        "workspace": location,
        "judge": selection["judge"],
        "gates": selection["gates"],
        "scheme": selection["scheme"],
        "names": list(trial.names),
        "unseen": list(config.unseen),
        "preparation": dataclasses.asdict(config.preparation),
        "training": dataclasses.asdict(config.training),
        "seed": config.seed,
        "counts": trial.counts(),
        "speakers_by_split": {
            split: len(np.unique(trial.speakers[trial.rows(split) & ~trial.spoof]))
            for split in SPLITS
        },
        "rates": _rates(trial),
        "left_out": left_out,
        "qualified": {"qualified": judged_by.qualified, "reason": judged_by.reason},
        "cautions": list(_cautions(trial, found, options, left_out)),
    }
    page = out / "antispoof.html"
    made = Antispoofing(about, found, str(page))
    plain = made.to_dict()
    _write(page, render(plain, datetime.now(UTC)))
    _write(out / "antispoof.json", json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
    return made


def _heard(
    trial: Trial, config: AntispoofConfig, progress: Progress
) -> tuple[Trial, list[Heard], dict[str, str]]:
    """The clips that can be heard, what is heard of each, and why others are left out."""
    jobs = len(os.sched_getaffinity(0)) if config.jobs is None else config.jobs
    answers = hear(trial.clips, config.preparation, jobs, progress)
    pairs = list(zip(trial.clips, answers, strict=True))
    kept = np.array([isinstance(answer, Heard) for answer in answers], bool)
    return (
        trial.take(kept),
        [answer for answer in answers if isinstance(answer, Heard)],
        {clip.id: str(answer) for clip, answer in pairs if not isinstance(answer, Heard)},
    )


def _scores(
    trial: Trial, heard: Sequence[Heard], config: AntispoofConfig, out: Path, progress: Progress
) -> dict[str, Scores]:
    """System → scores of the test clips [trainings, test clips]."""
    from emoforge.selection.countermeasures import Examples, gate, train_gated

    prepared = digest(dataclasses.asdict(config.preparation))
    frames = [one.frames for one in heard]
    ids = [f"{clip.id} {clip.digest} {prepared}" for clip in trial.clips]
    examples = Examples(ids, frames, trial.spoof)
    test = trial.rows("test")
    tested = [frames[i] for i in np.flatnonzero(test)]
    carried = np.eye(len(trial.names))[trial.emotions[test]]
    found: dict[str, list[Scores]] = {"pooled": [], "gated": [], "oracle": []}
    for seed in range(config.seed, config.seed + config.seeds):
        trained = train_gated(
            examples,
            trial.emotions,
            trial.names,
            trial.rows("train"),
            trial.rows("dev"),
            config.training,
            _folder(str(out / f"seed{seed}")),
            seed=seed,
            device=config.device,
            progress=progress,
        )
        experts = np.stack([one.scores(tested) for one in trained.experts], axis=1)
        found["pooled"].append(trained.pooled.scores(tested))
        found["gated"].append(gate(experts, trial.probabilities[test]))
        found["oracle"].append(gate(experts, carried))
    return {name: np.stack(rows) for name, rows in found.items()}


def _rates(trial: Trial) -> dict[str, dict[str, int]]:
    """Class (bonafide or the attack) → sampling rate as it is stored, Hz → clips."""
    found: dict[str, Counter[str]] = {}
    for name, clip in zip(trial.attacks.tolist(), trial.clips, strict=True):
        found.setdefault(name or "bonafide", Counter())[str(clip.rate)] += 1
    return {name: dict(counts) for name, counts in sorted(found.items())}


def _cautions(
    trial: Trial, found: Results, options: Mapping[str, Any], left_out: Mapping[str, str]
) -> Iterator[str]:
    """What a reader must know before believing the numbers."""
    if found.speakers < _FEW_SPEAKERS:
        yield (
            f"There are {found.speakers} test speakers: intervals of so few are too narrow "
            "rather than too wide."
        )
    fewest = min(min(row.bonafide, row.spoof) for row in found.emotions)
    if fewest < _FEW_CLIPS:
        yield (
            f"An emotion has only {fewest} test clips of one kind: its error rates move in steps "
            f"of {100 / max(fewest, 1):.0f} points."
        )
    if found.overall[0].difference.low == found.overall[0].difference.high:
        yield (
            "Both systems gave the same error rates in every resample: so few or so easy clips do "
            "not tell them apart."
        )
    if found.trainings == 1:
        yield "There is one training: what another seed would have changed is not in the intervals."
    known = _taught(options)
    corpora = {clip.corpus for clip in trial.clips if clip.lineage is None}
    if familiar := sorted(corpora & set(known or ())):
        yield (
            f"The judge learnt from {', '.join(familiar)}, which the test speakers are of: it "
            "gates better than it would for people whom it has never heard."
        )
    for attack in found.attacks:
        if attack.met:
            yield (
                f"{attack.met} of the {attack.voices} test voices of {attack.of} are in training "
                "too: how it does with new voices of it is not shown."
            )
    said = {split: _texts(trial, split) for split in ("train", "test")}
    if shared := said["train"] & said["test"]:
        yield (
            f"{len(shared)} of the {len(said['test'])} texts of the test clips are said in "
            "training too."
        )
    if len({rate for counts in _rates(trial).values() for rate in counts}) > 1:
        yield (
            "Clips are stored at different sampling rates; all are brought to 16 kHz, and what "
            "lies above the band is taken off."
        )
    if left_out:
        yield f"{len(left_out)} clips could not be heard and are left out."


def _texts(trial: Trial, split: str) -> set[str]:
    pairs = zip(trial.clips, trial.rows(split).tolist(), strict=True)
    return {clip.text for clip, own in pairs if own and clip.text}


def _taught(options: Mapping[str, Any]) -> Mapping[str, int] | None:
    own = dict(options)
    try:
        return taught(cast(Judge, create("judge", str(own.pop("name", "")), own)))
    except EmoforgeError:
        return None


def _folder(path: str) -> Path:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
    return Path(path)


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_text(text, "utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
