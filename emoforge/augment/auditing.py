"""Audits of a selection: planned, drawn, heard by people, and what they prove of what is kept."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from emoforge.component import digest, rng_for
from emoforge.errors import ConfigError, WorkspaceError, nearest
from emoforge.label import FULL, Label, Scheme
from emoforge.label import scheme as scheme_named
from emoforge.selection.audit import (
    Certified,
    RowProblem,
    StratumPlan,
    certify,
    check_ballots,
    draw,
    is_wrong,
    place_names,
    plan_stratum,
    read_ballots,
    votes_at,
    write_sheet,
    write_votes,
)
from emoforge.workspace import REAL, Audit, Decision, Workspace

By = Literal["overall", "emotion", "emotion-generator"]
"""Of what the share of wrong ones is bounded: of all together, or of each of these alone too."""

Among = Literal["kept", "all"]
"""Of which candidates the sample is: what the selection keeps, so that the threshold can only
rise; or all that it decided on, so that it may fall as well."""

_WHOLE = "all"


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """Votes that an audit needs. strata: name → its own plan; delta is shared among them."""

    alpha: float
    delta: float
    by: By
    among: Among
    strata: Mapping[str, StratumPlan]

    @property
    def sizes(self) -> dict[str, int]:
        """Clips to draw of each stratum: enough, with 80 %, if a quarter of alpha is wrong."""
        return {name: one.probable[0] or one.population for name, one in self.strata.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `flawless`, `probable`: of all strata together."""
        return {
            **dataclasses.asdict(self),
            "flawless": sum(one.flawless for one in self.strata.values()),
            "probable": [
                sum(one.probable[i] or one.population for one in self.strata.values())
                for i in range(len(next(iter(self.strata.values())).probable))
            ],
        }


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample that was written for raters. candidates, recordings: clips of each on the sheet."""

    out: str
    audit: str
    candidates: int
    recordings: int
    strata: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class VotesRead:
    """What came of a table of votes.

    blank: rows that nobody has voted on yet; repeated: votes that were there already.
    """

    file: str
    added: int
    blank: int
    repeated: int
    problems: Sequence[RowProblem]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Rater:
    """Votes of one rater on a sample; of those on recordings, how many name the label."""

    votes: int = 0
    recordings: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What an audit proves.

    state: `certified`: the share of wrong ones among what is kept is at most alpha with this
    confidence; `unproven`: votes are there, but do not prove it; `unaudited`: no votes.
    confidence: 1 − δ; each earlier sample of the same selection that
    people heard takes its own δ from it.
    heard, unheard: candidates of the sample with and without votes; these count as wrong.
    needed: stratum without proof → clips that would prove it if the share of wrong ones stays as
    heard, None where no number would. selection: the new one, "" where there is none.
    """

    state: Literal["certified", "unproven", "unaudited"]
    alpha: float
    delta: float
    confidence: float
    by: str
    among: str
    kept_before: int
    kept: int
    heard: int = 0
    unheard: int = 0
    strata: Mapping[str, Certified] = dataclasses.field(default_factory=dict)
    needed: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    raters: Mapping[str, Rater] = dataclasses.field(default_factory=dict)
    selection: str = ""
    plan: AuditPlan | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**dataclasses.asdict(self), "plan": self.plan.to_dict() if self.plan else None}


def plan_audit(
    workspace: Workspace,
    alpha: float = 0.1,
    delta: float = 0.05,
    by: str = "overall",
    among: str = "kept",
) -> AuditPlan:
    """How many clips people must hear before a share of wrong ones can be proven.

    by: one of `By`, among: one of `Among`. Raises ConfigError for a value that cannot be used,
    WorkspaceError where there is no selection or nothing in it.
    """
    return _plan(_Selected.of(workspace), alpha, delta, by, among)


def draw_audit(
    workspace: Workspace,
    out: Path,
    alpha: float = 0.1,
    delta: float = 0.05,
    by: str = "overall",
    among: str = "kept",
    size: int | None = None,
    real: float = 0.0,
    seed: int = 0,
) -> Drawn:
    """Draw a random sample, write it for raters, and note what is going to be tested on it.

    size: clips of all strata together; None: as the plan says. real: recordings on the sheet, as a
    share of the candidates, to see how well raters hear. The same call draws the same sample.
    """
    selected = _Selected.of(workspace)
    plan = _plan(selected, alpha, delta, by, among)
    if not 0 <= real <= 1:
        raise ConfigError(f"real={real}: a share of the sample, between 0 and 1")
    if size is not None and size < len(plan.strata):
        raise ConfigError(f"size={size}: {len(plan.strata)} strata need a clip each at least")
    config: dict[str, Any] = {"alpha": alpha, "delta": delta, "by": by, "among": among}
    config |= {"size": size, "real": real, "seed": seed}
    key = digest(selected.key, config)
    rng = rng_for("audit", key)
    each = None if size is None else -(-size // len(plan.strata))
    sizes = plan.sizes if each is None else dict.fromkeys(plan.strata, each)
    strata = selected.strata(by, among)
    sample = draw(
        {name: [one.candidate for one in members] for name, members in strata.items()}, sizes, rng
    )
    anchors = []
    if count := round(real * len(sample)):
        recordings = [
            clip.id
            for clip in workspace.clips(generated=False)
            if clip.label.project(selected.scheme)
        ]
        anchors = draw({REAL: recordings}, {REAL: count}, rng)
    mixed = [*sample, *anchors]
    mixed = [mixed[row] for row in rng.permutation(len(mixed))]
    audit = Audit(key, selected.key, config, mixed)
    clips = {clip.id: clip for clip in workspace.clips(ids=[clip for clip, _ in mixed])}
    # Written first: a sample that nobody could hear must not count as drawn.
    write_sheet(out, place_names(audit), clips, selected.scheme.classes)
    workspace.add_audit(audit)
    counts = {name: sum(of == name for _, of in sample) for name in strata}
    return Drawn(str(out), key, len(sample), len(anchors), counts)


def import_votes(workspace: Workspace, file: Path, rater: str = "") -> VotesRead:
    """Add the votes of a CSV; a row that cannot be used is listed, and the others go on.

    Clips are named as on an audit's sheet, or by their ids. rater: who voted, where the file does
    not say.
    """
    ballots = read_ballots(file, rater)
    names = {
        name: clip for audit in workspace.audits() for name, clip in place_names(audit).items()
    }
    others = {ballot.clip for ballot in ballots} - names.keys()
    names |= {clip.id: clip.id for clip in workspace.clips(ids=others)}
    earlier = {(vote.clip, vote.rater): vote.emotion for vote in workspace.votes()}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    votes, blank, repeated, problems = check_ballots(ballots, names, earlier, now)
    workspace.add_votes(votes)
    return VotesRead(str(file), len(votes), blank, repeated, problems)


def export_votes(workspace: Workspace, out: Path) -> int:
    """Write all votes as CSV; returns their number."""
    return write_votes(workspace.votes(), out)


def guarantee(workspace: Workspace) -> Guarantee:
    """Choose the keep threshold that the votes on the sample prove, and make it the result.

    Tests what was noted when the samples were drawn. Of those that have votes, the latest counts
    that proves anything (a sample that people have only begun to hear takes nothing back), or else
    the latest. Where something is proven, adds a selection with what is proven only, as the result
    of a new run; the same votes again change nothing.
    """
    selected = _Selected.of(workspace)
    votes: dict[str, dict[str, str]] = defaultdict(dict)
    for vote in workspace.votes():
        votes[vote.clip][vote.rater] = vote.emotion
    audits = workspace.audits(selected.key)
    voted = [
        number
        for number, audit in enumerate(audits)
        if any(clip in votes for clip, stratum in audit.sample if stratum != REAL)
    ]
    if not voted:
        return _unaudited(selected, audits)
    # Every one of them takes its δ, so that choosing among them costs nothing more.
    tested = [(audits[number], _tested(selected, audits[number], votes)) for number in voted]
    proving = [(audit, found) for audit, found in tested if _proves(found)]
    audit, found = (proving or tested)[-1]
    alpha, delta = audit.config["alpha"], audit.config["delta"]
    by, among = audit.config["by"], audit.config["among"]
    thresholds = {name: one.threshold for name, one in found.items()}
    proven = _proves(found)
    drawn = [clip for clip, stratum in audit.sample if stratum != REAL]
    unheard = sum(clip not in votes for clip in drawn)
    confidence = 1 - sum(audits[number].config["delta"] for number in voted)
    facts = {
        "of": selected.key,
        "sample": audit.key,
        "alpha": alpha,
        "delta": delta,
        "confidence": round(max(confidence, 0.0), 6),
        "by": by,
        "among": among,
        "heard": len(drawn) - unheard,
        "unheard": unheard,
        "strata": {name: dataclasses.asdict(one) for name, one in found.items()},
    }
    decisions = list(selected.narrowed(by, among, thresholds))
    key = _store(workspace, selected, facts, decisions) if proven else ""
    return Guarantee(
        "certified" if proven else "unproven",
        alpha,
        delta,
        facts["confidence"],
        by,
        among,
        selected.kept,
        sum(one.keep for one in decisions) if proven else selected.kept,
        len(drawn) - unheard,
        unheard,
        found,
        {
            name: votes_at(one.population, alpha, delta / len(found), one.errors / one.audited)
            for name, one in found.items()
            if one.threshold is None
        },
        _raters(workspace, audit, votes, selected.scheme),
        key,
    )


@dataclass(frozen=True, slots=True)
class _Selected:
    """A selection that no audit has narrowed yet. generators, emotions: by candidate."""

    key: str
    config: Mapping[str, Any]
    run: Mapping[str, Any]
    decisions: Sequence[Decision]
    generators: Mapping[str, str]
    emotions: Mapping[str, str]
    scheme: Scheme

    @classmethod
    def of(cls, workspace: Workspace) -> "_Selected":
        run = workspace.last_run()
        if run is None:
            raise WorkspaceError(
                f"{workspace.location}: no run has finished here, there is nothing to audit; "
                "run emoforge augment first"
            )
        key = run["selection"]
        config = workspace.selection_config(key) or {}
        if "audit" in config:
            key = config["audit"]["of"]
            config = workspace.selection_config(key) or {}
        scheme = scheme_named(config["scheme"])
        decisions, generators, emotions = [], {}, {}
        for decision, generator, emotion in workspace.decided(key):
            carried = Label.of(emotion, FULL).project(scheme)
            decisions.append(decision)
            generators[decision.candidate] = generator
            emotions[decision.candidate] = carried.hard if carried else emotion
        return cls(key, config, run, decisions, generators, emotions, scheme)

    @property
    def kept(self) -> int:
        return sum(one.keep for one in self.decisions)

    def strata(self, by: str, among: str) -> dict[str, list[Decision]]:
        """Name → its candidates in id order."""
        found: dict[str, list[Decision]] = defaultdict(list)
        for one in self.decisions:
            if one.keep or among == "all":
                found[self._stratum(one, by)].append(one)
        return dict(sorted(found.items()))

    def _stratum(self, one: Decision, by: str) -> str:
        if by == "overall":
            return _WHOLE
        emotion = self.emotions[one.candidate]
        return emotion if by == "emotion" else f"{emotion}, {self.generators[one.candidate]}"

    def narrowed(
        self, by: str, among: str, thresholds: Mapping[str, float | None]
    ) -> Iterable[Decision]:
        """The decisions with these thresholds, by stratum."""
        for one in self.decisions:
            stratum = self._stratum(one, by)
            threshold = thresholds.get(stratum)
            emotion = self.emotions[one.candidate]
            if not (one.keep or among == "all"):
                yield one
            elif threshold is not None and one.probability >= threshold:
                sentence = f"{emotion} has {one.probability:.3f}, proven from {threshold:.3f} on"
                yield (
                    one
                    if one.keep
                    else Decision(one.candidate, True, "proven", sentence, one.probability)
                )
            elif one.keep:
                sentence = (
                    f"the audit proves nothing of {stratum}"
                    if threshold is None
                    else f"{emotion} has {one.probability:.3f}, the audit proves {stratum} "
                    f"from {threshold:.3f} on"
                )
                yield Decision(one.candidate, False, "unproven", sentence, one.probability)
            else:
                yield one


def _tested(
    selected: _Selected, audit: Audit, votes: Mapping[str, Mapping[str, str]]
) -> dict[str, Certified]:
    """What one sample proves of each stratum; a clip without votes is wrong."""
    strata = selected.strata(audit.config["by"], audit.config["among"])
    place = {
        one.candidate: (name, row)
        for name, members in strata.items()
        for row, one in enumerate(members)
    }
    heard: dict[str, list[int]] = defaultdict(list)
    wrong: dict[str, list[bool]] = defaultdict(list)
    for clip, stratum in audit.sample:
        if stratum != REAL:
            name, row = place[clip]
            own = votes.get(clip, {}).values()
            heard[name].append(row)
            wrong[name].append(is_wrong(own, selected.emotions[clip], selected.scheme))
    return {
        name: certify(
            np.array([one.probability for one in members]),
            np.array(heard[name], np.int64),
            np.array(wrong[name], bool),
            audit.config["alpha"],
            audit.config["delta"] / len(strata),
        )
        for name, members in strata.items()
    }


def _proves(found: Mapping[str, Certified]) -> bool:
    return any(one.threshold is not None for one in found.values())


def _plan(selected: _Selected, alpha: float, delta: float, by: str, among: str) -> AuditPlan:
    for name, value in (("alpha", alpha), ("delta", delta)):
        if not 0 < value < 1:
            raise ConfigError(f"{name}={value}: must be above 0 and below 1")
    for name, text, known in (("by", by, By), ("among", among, Among)):
        if text not in get_args(known):
            raise ConfigError(f"{name}={text}: {nearest(text, get_args(known))}")
    strata = selected.strata(by, among)
    if not strata:
        raise WorkspaceError("the selection keeps no candidate, there is nothing to audit")
    own = delta / len(strata)
    plans = {name: plan_stratum(len(members), alpha, own) for name, members in strata.items()}
    return AuditPlan(alpha, delta, by, among, plans)  # type: ignore[arg-type]  # checked above


def _unaudited(selected: _Selected, audits: Sequence[Audit]) -> Guarantee:
    terms = audits[-1].config if audits else {}
    plan = _plan(
        selected,
        terms.get("alpha", 0.1),
        terms.get("delta", 0.05),
        terms.get("by", "overall"),
        terms.get("among", "kept"),
    )
    return Guarantee(
        "unaudited",
        plan.alpha,
        plan.delta,
        0.0,
        plan.by,
        plan.among,
        selected.kept,
        selected.kept,
        unheard=sum(stratum != REAL for _, stratum in audits[-1].sample) if audits else 0,
        plan=plan,
    )


def _store(
    workspace: Workspace,
    selected: _Selected,
    facts: Mapping[str, Any],
    decisions: Sequence[Decision],
) -> str:
    config = {**selected.config, "audit": facts}
    key = digest("audited", config)
    if selected.run["selection"] == key:
        return key
    if workspace.selection_config(key) is None:
        workspace.add_selection(key, config, decisions)
    run = workspace.start_run(selected.run["config"], selected.run["versions"])
    workspace.note_import(run, selected.run["problems"], selected.run["left_out"])
    workspace.finish_run(run, key)
    return key


def _raters(
    workspace: Workspace, audit: Audit, votes: Mapping[str, Mapping[str, str]], scheme: Scheme
) -> dict[str, Rater]:
    anchors = [clip for clip, stratum in audit.sample if stratum == REAL]
    labels = {clip.id: clip.label.project(scheme) for clip in workspace.clips(ids=anchors)}
    found: dict[str, Rater] = defaultdict(Rater)
    for clip, stratum in audit.sample:
        for rater, emotion in votes.get(clip, {}).items():
            before, anchor = found[rater], stratum == REAL
            label = labels.get(clip)
            right = bool(anchor and label and not is_wrong([emotion], label.hard, scheme))
            found[rater] = Rater(before.votes + 1, before.recordings + anchor, before.right + right)
    return dict(sorted(found.items()))
