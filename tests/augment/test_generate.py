"""Planning and generating with a generator that misbehaves: each item has its own outcome."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import Audio, write_flac
from emoforge.augment.assess import gate_candidates, judge_clips, select_candidates
from emoforge.augment.generate import generate, measuring_gates
from emoforge.augment.importing import checked
from emoforge.augment.planner import Planned, Recipe, plan_candidates, slots_of
from emoforge.clip import Clip
from emoforge.errors import RunStoppedError
from emoforge.label import BASIC4, Label
from emoforge.progress import Progress
from emoforge.selection import Duplicate, TopK
from emoforge.testing import FakeGenerator, FakeJudge
from emoforge.workspace import Made, Workspace

QUIET = Progress(quiet=True)
EMOTIONS = BASIC4.classes


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Twelve clips of noise, three of each emotion."""
    rng = np.random.default_rng(4)
    made = []
    for i in range(12):
        path = tmp_path / f"{i:02}.flac"
        write_flac(path, Audio(rng.normal(0, 0.1, 8000).astype(np.float32), 16000))
        clip = Clip(
            id=f"noise/{i:02}",
            path=str(path),
            duration=0,
            rate=0,
            label=Label.of(EMOTIONS[i % 4], BASIC4),
            speaker=f"s{i % 3}",
            corpus="noise",
            split="train",
            gender="female",
            licence="CC0-1.0",
        )
        made.append(checked(clip))
    return made


@pytest.fixture
def workspace(tmp_path: Path, clips: list[Clip]) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "workspace", write=True) as opened:
        opened.add_recordings([(clip, "") for clip in clips])
        yield opened


def plan(workspace: Workspace, clips: list[Clip], fake: FakeGenerator, **more: int) -> Planned:
    recipe = Recipe(fake, more.get("copies", 1))
    slots = slots_of([recipe], clips)
    return plan_candidates(workspace, slots, len(clips), more.get("seed", 0), QUIET)


def run(
    workspace: Workspace, fake: FakeGenerator, workers: int = 0, **more: object
) -> Counter[str]:
    return generate(
        workspace,
        {"fake": fake},
        {row["id"] for row in workspace.table_rows("plan")},
        [],
        workers=workers,
        max_failures=more.get("max_failures", 1000),  # type: ignore[arg-type]
        retry_failed=bool(more.get("retry_failed")),
        progress=QUIET,
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_every_fate_is_an_outcome(workspace: Workspace, clips: list[Clip], workers: int) -> None:
    fake = FakeGenerator(skip="/01", fail="/02", broken="/03", crash="/05" if workers else None)
    planned = plan(workspace, clips, fake)
    assert planned.new["fake"] == 11
    assert planned.skipped == {"fake": 1}
    statuses = run(workspace, fake, workers)
    assert statuses == {
        "ok": 8 if workers else 9,
        "failed": 2 if workers else 1,
        "rejected": 1,
    }
    outcomes = {row["candidate"]: row for row in workspace.table_rows("outcome")}
    by_parent = {row["parent"]: outcomes[row["id"]] for row in workspace.table_rows("plan")}
    assert by_parent["noise/02"]["detail"] == "noise/02: told to fail"
    assert by_parent["noise/03"]["reason"] == "finite"
    if workers:
        assert by_parent["noise/05"]["reason"] == "crash"


def test_a_candidate_carries_what_it_must(workspace: Workspace, clips: list[Clip]) -> None:
    fake = FakeGenerator()
    plan(workspace, clips, fake)
    run(workspace, fake)
    parents = {clip.id: clip for clip in clips}
    made = list(workspace.clips(generated=True))
    assert len(made) == 12
    for clip in made:
        assert clip.lineage is not None
        parent = parents[clip.lineage.parents[0]]
        assert clip.lineage.parent_digests == (parent.digest,)
        assert (clip.split, clip.licence, clip.gender) == ("train", "CC0-1.0", "female")
        assert clip.label == parent.label
        assert checked(clip).duration == parent.duration
        gain = clip.lineage.params["gain"]
        assert np.allclose(clip.read().samples, parent.read().samples * gain, atol=2**-15)


def test_the_same_plan_is_made_once(workspace: Workspace, clips: list[Clip]) -> None:
    fake = FakeGenerator()
    assert plan(workspace, clips, fake, copies=2).new["fake"] == 24
    assert run(workspace, fake)["ok"] == 24
    again = plan(workspace, clips, fake, copies=2)
    assert (again.new["fake"], again.known["fake"]) == (0, 24)
    assert run(workspace, fake).total() == 0
    assert plan(workspace, clips, fake, copies=3).new["fake"] == 12
    assert plan(workspace, clips, fake, seed=1).new["fake"] == 12


def test_ids_depend_on_nothing_but_the_work(
    tmp_path: Path, clips: list[Clip], workspace: Workspace
) -> None:
    fake = FakeGenerator()
    plan(workspace, clips, fake)
    run(workspace, fake, workers=2)
    with Workspace.open(tmp_path / "other", write=True) as other:
        other.add_recordings([(clip, "") for clip in reversed(clips)])
        plan(other, clips[::-1], fake)
        run(other, fake, workers=0)
        for name in ("clip", "plan", "outcome"):
            assert list(other.table_rows(name)) == list(workspace.table_rows(name))


def test_failures_are_retried_only_on_demand(workspace: Workspace, clips: list[Clip]) -> None:
    plan(workspace, clips, FakeGenerator(fail="/02"))
    broken, mended = FakeGenerator(fail="/02"), FakeGenerator()
    assert run(workspace, broken)["failed"] == 1
    assert run(workspace, mended).total() == 0
    assert run(workspace, mended, retry_failed=True) == {"failed": 1}  # the fate is in the params
    rows = [r for r in workspace.table_rows("outcome") if r["status"] == "failed"]
    assert [row["attempt"] for row in rows] == [1, 2]


@pytest.mark.parametrize(("allowed", "stops"), [(2, False), (1, True), (0.25, False), (0.1, True)])
def test_too_many_failures_stop_the_run(
    workspace: Workspace, clips: list[Clip], allowed: float, stops: bool
) -> None:
    failing = FakeGenerator(fail="/1")  # noise/10 and noise/11
    plan(workspace, clips, failing)
    if stops:
        with pytest.raises(RunStoppedError, match="max_failures") as caught:
            run(workspace, failing, max_failures=allowed)
        assert "told to fail" in str(caught.value)
    else:
        assert run(workspace, failing, max_failures=allowed)["failed"] == 2
    assert len(list(workspace.table_rows("outcome"))) > 0


def test_a_resumed_run_may_fail_as_often_as_an_undisturbed_one(
    workspace: Workspace, clips: list[Clip]
) -> None:
    failing = FakeGenerator(fail="/11")
    plan(workspace, clips, failing)
    plans = workspace.plans([candidate for candidate, *_ in workspace.pending(["fake"])])
    done = [plan.id for plan in plans.values() if plan.parent not in ("noise/10", "noise/11")]
    workspace.add_outcomes([Made(one, "ok", "", "", {}) for one in done])
    assert run(workspace, failing, max_failures=0.1) == {"ok": 1, "failed": 1}


def test_a_candidate_made_later_is_compared_with_those_that_passed(
    workspace: Workspace, clips: list[Clip]
) -> None:
    plan(workspace, clips[:1], FakeGenerator(), copies=3)
    first, second, third = sorted(candidate for candidate, *_ in workspace.pending(["fake"]))
    gates = [Duplicate()]
    alike = np.ones(3, np.float32)

    def make(*candidates: str) -> dict[str, str]:
        values = {"finite": 0.0, "duplicate": 0.0}
        made = [Made(name, "ok", "", "", values, alike) for name in candidates]
        workspace.add_outcomes(made)
        gate_candidates(workspace, gates, QUIET)
        return {row["candidate"]: row["gate"] for row in workspace.table_rows("verdict")}

    assert make(second) == {second: ""}
    # Whichever was in first stays, whatever the order of the ids.
    assert make(first) == {first: "duplicate", second: ""}
    assert make(third) == {first: "duplicate", second: "", third: "duplicate"}


def test_gating_judging_and_selecting(workspace: Workspace, clips: list[Clip]) -> None:
    plan(workspace, clips, FakeGenerator(), copies=2)
    run(workspace, FakeGenerator())
    gates = measuring_gates([])
    assert len(gates) == 8
    key = gate_candidates(workspace, gates, QUIET)
    verdicts = {row["candidate"]: row for row in workspace.table_rows("verdict")}
    assert len(verdicts) == 24
    # A scaled copy is the same recording: it adds nothing, and is noise besides.
    assert {row["gate"] for row in verdicts.values()} <= {"voiced", "silence", "duplicate"}
    assert gate_candidates(workspace, gates, QUIET) == key

    lenient = [gate for gate in gates if gate.name in ("finite", "decodable")]
    lenient_key = gate_candidates(workspace, lenient, QUIET)
    assert lenient_key != key
    judge = judge_clips(workspace, FakeJudge(), lenient_key, QUIET)
    assert judge == FakeJudge().key
    assert len(list(workspace.table_rows("score"))) == 36
    selection = select_candidates(workspace, TopK(), BASIC4, FakeJudge(), lenient, ["train"])
    decisions = list(workspace.decisions(selection))
    kept = [d for d in decisions if d.keep]
    emotion = {row["id"]: row["emotion"] for row in workspace.table_rows("plan")}
    assert len(decisions) == 24
    assert Counter(emotion[d.candidate] for d in kept) == {"happy": 3}
    assert Counter(d.reason for d in decisions) == {"unsupported": 18, "supported": 3, "surplus": 3}
    assert (
        select_candidates(workspace, TopK(), BASIC4, FakeJudge(), lenient, ["train"]) == selection
    )
    config = workspace.selection_config(selection)
    assert config is not None
    assert config["prior"] == dict.fromkeys(EMOTIONS, 3)
