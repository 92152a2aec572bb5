"""`inspect`: the counts equal those of a plain count over the rows, wherever a run stopped."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from built_workspace import (
    GATES,
    JUDGE,
    SELECTION,
    STEPS,
    VERSIONS,
    Step,
    build,
    real_recordings,
    tone_recordings,
)
from rich.console import Console

from emoforge.augment.inspection import (
    OUTCOMES,
    Basis,
    Funnel,
    Inspection,
    inspect_workspace,
)
from emoforge.augment.inspection_tables import inspection_tables
from emoforge.component import digest
from emoforge.label import FULL
from emoforge.workspace import Made, Workspace


def printed(inspection: Inspection, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO())
    for table in inspection_tables(inspection):
        console.print(table)
    return cast(io.StringIO, console.file).getvalue()


def counted(workspace: Workspace) -> Counter[str]:
    """The funnel and the outcomes, counted row by row from what each step wrote."""
    counts: Counter[str] = Counter()
    outcomes = {row["candidate"]: row["status"] for row in workspace.table_rows("outcome")}
    verdicts = {row["candidate"]: row["gate"] for row in workspace.table_rows("verdict")}
    errors = {row["clip"]: row["error"] for row in workspace.table_rows("score")}
    kept = {row["candidate"]: row["keep"] for row in workspace.table_rows("decision")}
    for candidate in (row["id"] for row in workspace.table_rows("plan")):
        status = outcomes.get(candidate, "pending")
        past_gates = status == "ok" and verdicts.get(candidate) == ""
        judged = past_gates and errors.get(candidate) == ""
        counts["planned"] += 1
        counts["generated"] += status == "ok"
        counts["gated"] += past_gates
        counts["judged"] += judged
        counts["kept"] += judged and kept.get(candidate, False)
        if status != "ok":
            counts[status] += 1
        elif verdicts.get(candidate) or kept.get(candidate) is False:
            counts["rejected"] += 1
        elif errors.get(candidate):
            counts["failed"] += 1
        else:
            counts["ok"] += 1
    counts["skipped"] += sum(bool(row["skipped"]) for row in workspace.table_rows("planned"))
    return counts


@pytest.mark.parametrize("until", STEPS)
def test_counts_hold_wherever_the_run_stopped(tmp_path: Path, until: Step) -> None:
    recordings = tone_recordings(tmp_path / "tones", count=24)
    with build(tmp_path / "w", recordings, until=until) as workspace:
        inspection = inspect_workspace(workspace)
        expected = counted(workspace)
    for name in ("planned", "generated", "gated", "judged", "kept"):
        assert getattr(inspection.total, name) == expected[name], name
    assert inspection.outcomes == {name: expected[name] for name in OUTCOMES}
    for parts in (
        inspection.by_generator,
        inspection.by_emotion,
        inspection.by_generator_and_emotion,
    ):
        for step in ("planned", "generated", "gated", "judged", "kept"):
            total = sum(getattr(part, step) for part in parts.values())
            assert total == getattr(inspection.total, step)
    explained = Counter[str]()
    for reason in inspection.reasons:
        explained[reason.outcome] += reason.count
    for outcome in ("rejected", "failed", "skipped"):
        assert explained[outcome] == inspection.outcomes[outcome]
    assert printed(inspection)
    assert json.loads(json.dumps(inspection.to_dict()))["total"]["planned"] == expected["planned"]


def test_every_step_loses_some_on_real_recordings(tmp_path: Path, shared: Path) -> None:
    recordings = real_recordings(shared, "emodb")
    with build(tmp_path, recordings) as workspace:
        inspection = inspect_workspace(workspace)
    total = inspection.total
    assert total.planned > total.generated > total.gated > total.judged > total.kept > 0
    assert set(inspection.by_emotion) == {"angry", "happy", "neutral", "sad"}
    assert sum(part.clips for part in inspection.recordings) == len(recordings)
    assert {part.split for part in inspection.recordings} == {"train", "dev", "test"}
    assert inspection.recordings[0].licences == ("CC0-1.0",)
    assert sum(part.seconds for part in inspection.recordings) == pytest.approx(
        sum(clip.duration for clip in recordings), abs=0.01
    )


def test_basis_is_the_last_finished_selection(tmp_path: Path) -> None:
    with build(tmp_path / "w", tone_recordings(tmp_path / "t")) as workspace:
        inspection = inspect_workspace(workspace)
    assert inspection.basis == Basis("basic4", GATES, JUDGE, SELECTION)
    run = inspection.last_run
    assert run is not None
    assert (run.number, run.seed, run.versions) == (1, 7, VERSIONS)
    assert run.finished is not None
    with Workspace.open(tmp_path / "w", write=True) as workspace:
        workspace.start_run({"seed": 8}, VERSIONS)
        workspace.add_verdicts("other gates", [(digest(i), "level", "") for i in range(999)])
        later = inspect_workspace(workspace)
    assert later.basis == inspection.basis
    assert later.total == inspection.total
    assert later.last_run is not None
    assert (later.last_run.seed, later.last_run.finished) == (8, None)


def test_only_the_latest_attempt_counts(tmp_path: Path) -> None:
    with build(tmp_path / "w", tone_recordings(tmp_path / "t"), until="planned") as workspace:
        first = next(workspace.table_rows("plan"))["id"]
    with Workspace.open(tmp_path / "w", write=True) as workspace:
        workspace.add_outcomes([Made(first, "failed", "AudioError", "no disk", {})])
        assert inspect_workspace(workspace).outcomes["failed"] == 1
        workspace.add_outcomes([Made(first, "ok", "", "", {})])
        again = inspect_workspace(workspace)
    assert (again.outcomes["failed"], again.outcomes["ok"], again.reasons[0].outcome) == (
        0,
        1,
        "skipped",
    )


def test_speakers_are_counted_once_per_corpus_and_split(tmp_path: Path) -> None:
    recordings = tone_recordings(tmp_path / "t", count=30)
    with build(tmp_path / "w", recordings, until="catalogued") as workspace:
        parts = inspect_workspace(workspace).recordings
    for part in parts:
        own = [clip for clip in recordings if clip.split == part.split]
        assert part.speakers == len({clip.speaker for clip in own})
        assert part.emotions == Counter(sorted(clip.emotion for clip in own))
        assert part.seconds == pytest.approx(0.5 * len(own))


def test_thirteen_emotions_and_ten_generators(tmp_path: Path) -> None:
    recordings = tone_recordings(tmp_path / "t", count=13, scheme=FULL)
    generators = [f"generator{i}" for i in range(10)]
    with build(tmp_path / "w", recordings, generators, scheme=FULL) as workspace:
        inspection = inspect_workspace(workspace)
    assert list(inspection.by_generator) == generators
    assert list(inspection.by_emotion) == sorted(FULL.classes)
    assert len(inspection.by_generator_and_emotion) == 130
    assert inspection.by_emotion["other"].planned == 20


def test_an_example_is_a_sentence_of_its_reason(tmp_path: Path) -> None:
    with build(tmp_path / "w", tone_recordings(tmp_path / "t", count=40)) as workspace:
        reasons = inspect_workspace(workspace).reasons
    by_name = {(reason.by, reason.reason): reason for reason in reasons}
    assert "expected length" in by_name["gate", "duration"].example
    assert "below 0.50" in by_name["selector", "unsupported"].example
    assert "truncated" in by_name["generator", "AudioError"].example
    assert by_name["judge", "unscored"].outcome == "failed"
    assert by_name["generator", "declined"].outcome == "skipped"
    steps = [reason.by for reason in reasons if reason.outcome == "rejected"]
    order = ("generator", "gate", "selector")
    assert steps == sorted(steps, key=order.index)


def test_terminal_text_shows_markup_as_text(tmp_path: Path) -> None:
    hostile = " [bold]not markup[/bold] [/] ünïcode"
    with build(tmp_path / "w", tone_recordings(tmp_path / "t"), hostile=hostile) as workspace:
        text = printed(inspect_workspace(workspace), width=400)
    assert hostile.strip() in text


def test_no_workspace_rows_is_no_error(tmp_path: Path) -> None:
    with build(tmp_path / "w", [], until="nothing") as workspace:
        inspection = inspect_workspace(workspace)
    assert inspection.total == Funnel()
    assert inspection.last_run is None
    assert "nothing is catalogued" in printed(inspection)


def test_standings_are_a_stable_sample_of_every_group(tmp_path: Path) -> None:
    with build(tmp_path / "w", tone_recordings(tmp_path / "t", count=40)) as workspace:
        tallies = workspace.tallies(GATES, JUDGE, SELECTION)
        sample = workspace.standings(GATES, JUDGE, SELECTION, each=2)
        assert sample == workspace.standings(GATES, JUDGE, SELECTION, each=2)
        every = workspace.standings(GATES, JUDGE, SELECTION, each=10**6)
    assert len(every) == sum(tally.count for tally in tallies)
    names = ("generator", "emotion", "reached", "outcome", "by", "reason")
    groups = Counter(tuple(getattr(row, name) for name in names) for row in sample)
    for tally in tallies:
        key = tuple(getattr(tally, name) for name in names)
        assert groups[key] == min(2, tally.count)
        first = sorted(r.candidate for r in every if key == tuple(getattr(r, n) for n in names))
        assert {row.candidate for row in sample} >= set(first[:2])


def test_judgements_are_the_scores_with_labels_and_decisions(tmp_path: Path) -> None:
    recordings = tone_recordings(tmp_path / "t", count=20)
    with build(tmp_path / "w", recordings) as workspace:
        judgements = {row.clip: row for row in workspace.judgements(JUDGE, SELECTION)}
        decisions = {row.candidate: row for row in workspace.decisions(SELECTION)}
        rows = [row for row in workspace.table_rows("score") if not row["error"]]
        assert set(workspace.distributions(JUDGE, list(judgements)[:3])) == {*list(judgements)[:3]}
        kept = [row.candidate for row in decisions.values() if row.keep]
        seconds = sum(clip.duration for clip in workspace.clips(ids=kept))
        assert workspace.kept_seconds(SELECTION) == pytest.approx(seconds)
        assert workspace.kept_seconds("none") == 0
    scored = {row["clip"]: json.loads(row["distributions"]) for row in rows}
    assert set(judgements) == set(scored)
    labels = {clip.id: clip.label for clip in recordings}
    for clip, row in judgements.items():
        assert row.distributions == scored[clip]
        if clip in labels:
            assert (row.generator, row.corpus, row.keep) == ("", "tones", None)
            assert row.label == labels[clip]
        else:
            assert row.generator in {"espeak", "prosody", "signal"}
            assert row.keep == decisions[clip].keep
            assert decisions[clip].probability == pytest.approx(
                np.dot(row.distributions["basic4"], row.label.distribution)
            )
