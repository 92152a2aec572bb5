"""Retries, references, licences, and gates that are put in force later."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from emoforge.audio import Audio, write_flac
from emoforge.augment.assess import gate_candidates
from emoforge.augment.importing import checked
from emoforge.augment.leakage import audit_leakage
from emoforge.augment.making import Making, make
from emoforge.augment.planner import Planned, Slot, plan_candidates
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Family, Generator, Params, rng_for
from emoforge.errors import AudioError, RequirementError, RunStoppedError, SkipClip
from emoforge.label import BASIC4, Label
from emoforge.licence import Use
from emoforge.progress import Progress
from emoforge.selection import Gate, Given
from emoforge.workspace import Workspace

QUIET = Progress(quiet=True)


@dataclass(frozen=True)
class Dice(Generator):
    """Noise at a level that is drawn; a draw below `fails` raises."""

    fails: float = 0.0

    name: ClassVar[str] = "dice"
    version: ClassVar[int] = 1
    family: ClassVar[Family] = "signal"

    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        return {"gain": float(rng.uniform())}

    def licence(self, params: Params) -> str:
        return "CC-BY-NC-4.0" if params["gain"] < 0.5 else ""

    def apply(self, clip: Clip, params: Params) -> Audio:
        if params["gain"] < self.fails:
            raise AudioError("the dice fell badly")
        noise = np.random.default_rng(round(params["gain"] * 1e9)).normal(0, 0.1, 16000)
        return Audio((params["gain"] * noise).astype(np.float32), 16000)


@dataclass(frozen=True)
class Duet(Dice):
    """Dice that is given another clip of its speaker."""

    name: ClassVar[str] = "duet"

    def references(self, clip: Clip, cast: Cast, rng: np.random.Generator) -> tuple[Clip, ...]:
        others = cast.clips(clip.speaker, split=clip.split, without=[clip.id])
        if not others:
            raise SkipClip("its speaker has no other clip")
        return (others[0],)


@dataclass(frozen=True)
class Loud(Gate):
    """Root mean square of the candidate; with `references` that of the first of them."""

    lowest: float = 0.05
    of_reference: bool = False

    name: ClassVar[str] = "loud"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""

    def measure(self, candidate: Audio, given: Given) -> float | None:
        if self.of_reference:
            return float(given.references[0].samples.std()) if given.references else None
        return float(candidate.samples.std())

    def reject(self, value: float) -> str | None:
        return f"the level is {value:.3f}, under {self.lowest}" if value < self.lowest else None


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    made = []
    for i in range(12):
        path = tmp_path / f"{i:02}.flac"
        noise = np.random.default_rng(i).normal(0, 0.05, 16000).astype(np.float32)
        write_flac(path, Audio(noise, 16000))
        clip = Clip(
            id=f"noise/{i:02}", path=str(path), duration=0, rate=0, corpus="noise",
            label=Label.of(BASIC4.classes[i % 4], BASIC4), speaker=f"s{i // 2}", split="train",
            licence="CC0-1.0", consent="yes" if i < 6 else None,
        )  # fmt: skip
        made.append(checked(clip))
    return made


@pytest.fixture
def workspace(tmp_path: Path, clips: list[Clip]) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "workspace", write=True) as opened:
        opened.add_recordings([(clip, "") for clip in clips])
        yield opened


def plan(
    workspace: Workspace, generator: Generator, clips: list[Clip], cast: Cast | None = None,
    use: Use = "any",
) -> Planned:  # fmt: skip
    slots = [Slot(generator, clip) for clip in clips]
    return plan_candidates(workspace, slots, len(slots), 0, QUIET, cast=cast, use=use)


def run(
    workspace: Workspace, planned: Planned, gates: list[Gate], retries: int,
    cast: Cast | None = None,
) -> str:  # fmt: skip
    how = Making(gates, 0, "any", retries, 0, 1000, False)
    key, filled = make(workspace, planned, how, cast or Cast({}), QUIET)
    lost = sum(sum(emotions.values()) for emotions in filled.empty.values())
    assert sum(filled.by_attempt) + lost == filled.asked == len(planned.candidates)
    return key


def outcomes(workspace: Workspace, key: str) -> dict[tuple[str, int], str]:
    """(clip, attempt) → failed, rejected or passed."""
    status = {row["candidate"]: row["status"] for row in workspace.table_rows("outcome")}
    verdict = {
        row["candidate"]: row["gate"]
        for row in workspace.table_rows("verdict")
        if row["gates"] == key
    }
    found = {}
    for row in workspace.table_rows("planned"):
        candidate = row["candidate"]
        fate = "failed" if status[candidate] == "failed" else verdict[candidate] or "passed"
        found[row["parent"], row["attempt"]] = fate
    return found


# --- retries --------------------------------------------------------------------------------


def test_what_fails_or_is_rejected_is_drawn_anew_and_every_attempt_is_kept(
    workspace: Workspace, clips: list[Clip]
) -> None:
    dice = Dice(fails=0.3)
    key = run(workspace, plan(workspace, dice, clips), [Loud()], 2)
    found = outcomes(workspace, key)
    assert set(found.values()) == {"failed", "loud", "passed"}
    for clip in clips:
        attempts = [found[clip.id, n] for n in range(3) if (clip.id, n) in found]
        assert "passed" not in attempts[:-1], "a good one is not drawn again"
        assert attempts[-1] == "passed" or len(attempts) == 3, "a bad one is drawn twice more"
    assert len({row["id"] for row in workspace.table_rows("plan")}) == len(found)
    how = Making([Loud()], 0, "any", 2, 0, 1000, False)
    _, filled = make(workspace, plan(workspace, dice, clips), how, Cast({}), QUIET)
    assert filled.by_attempt == [
        sum(found[clip.id, n] == "passed" for clip in clips if (clip.id, n) in found)
        for n in range(3)
    ]


def test_a_second_run_makes_nothing_again_and_more_retries_go_on(
    workspace: Workspace, clips: list[Clip]
) -> None:
    dice = Dice(fails=0.6)
    key = run(workspace, plan(workspace, dice, clips), [Loud()], 1)
    before = outcomes(workspace, key)
    run(workspace, plan(workspace, dice, clips), [Loud()], 1)
    assert outcomes(workspace, key) == before
    run(workspace, plan(workspace, dice, clips), [Loud()], 4)
    after = outcomes(workspace, key)
    assert before.items() < after.items()
    assert len(list(workspace.table_rows("outcome"))) == len(after)


def test_without_retries_nothing_is_drawn_again(workspace: Workspace, clips: list[Clip]) -> None:
    key = run(workspace, plan(workspace, Dice(fails=0.5), clips), [Loud()], 0)
    assert {attempt for _, attempt in outcomes(workspace, key)} == {0}


def test_retries_do_not_stop_a_run_that_would_finish_without_them(
    workspace: Workspace, clips: list[Clip]
) -> None:
    planned = plan(workspace, Dice(fails=0.2), clips)
    bad = sum(gain < 0.2 for gain in gains(planned))
    assert bad > 0
    how = Making([], 0, "any", 3, 0, (bad + 0.5) / len(clips), False)
    make(workspace, planned, how, Cast({}), QUIET)
    others = [Slot(Dice(fails=0.2), clip, copy) for clip in clips for copy in (1, 2, 3)]
    planned = plan_candidates(workspace, others, len(others), 0, QUIET)
    with pytest.raises(RunStoppedError, match=r"max_failures=0\.01 allows"):
        make(workspace, planned, replace(how, max_failures=0.01), Cast({}), QUIET)


def gains(planned: Planned) -> list[float]:
    return [
        slot.generator.plan(slot.clip, rng_for(0, slot.clip.id, "dice", slot.copy))["gain"]
        for slot in planned.candidates.values()
    ]


# --- a generator that cannot be set up --------------------------------------------------------


@dataclass(frozen=True)
class Broken(Dice):
    """Cannot be set up."""

    name: ClassVar[str] = "broken"

    def setup(self) -> None:
        raise MemoryError("no room for its weights")


def test_a_generator_that_cannot_be_set_up_is_left_out_and_the_rest_goes_on(
    workspace: Workspace, clips: list[Clip]
) -> None:
    slots = [Slot(g, clip) for g in (Broken(), Dice()) for clip in clips]
    planned = plan_candidates(workspace, slots, len(slots), 0, QUIET)
    how = Making([], 0, "any", 2, 0, 0.01, False)
    make(workspace, planned, how, Cast({}), QUIET)
    rows = list(workspace.table_rows("outcome"))
    failed = [row for row in rows if row["status"] == "failed"]
    assert len(failed) == len(clips), "each once: another draw would not help"
    assert {row["reason"] for row in failed} == {"setup"}
    assert "no room for its weights" in failed[0]["detail"]
    assert sum(row["status"] == "ok" for row in rows) == len(clips)


def test_where_no_generator_can_be_set_up_the_run_says_so(
    workspace: Workspace, clips: list[Clip]
) -> None:
    with pytest.raises(RequirementError, match="no room for its weights"):
        run(workspace, plan(workspace, Broken(), clips), [], 2)


# --- gates that come later ------------------------------------------------------------------


def test_a_gate_that_was_not_in_force_measures_what_there_is(
    workspace: Workspace, clips: list[Clip]
) -> None:
    run(workspace, plan(workspace, Dice(), clips), [], 0)
    assert all("loud" not in row["measured"] for row in workspace.table_rows("outcome"))
    key = gate_candidates(workspace, [Loud()], QUIET)
    late = workspace.measured_late()
    rejected = {row["candidate"] for row in workspace.table_rows("verdict") if row["gate"]}
    assert rejected == {c for c, values in late.items() if (values["loud"] or 0) < 0.05}
    assert 0 < len(rejected) < len(clips)
    assert gate_candidates(workspace, [Loud()], QUIET) == key  # measured once
    assert len(list(workspace.table_rows("measurement"))) == len(clips)


def test_a_gate_that_has_nothing_to_measure_lets_pass(
    workspace: Workspace, clips: list[Clip]
) -> None:
    gate = Loud(lowest=9.0, of_reference=True)
    key = run(workspace, plan(workspace, Dice(), clips), [gate], 0)
    assert set(outcomes(workspace, key).values()) == {"passed"}


@dataclass(frozen=True)
class Moody(Loud):
    """Fails for quiet candidates."""

    name: ClassVar[str] = "moody"
    version: ClassVar[int] = 1

    def measure(self, candidate: Audio, given: Given) -> float | None:
        if candidate.samples.std() < 0.05:
            raise RuntimeError("too quiet for it")
        return 1.0


@pytest.mark.parametrize("late", [False, True])
def test_a_gate_that_fails_rejects_with_the_error(
    workspace: Workspace, clips: list[Clip], late: bool
) -> None:
    run(workspace, plan(workspace, Dice(), clips), [] if late else [Moody()], 0)
    key = gate_candidates(workspace, [Moody()], QUIET)
    rows = [row for row in workspace.table_rows("verdict") if row["gates"] == key]
    rejected = [row for row in rows if row["gate"]]
    assert 0 < len(rejected) < len(rows) == len(clips)
    assert {row["gate"] for row in rejected} == {"moody"}
    assert {row["detail"] for row in rejected} == {
        "could not be measured: RuntimeError: too quiet for it"
    }


# --- references -----------------------------------------------------------------------------


def test_references_are_in_identity_lineage_gates_licence_and_consent(
    workspace: Workspace, clips: list[Clip]
) -> None:
    clips = [replace(clips[0], licence="CC-BY-4.0"), *clips[1:]]
    cast = Cast.of(clips)
    planned = plan(workspace, Duet(), clips, cast)
    key = run(workspace, planned, [Loud(of_reference=True)], 0, cast)
    assert all(
        '"loud":0.05' in row["measured"] or '"loud":0.04' in row["measured"]
        for row in workspace.table_rows("outcome")
    ), "measured on the reference, whose level is 0.05"
    made = {
        clip.lineage.parents[0]: clip for clip in workspace.clips(generated=True) if clip.lineage
    }
    partner = {f"noise/{i:02}": f"noise/{i ^ 1:02}" for i in range(12)}
    assert {clip: one.lineage.parents[1] for clip, one in made.items() if one.lineage} == partner
    assert made["noise/00"].consent == "yes"
    assert made["noise/07"].consent is None
    other = plan(workspace, Duet(), clips, Cast.of(clips, {"noise/00": 1.0}))
    assert other.candidates.keys() == planned.candidates.keys(), "planned once"
    assert key
    audit = audit_leakage(workspace.clips())
    assert audit.orphans == 0
    assert not audit.leaks


def test_another_reference_gives_another_id(clips: list[Clip]) -> None:
    duet, params = Duet(), {"gain": 0.7}
    ids = {
        duet.planned(replace(clips[0], references=references), params).id
        for references in [(), (clips[1],), (clips[2],), (clips[1], clips[2])]
    }
    assert len(ids) == 4


def test_a_refusal_to_be_cloned_is_obeyed(workspace: Workspace, clips: list[Clip]) -> None:
    clips = [replace(clip, consent=" No") if clip.speaker == "s0" else clip for clip in clips]
    planned = plan(workspace, Duet(), clips, Cast.of(clips))
    assert planned.skipped["duet"] == 2
    assert planned.reasons["duet", "its speaker has no other clip"] == 2


# --- licences -------------------------------------------------------------------------------


def test_what_a_licence_forbids_is_skipped_and_the_rest_goes_on(
    workspace: Workspace, clips: list[Clip]
) -> None:
    clips = [
        replace(clips[0], licence="CC-BY-NC-SA-4.0"),
        replace(clips[1], licence=None),
        *clips[2:],
    ]
    planned = plan(workspace, Dice(), clips, use="commercial")
    reasons = {sentence for _, sentence in planned.reasons}
    assert "licence CC-BY-NC-4.0 forbids commercial use" in reasons
    assert 0 < planned.new["dice"] < len(clips)
    made = {slot.clip.id for slot in planned.candidates.values()}
    assert "noise/00" not in made
    assert "noise/01" not in made
    run(workspace, planned, [], 0)
    assert {clip.licence for clip in workspace.clips(generated=True)} == {"CC0-1.0"}


def test_the_licences_of_all_that_it_is_made_of_hold(
    workspace: Workspace, clips: list[Clip]
) -> None:
    run(workspace, plan(workspace, Dice(), clips), [], 0)
    assert {clip.licence for clip in workspace.clips(generated=True)} == {
        "CC0-1.0", "CC0-1.0 AND CC-BY-NC-4.0",
    }  # fmt: skip
