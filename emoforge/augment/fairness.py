"""Whom the judge, the selection and what is learned from it serve worse, in one workspace."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from emoforge.clip import Clip
from emoforge.component import create
from emoforge.errors import ConfigError, WorkspaceError, nearest
from emoforge.label import scheme as scheme_named
from emoforge.progress import Progress
from emoforge.selection import Judge, Pool, load_pool
from emoforge.selection.fairness import (
    Comparison,
    Gap,
    Resampling,
    before_and_after,
    cluster,
    compare,
    embed_speakers,
    group_folds,
    keep_gap,
)
from emoforge.workspace import Workspace

GroupBy = Literal["gender", "language", "corpus", "speaker", "inferred"]

_LEAST = {"speakers": 3, "clips": 10}
"""A group needs so many units: speakers, or clips where each speaker is a group."""
_FOLDS = 5
_UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Speakers that are compared with others.

    clips: recordings that were tested. mix: emotion → its share among them. about: what a group
    that was inferred is made of, by declared gender.
    """

    speakers: int
    clips: int
    mix: Mapping[str, float]
    about: str = ""


@dataclass(frozen=True, slots=True)
class FairnessReport:
    """Gaps between groups; see `emoforge.selection.fairness` for what they are.

    left_out: group → why it is not compared. tested: on which recordings. compared: gaps of
    `judge`, the judge itself; `before`, a head on its embeddings that was learned from real
    recordings; `after`, from these and the kept candidates. kept: of the share of candidates that
    was kept, by the group of the parent. silhouette: of inferred groups.
    """

    by: str
    groups: Mapping[str, Group]
    left_out: Mapping[str, str]
    tested: str
    compared: Comparison
    kept: Gap | None
    silhouette: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, rounded to four digits."""
        return {name: _rounded(value) for name, value in dataclasses.asdict(self).items()}


def audit_fairness(
    workspace: Workspace,
    by: str = "gender",
    groups: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> FairnessReport:
    """Measure the gaps between groups of speakers for the workspace's latest selection.

    by: one of `GroupBy`; groups: how many to infer, None: as many as are clearest. Raises
    ConfigError where fewer than two groups can be compared, WorkspaceError without a selection.
    """
    if by not in get_args(GroupBy):
        raise ConfigError(f"by={by}: {nearest(by, get_args(GroupBy))}")
    if groups is not None and by != "inferred":
        raise ConfigError(f"groups={groups} is for by=inferred: groups by {by} are declared")
    run = workspace.last_run()
    config = workspace.selection_config(run["selection"]) if run else None
    if run is None or config is None:
        raise WorkspaceError(
            f"{workspace.location}: no run has finished here; run emoforge augment first"
        )
    options = dict(run["config"]["judge"])
    judge = cast(Judge, create("judge", options.pop("name"), options))
    if judge.key != config["judge"]:
        raise ConfigError("the judge's weights are not those that judged this workspace")
    scheme = scheme_named(config["scheme"])
    real = load_pool(workspace, judge, config["gates"], scheme, generated=False)
    candidates = load_pool(workspace, judge, config["gates"], scheme, generated=True)
    kept_ids = {one.candidate for one in workspace.decisions(run["selection"]) if one.keep}
    kept = np.array([clip in kept_ids for clip in candidates.ids], dtype=bool)

    group_of, about, score = _groups(workspace, by, groups, seed, progress or Progress())
    of_real = np.array([group_of.get(clip, _UNKNOWN) for clip in real.ids], dtype=np.str_)
    unit = "clips" if by == "speaker" else "speakers"
    units = np.array(real.ids, dtype=np.str_) if by == "speaker" else real.speakers
    left_out = _too_few(of_real, units, unit, by)
    compared = ~np.isin(of_real, list(left_out))
    names = np.unique(of_real[compared]).tolist()
    if len(names) < 2:
        why = "; ".join(f"{name or 'unknown'}: {reason}" for name, reason in left_out.items())
        only = f"only {names[0]}" if names else "none"
        raise ConfigError(
            f"by={by}: two groups are needed to compare, there is {only}"
            + (f" ({why})" * bool(why))
        )
    folds, tested = _folds(real, of_real, units, names, unit, by, seed)
    before, after = before_and_after(real, candidates.take(kept), scheme, folds, seed)
    rows = np.flatnonzero((before >= 0) & compared)
    heard = {
        "judge": real.probabilities[rows].argmax(1),
        "before": before[rows],
        "after": after[rows],
    }
    draws = Resampling(of_real[rows], units[rows], seed=seed)
    return FairnessReport(
        by,
        _described(real.take(rows), of_real[rows], scheme.classes, about),
        {name or "unknown": reason for name, reason in left_out.items()},
        tested,
        compare(draws, real.emotions[rows], heard, scheme.classes),
        _kept(real, candidates, kept, group_of, names, by, seed),
        score,
    )


def _groups(
    workspace: Workspace, by: str, groups: int | None, seed: int, progress: Progress
) -> tuple[dict[str, str], dict[str, str], float | None]:
    """(recording → group, inferred group → what it is made of, silhouette)."""
    clips = list(workspace.clips(generated=False))
    if by != "inferred":
        return {clip.id: getattr(clip, by) or _UNKNOWN for clip in clips}, {}, None
    voices = embed_speakers(clips, progress)
    labels, score = cluster(
        np.stack(list(voices.values())) if voices else np.zeros((0, 1)),
        groups,
        seed,
        _LEAST["speakers"],
    )
    of = {
        speaker: f"voices {label + 1}"
        for speaker, label in zip(voices, labels.tolist(), strict=True)
    }
    found = {clip.id: of.get(clip.speaker, _UNKNOWN) for clip in clips}
    return found, _genders(clips, of), score


def _genders(clips: Sequence[Clip], group_of: Mapping[str, str]) -> dict[str, str]:
    genders: dict[str, dict[str, str]] = defaultdict(dict)
    for clip in clips:
        if clip.speaker in group_of:
            genders[group_of[clip.speaker]][clip.speaker] = clip.gender or "of unknown gender"
    return {
        group: ", ".join(f"{n} {name}" for name, n in sorted(Counter(own.values()).items()))
        for group, own in genders.items()
    }


def _too_few(
    groups: npt.NDArray[np.str_], units: npt.NDArray[np.str_], unit: str, by: str
) -> dict[str, str]:
    """Groups that cannot be compared, with the reason."""
    found = {}
    for name in np.unique(groups).tolist():
        count = len(np.unique(units[groups == name]))
        if name == _UNKNOWN:
            what = "no voice was heard" if by == "inferred" else f"{by} is not declared"
            found[name] = f"{what} ({count} {unit})"
        elif count < _LEAST[unit]:
            found[name] = f"{count} {unit}, {_LEAST[unit]} are needed"
    return found


def _folds(
    real: Pool,
    groups: npt.NDArray[np.str_],
    units: npt.NDArray[np.str_],
    names: Sequence[str],
    unit: str,
    by: str,
    seed: int,
) -> tuple[list[npt.NDArray[np.bool_]], str]:
    """Recordings that are tested, in folds, and what they are in words.

    The held-out splits where each group has enough speakers there, or else everybody in turn.
    """
    held = np.isin(real.splits, ["dev", "test"])
    if not _too_few(groups[held], units[held], unit, by).keys() & set(names) and set(names) <= set(
        groups[held].tolist()
    ):
        return [held], "the dev and test splits"
    folds = min(_FOLDS, len(np.unique(real.speakers)))
    if folds < 2:
        raise ConfigError("one speaker only: nobody is left to be tested on")
    masks = group_folds(real.speakers, groups, folds, seed)
    return masks, f"all recordings, in {folds} folds of speakers"


def _described(
    tested: Pool, groups: npt.NDArray[np.str_], classes: Sequence[str], about: Mapping[str, str]
) -> dict[str, Group]:
    found = {}
    for name in np.unique(groups).tolist():
        own = tested.take(groups == name)
        mix = own.counts(len(classes)) / len(own)
        found[name] = Group(
            len(np.unique(own.speakers)),
            len(own),
            dict(zip(classes, mix.tolist(), strict=True)),
            about.get(name, ""),
        )
    return found


def _kept(
    real: Pool,
    candidates: Pool,
    kept: npt.NDArray[np.bool_],
    group_of: Mapping[str, str],
    names: Sequence[str],
    by: str,
    seed: int,
) -> Gap | None:
    """Gap of keep rates by the parent's group; None where one group alone has candidates."""
    groups = np.array([group_of.get(p, _UNKNOWN) for p in candidates.parents], dtype=np.str_)
    own = np.isin(groups, names)
    if len(np.unique(groups[own])) < 2:
        return None
    speaker_of = dict(zip(real.ids, real.speakers.tolist(), strict=True))
    units = candidates.parents
    if by != "speaker":
        units = np.array([speaker_of.get(p, p) for p in candidates.parents], dtype=np.str_)
    return keep_gap(Resampling(groups[own], units[own], seed=seed), kept[own])


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, tuple) else value
