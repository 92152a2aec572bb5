"""The workspace keeps what it is given, on SQLite and on a real PostgreSQL server."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from emoforge.audio import Audio, encode_flac
from emoforge.clip import Clip, Lineage
from emoforge.component import Plan, Promise
from emoforge.errors import WorkspaceBusyError, WorkspaceError
from emoforge.label import BASIC4, Label
from emoforge.workspace import (
    CATALOGUE,
    REAL,
    AudioStore,
    Audit,
    Decision,
    Encoded,
    Judgement,
    Made,
    Scored,
    Vote,
    Workspace,
)
from emoforge.workspace.database import LOCK
from emoforge.workspace.tables import SCHEMA


@dataclass(frozen=True)
class Place:
    """Where one test's workspace is."""

    location: str
    audio_root: str | None

    def open(self, *, write: bool = False) -> Workspace:
        return Workspace.open(self.location, self.audio_root, write=write)

    def execute(self, statement: str) -> None:
        """Run SQL beside emoforge, as a person with a database tool would."""
        url = self.location.replace("postgresql:", "postgresql+psycopg:")
        engine = sa.create_engine(
            url if "://" in url else f"sqlite:///{Path(self.location) / CATALOGUE}"
        )
        with engine.begin() as db:
            db.execute(sa.text(statement))
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(str(tmp_path / "workspace"), None)
    return new_database(request.getfixturevalue("postgresql"), tmp_path)


def new_database(server: str, tmp_path: Path) -> Place:
    name = f"test_{uuid.uuid4().hex}"
    admin = server.format(database="postgres").replace("postgresql:", "postgresql+psycopg:")
    engine = sa.create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return Place(server.format(database=name), str(tmp_path / "audio"))


@pytest.fixture
def workspace(place: Place) -> Iterator[Workspace]:
    with place.open(write=True) as opened:
        yield opened


def recording(name: str = "corpus/one", **changes: Any) -> Clip:
    clip = Clip(
        id=name,
        path=f"/data/{name}.flac",
        duration=1.25,
        rate=16_000,
        label=Label.of("sad"),
        speaker="corpus/s1",
        corpus="corpus",
        digest="d" * 32,
        split="train",
    )
    return replace(clip, **changes)


def planned(name: str, parent: str = "corpus/one", **changes: Any) -> Plan:
    emotion = changes.pop("emotion", "sad")
    duration = changes.pop("duration", 1.5)
    promise = Promise(Label.of(emotion), "corpus/s1", duration, "Guten Tag", "de")
    plan = Plan(name, "signal", 1, "", parent, {"gain": 0.5, "noise": [1, 2]}, promise)
    return replace(plan, **changes)


def candidate(plan: Plan) -> Clip:
    """The clip that a plan came to."""
    return recording(
        plan.id,
        path=f"{plan.id[:2]}/{plan.id}.flac",
        label=plan.promise.label,
        lineage=Lineage(
            parents=(plan.parent,),
            parent_digests=("d" * 32,),
            component=plan.generator,
            component_version=plan.version,
            params=plan.params,
            emoforge="0.1.0",
        ),
    )


def made(plan: Plan, status: str = "ok", **changes: Any) -> Made:
    clip = candidate(plan) if status == "ok" else None
    fine = Made(plan.id, "ok", "", "", {"level": -23.5}, np.arange(3, dtype=np.float32), clip)
    return replace(fine, status=status, **changes)


def add_candidates(workspace: Workspace, *plans: Plan) -> None:
    """Plan and make these."""
    workspace.add_plans(
        [(f"key-{plan.id}", plan.generator, plan.parent, 0, plan) for plan in plans]
    )
    workspace.add_outcomes([made(plan) for plan in plans])


# --- recordings ------------------------------------------------------------------------------


def test_a_recording_comes_back_as_it_was(workspace: Workspace) -> None:
    clip = recording(
        "korpus/żółć 'quoted\" %_\\",
        start=0.1,
        label=replace(
            Label.from_votes({"angry": 2, "sad": 1}, BASIC4),
            vad=(0.1, 1 / 3, 1.0),
            modality="video",
        ),
        text="Zażółć gęślą jaźń 🙂\nzweite Zeile",
        language="pl",
        gender="female",
        licence="CC BY 4.0",
        duration=1 / 3,
    )
    workspace.add_recordings([(clip, "size 12, time 5")])
    assert list(workspace.clips()) == [clip]
    assert workspace.known_recordings("corpus")[clip.id].state == "size 12, time 5"
    assert workspace.known_recordings("other") == {}


def test_clips_come_in_the_order_of_their_code_points(workspace: Workspace) -> None:
    names = ["b", "A", "a", "ä", "B", "a b", "a_b", "a-b", "Z", "a/2", "a/10"]
    workspace.add_recordings([(recording(name), "") for name in names])
    assert [clip.id for clip in workspace.clips()] == sorted(names)
    wanted = ["ä", "a", "missing", "Z", "a"]
    assert [clip.id for clip in workspace.clips(ids=wanted)] == ["Z", "a", "ä"]


def test_what_is_catalogued_stays(workspace: Workspace) -> None:
    workspace.add_recordings([(recording(text="first"), "1")])
    workspace.add_recordings([(recording(text="second"), "2"), (recording("corpus/two"), "2")])
    assert [clip.text for clip in workspace.clips()] == ["first", None]
    known = workspace.known_recordings("corpus")
    assert {name: one.state for name, one in known.items()} == {
        "corpus/one": "1",
        "corpus/two": "2",
    }


def test_rows_can_be_added_while_others_are_read(workspace: Workspace) -> None:
    workspace.add_recordings([(recording(f"corpus/{n:05}"), "") for n in range(2500)])
    seen = 0
    for clip in workspace.clips():
        if seen % 500 == 0:
            workspace.add_judged("", [], "judge", [Scored(clip.id, {}, "too short")])
        seen += 1
    assert seen == 2500
    assert workspace.row_counts("score") == {"judge": 5}


def test_recordings_alike_are_counted_together(workspace: Workspace) -> None:
    happy = Label.of("happy")
    clips = [
        recording("corpus/1", duration=1.0),
        recording("corpus/2", duration=2.5),
        recording("corpus/3", label=happy, split=None, duration=4.0),
    ]
    workspace.add_recordings([(clip, "") for clip in clips])
    assert list(workspace.recordings()) == [
        ("corpus", None, "corpus/s1", None, happy, 1, 4.0),
        ("corpus", "train", "corpus/s1", None, Label.of("sad"), 2, 3.5),
    ]


# --- plans and outcomes ----------------------------------------------------------------------


def test_a_plan_comes_back_as_it_was(workspace: Workspace) -> None:
    plan = planned("ab12", params={"f0": 0.1 + 0.2, "deep": {"list": [1, None, "ü"]}})
    workspace.add_plans(
        [("key1", "signal", "corpus/one", 0, plan), ("key2", "espeak", "corpus/one", 0, "no text")]
    )
    assert workspace.plan("ab12") == plan
    assert workspace.plans(["ab12", "missing"]) == {"ab12": plan}
    assert set(workspace.planned()) == {"key1", "key2"}
    assert workspace.skipped() == [("espeak", "no text", 1)]


def test_pending_is_what_was_not_made_shortest_first(workspace: Workspace) -> None:
    lengths = {"a1": 3.0, "a2": 1.0, "a3": 2.0, "a4": 1.0}
    plans = [planned(name, duration=seconds) for name, seconds in lengths.items()]
    espeak = planned("a5", generator="espeak")
    workspace.add_plans([(p.id, p.generator, p.parent, 0, p) for p in [*plans, espeak]])
    assert [row[0] for row in workspace.pending(["signal"])] == ["a2", "a4", "a3", "a1"]
    assert workspace.pending(["espeak"]) == [("a5", "espeak", 1.5)]
    assert workspace.pending([]) == []

    workspace.add_outcomes([made(plans[0]), made(plans[1], "failed", reason="AudioError")])
    workspace.add_outcomes([made(plans[2], "rejected", reason="clipping")])
    assert [row[0] for row in workspace.pending(["signal"])] == ["a4"]
    assert [row[0] for row in workspace.pending(["signal"], retry_failed=True)] == ["a2", "a4"]

    workspace.add_outcomes([made(plans[1])])
    assert [row[0] for row in workspace.pending(["signal"], retry_failed=True)] == ["a4"]
    attempts = [(row["candidate"], row["attempt"]) for row in workspace.table_rows("outcome")]
    assert attempts == [("a1", 1), ("a2", 1), ("a2", 2), ("a3", 1)]


def test_the_latest_outcome_counts_and_the_earlier_one_is_kept(workspace: Workspace) -> None:
    plan = planned("ab12")
    workspace.add_plans([("key", "signal", "corpus/one", 0, plan)])
    assert workspace.made("ab12") is None
    workspace.add_outcomes([made(plan, "failed", reason="AudioError", detail="x: is empty")])
    failed = workspace.made("ab12")
    assert failed is not None
    assert (failed.status, failed.reason, failed.detail) == ("failed", "AudioError", "x: is empty")
    assert list(workspace.clips()) == []

    workspace.add_outcomes([made(plan)])
    ok = workspace.made("ab12")
    assert ok is not None
    assert ok.status == "ok"
    assert ok.measured == {"level": -23.5}
    assert ok.fingerprint is not None
    assert ok.fingerprint.dtype == np.float32
    assert ok.fingerprint.tolist() == [0, 1, 2]


def test_a_candidate_carries_its_lineage_and_its_audio(workspace: Workspace) -> None:
    plan = planned("ab12")
    audio = Audio(np.linspace(-0.5, 0.5, 20_000, dtype=np.float32), 16_000)
    assert workspace.audio.write("ab12", encode_flac(audio)) == "ab/ab12.flac"
    add_candidates(workspace, plan)
    (clip,) = workspace.clips(generated=True)
    assert clip.lineage == candidate(plan).lineage
    assert clip.path == workspace.audio.path("ab12")
    assert np.abs(clip.read().samples - audio.samples).max() <= 1 / 32768
    assert list(workspace.clips(generated=False)) == []


@pytest.mark.parametrize(
    ("prefix", "problem"),
    [("ab", "several"), ("x", "no such id"), ("%", "no such id"), ("_b", "no")],
)
def test_find_refuses_what_is_not_one_candidate(
    workspace: Workspace, prefix: str, problem: str
) -> None:
    add_candidates(workspace, planned("ab12"), planned("ab34"), planned("cd56"))
    assert workspace.find("ab3") == "ab34"
    assert workspace.find("c") == "cd56"
    with pytest.raises(WorkspaceError, match=f"candidate '{prefix}': {problem}"):
        workspace.find(prefix)


# --- gates, judge, selector ------------------------------------------------------------------


def test_gates_see_whole_families_with_something_new(workspace: Workspace) -> None:
    plans = [planned("a1"), planned("a2"), planned("b1", parent="corpus/two")]
    add_candidates(workspace, *plans)
    failed = planned("b2", parent="corpus/two")
    workspace.add_plans([("key", "signal", "corpus/two", 0, failed)])
    workspace.add_outcomes([made(failed, "failed")])

    def families() -> list[tuple[str, list[tuple[str, str | None]]]]:
        return [(p, [(m.candidate, gate) for m, gate in f]) for p, f in workspace.ungated("gates")]

    assert families() == [
        ("corpus/one", [("a1", None), ("a2", None)]),
        ("corpus/two", [("b1", None)]),
    ]
    workspace.add_verdicts("gates", [("a1", "", ""), ("b1", "level", "−60 dB")])
    assert families() == [("corpus/one", [("a1", ""), ("a2", None)])]
    workspace.add_verdicts("gates", [("a2", "", "")])
    assert families() == []
    assert [parent for parent, _ in workspace.ungated("other gates")] == [
        "corpus/one",
        "corpus/two",
    ]


def test_the_judge_gets_recordings_and_what_passed_the_gates(workspace: Workspace) -> None:
    workspace.add_recordings([(recording(duration=9.0), ""), (recording("corpus/two"), "")])
    add_candidates(workspace, planned("a1"), planned("a2"), planned("a3"))
    workspace.add_verdicts("gates", [("a1", "", ""), ("a2", "level", "−60 dB")])
    workspace.add_verdicts("other gates", [("a3", "", "")])
    assert workspace.judgeable("judge", "gates") == [
        ("a1", 1.25, False),
        ("corpus/two", 1.25, False),
        ("corpus/one", 9.0, False),
    ]
    heard = {"basic4": [0.1, 0.2, 0.3, 0.4]}
    scores = [Scored("a1", heard), Scored("a2", heard), Scored("corpus/two", heard)]
    workspace.add_judged("", [], "judge", [*scores, Scored("corpus/one", {}, "too short")])
    assert [scored for *_, scored in workspace.judgeable("judge", "gates")] == [True, True, True]
    assert workspace.scored_ids("judge", "gates") == ["a1", "corpus/two"]
    (made_one,) = workspace.judged("judge", "gates", generated=True)
    assert (made_one.clip, made_one.generator, made_one.parent) == ("a1", "signal", "corpus/one")
    assert made_one.label.hard == "sad"
    assert made_one.distributions == heard
    (recorded,) = workspace.judged("judge", "gates", generated=False)
    assert (recorded.clip, recorded.generator, recorded.parent) == ("corpus/two", "", "")


def test_an_embedding_is_kept_bit_for_bit(workspace: Workspace) -> None:
    embedding = np.array([[1 / 3, -0.0], [1e-30, 7]], np.float32)
    native = {"basic4": [0.1, 0.2, 0.3, 0.4]}
    workspace.add_judged("encoder", [Encoded("a1", embedding, native)], "judge", [])
    (row,) = workspace.encodings("encoder", ["a1", "a2"])
    assert (row.clip, row.native) == ("a1", native)
    assert row.embedding.tobytes() == embedding.tobytes()
    assert workspace.embeddings("encoder", ["a1"]).shape == (1, 2, 2)
    assert workspace.embeddings("encoder", []).shape[0] == 0


@pytest.mark.parametrize("ids", [["a1", "a2"], ["a0", "a1"], ["a2"]])
def test_embeddings_that_are_missing_are_of_other_weights(
    workspace: Workspace, ids: list[str]
) -> None:
    workspace.add_judged("encoder", [Encoded("a1", np.ones((1, 2), np.float32), {})], "judge", [])
    with pytest.raises(WorkspaceError, match="other weights"):
        workspace.embeddings("encoder", ids)


def test_embeddings_of_two_shapes_are_refused(workspace: Workspace) -> None:
    rows = [Encoded(f"a{n}", np.ones((1, n), np.float32), {}) for n in (2, 3)]
    workspace.add_judged("encoder", rows, "judge", [])
    with pytest.raises(WorkspaceError, match=r"clip a3 has shape \(1, 3\)"):
        workspace.embeddings("encoder", ["a2", "a3"])


def test_a_raters_first_vote_stays(workspace: Workspace) -> None:
    first = Vote("a1", "anna", "sad", "2026-11-21T12:00:00+00:00")
    other = Vote("a1", "ben", "happy", "2026-11-21T12:00:01+00:00")
    workspace.add_votes([first])
    workspace.add_votes([Vote("a1", "anna", "angry", "2026-11-21T12:00:02+00:00"), other])
    assert workspace.votes() == [first, other]


def test_rounds_come_back_in_order(workspace: Workspace) -> None:
    kept = np.array([True, False, True, True, False, False, False, False, True])
    workspace.add_round("selection", 2, {"f1": 0.5}, ~kept)
    workspace.add_round("selection", 1, {"f1": 0.25}, kept)
    workspace.add_round("other", 1, {}, kept)
    rounds = workspace.rounds("selection")
    assert [(number, log) for number, log, _ in rounds] == [(1, {"f1": 0.25}), (2, {"f1": 0.5})]
    np.testing.assert_array_equal(rounds[0][2][: len(kept)], kept)
    np.testing.assert_array_equal(rounds[1][2][: len(kept)], ~kept)


def test_samples_come_back_in_the_order_of_the_sheet(workspace: Workspace) -> None:
    config = {"alpha": 0.1, "by": "overall"}
    second = Audit("k2", "selection", config, [("c", "all"), ("a", "all"), ("corpus/one", REAL)])
    first = Audit("k1", "selection", config, [("b", "all")])
    for audit in (second, first, second, Audit("k3", "other", config, [])):
        workspace.add_audit(audit)
    assert workspace.audits("selection") == [second, first]
    assert [audit.key for audit in workspace.audits()] == ["k2", "k1", "k3"]


def selected(workspace: Workspace) -> None:
    """Five candidates, each stopped at another step, one kept, and one still to be made."""
    names = ["pending", "failed", "gated", "unscored", "rejected", "kept"]
    plans = {name: planned(name) for name in names}
    workspace.add_recordings([(recording(), "")])
    workspace.add_plans([(name, "signal", "corpus/one", 0, plan) for name, plan in plans.items()])
    workspace.add_outcomes([made(plans["failed"], "failed", reason="AudioError", detail="empty")])
    workspace.add_outcomes([made(plans[name]) for name in names[2:]])
    workspace.add_verdicts("gates", [("gated", "level", "−60 dB")])
    workspace.add_verdicts("gates", [(name, "", "") for name in names[3:]])
    scores = [Scored(n, {"basic4": [0, 0, 0.5, 0.5]}) for n in (*names[4:], "corpus/one")]
    workspace.add_judged("", [], "judge", [Scored("unscored", {}, "not finite"), *scores])
    decisions = [
        Decision("kept", True, "supported", "p = 0.5", 0.5),
        Decision("rejected", False, "rank", "beyond the 1 best", 0.25),
    ]
    workspace.add_selection("selection", {"judge": "judge", "top": 1}, decisions)


def test_every_candidate_stands_where_it_was_stopped(workspace: Workspace) -> None:
    selected(workspace)
    keys = ("gates", "judge", "selection")
    standing = {
        row.candidate: (row.reached, row.outcome, row.by, row.reason, row.detail)
        for row in workspace.standings(*keys, each=1)
    }
    assert standing == {
        "pending": ("planned", "pending", "", "", ""),
        "failed": ("planned", "failed", "generator", "AudioError", "empty"),
        "gated": ("generated", "rejected", "gate", "level", "−60 dB"),
        "unscored": ("gated", "failed", "judge", "unscored", "not finite"),
        "rejected": ("judged", "rejected", "selector", "rank", "beyond the 1 best"),
        "kept": ("kept", "ok", "", "supported", "p = 0.5"),
    }
    assert sum(tally.count for tally in workspace.tallies(*keys)) == 6
    undecided = {tally.reached: tally.count for tally in workspace.tallies("gates", "judge", "-")}
    assert undecided == {"planned": 1, "generated": 1, "gated": 1, "judged": 2}


def test_a_standing_shows_the_first_of_each_kind(workspace: Workspace) -> None:
    add_candidates(workspace, *(planned(f"a{n}", emotion=e) for n, e in enumerate(["sad"] * 3)))
    add_candidates(workspace, planned("b0", emotion="happy"))
    assert [row.candidate for row in workspace.standings("g", "j", "s", each=2)] == [
        "a0",
        "a1",
        "b0",
    ]
    (happy, sad) = workspace.tallies("g", "j", "s")
    assert (happy.emotion, happy.count) == ("happy", 1)
    assert (sad.emotion, sad.count, sad.reached) == ("sad", 3, "generated")


def test_a_selection_comes_back_with_its_configuration(workspace: Workspace) -> None:
    selected(workspace)
    assert workspace.selection_config("selection") == {"judge": "judge", "top": 1}
    assert workspace.selection_config("other") is None
    assert list(workspace.decisions("selection")) == [
        Decision("kept", True, "supported", "p = 0.5", 0.5),
        Decision("rejected", False, "rank", "beyond the 1 best", 0.25),
    ]
    heard = [
        (row.clip, row.generator, row.keep) for row in workspace.judgements("judge", "selection")
    ]
    assert heard == [
        ("corpus/one", "", None),
        ("kept", "signal", True),
        ("rejected", "signal", False),
    ]
    undecided = Judgement(
        clip="kept",
        generator="signal",
        corpus="corpus",
        speaker="corpus/s1",
        label=Label.of("sad"),
        distributions={"basic4": [0, 0, 0.5, 0.5]},
        keep=None,
    )
    assert undecided in list(workspace.judgements("judge", "another selection"))
    assert workspace.kept_seconds("selection") == 1.25
    assert workspace.distributions("judge", ["kept", "-"]) == {"kept": {"basic4": [0, 0, 0.5, 0.5]}}


def test_a_batch_is_added_whole_or_not_at_all(workspace: Workspace) -> None:
    bad = [
        Decision("a1", True, "", "", 0.5),
        Decision("a2", None, "", "", 0.5),  # type: ignore[arg-type]
    ]
    with pytest.raises(sa.exc.IntegrityError):
        workspace.add_selection("selection", {}, bad)
    assert list(workspace.decisions("selection")) == []
    assert workspace.selection_config("selection") is None


def test_runs_are_numbered_and_the_last_finished_one_is_found(workspace: Workspace) -> None:
    assert workspace.last_run() is None
    first = workspace.start_run({"seed": 7}, {"emoforge": "0.1.0"})
    workspace.finish_run(first, "selection")
    second = workspace.start_run({"seed": 8}, {"emoforge": "0.1.0"})
    assert second > first
    last = workspace.last_run()
    assert last is not None
    assert (last["number"], last["config"], last["selection"]) == (first, {"seed": 7}, "selection")
    newest = workspace.last_run(finished=False)
    assert newest is not None
    assert (newest["number"], newest["selection"]) == (second, None)


# --- opening and the writer's lock -----------------------------------------------------------


def test_one_process_writes_and_others_read(place: Place) -> None:
    with place.open(write=True) as writer:
        writer.add_recordings([(recording(), "")])
        with pytest.raises(WorkspaceBusyError, match="another run is writing"):
            place.open(write=True)
        with place.open() as reader:
            assert [clip.id for clip in reader.clips()] == ["corpus/one"]
    with place.open(write=True) as again:
        assert [clip.id for clip in again.clips()] == ["corpus/one"]


def test_a_killed_writer_leaves_its_rows_and_no_lock(place: Place) -> None:
    script = (
        "import os, signal, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_workspace import Place, recording\n"
        "workspace = Place(sys.argv[2], sys.argv[3] or None).open(write=True)\n"
        "workspace.add_recordings([(recording(), '')])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    arguments = [str(Path(__file__).parent), place.location, place.audio_root or ""]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(WorkspaceBusyError):
            place.open(write=True)
        process.kill()
    with place.open(write=True) as workspace:
        assert [clip.id for clip in workspace.clips()] == ["corpus/one"]


def test_a_workspace_of_another_version_is_refused(place: Place) -> None:
    place.open(write=True).close()
    place.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    for write in (False, True):
        with pytest.raises(WorkspaceError, match=f"schema 99, this emoforge reads schema {SCHEMA}"):
            place.open(write=write)


def test_a_place_without_a_workspace_cannot_be_read(place: Place) -> None:
    with pytest.raises(WorkspaceError, match=r"no workspace here|no catalogue of emoforge"):
        place.open()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(WorkspaceError, match="holds other files and no workspace"):
        Workspace.open(tmp_path, write=True)
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_killed_before_its_first_row_can_be_continued(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    Workspace.open(tmp_path, write=True).close()
    (tmp_path / CATALOGUE).write_bytes(b"")
    Workspace.open(tmp_path, write=True).close()
    Workspace.open(tmp_path).close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / CATALOGUE).write_bytes(b"not a database at all" * 100)
    with pytest.raises(WorkspaceError, match=r"cannot be opened \(file is not a data"):
        Workspace.open(tmp_path)


@pytest.mark.parametrize("name", ["a?b", "a%41b", "a#b", "~", "ü b"])
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    Workspace.open(tmp_path / name, write=True).close()
    assert [item.name for item in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / CATALOGUE).is_file()


def test_a_lock_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(WorkspaceError, match=r"cannot be written \(Is a directory\)"):
        Workspace.open(tmp_path, write=True)


def test_a_catalogue_damaged_while_it_is_read_is_one_sentence(place: Place) -> None:
    with place.open(write=True) as workspace:
        place.execute("DROP TABLE decision")
        with pytest.raises(WorkspaceError, match="cannot be read"):
            list(workspace.decisions("key"))


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("mysql://user:secret@host/db", "a folder or a PostgreSQL database"),
        ("postgresql://user:secret@/db?host=/nowhere", "the catalogue cannot be opened"),
        ("not-a-dialect://user:secret@host:port/db", "not a database URL"),
    ],
)
def test_a_database_url_that_cannot_serve_is_named_without_its_password(
    tmp_path: Path, location: str, problem: str
) -> None:
    with pytest.raises(WorkspaceError, match=problem) as caught:
        Workspace.open(location, str(tmp_path), write=True)
    assert "secret" not in str(caught.value)


def test_a_database_needs_an_audio_root() -> None:
    with pytest.raises(WorkspaceError, match=r"needs an audio root \(audio_root=…\)"):
        Workspace.open("postgresql://user@host/db", write=True)


def test_a_workspace_knows_where_its_audio_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Workspace.open("w", "sounds", write=True).close()
    monkeypatch.chdir("/")
    place = tmp_path / "w"
    with Workspace.open(place) as workspace:
        assert workspace.audio.root == str(tmp_path / "sounds")
    with Workspace.open(place, write=True) as workspace:
        assert workspace.audio.root == str(tmp_path / "sounds")
    Workspace.open(place, str(tmp_path / "sounds/"), write=True).close()
    with pytest.raises(WorkspaceError, match=r"the audio of this workspace is in .*/sounds, not"):
        Workspace.open(place, str(tmp_path / "elsewhere"), write=True)
    with Workspace.open(place, "/mount") as workspace:  # the same sounds, seen from elsewhere
        assert workspace.audio.root == "/mount"


def test_audio_inside_the_workspace_moves_with_it(tmp_path: Path) -> None:
    Workspace.open(tmp_path / "w", write=True).close()
    with pytest.raises(WorkspaceError, match="in the workspace itself, not in"):
        Workspace.open(tmp_path / "w", str(tmp_path / "elsewhere"), write=True)
    (tmp_path / "w").rename(tmp_path / "moved")
    with Workspace.open(tmp_path / "moved", write=True) as workspace:
        assert workspace.audio.root == str(tmp_path / "moved" / "audio")


# --- full disks and the audio store ----------------------------------------------------------


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    with Workspace.open(tmp_path / "workspace", write=True) as workspace:
        workspace.add_recordings([(recording(), "")])

        def limit(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA max_page_count=1")  # SQLite: no less than it has already

        sa.event.listen(workspace._engine, "connect", limit)
        workspace._engine.dispose()
        with pytest.raises(WorkspaceError, match="the disk is full; free some space"):
            workspace.add_recordings([(recording(f"corpus/{n}"), "") for n in range(1000)])
        assert [clip.id for clip in workspace.clips()] == ["corpus/one"]


def test_audio_that_does_not_fit_leaves_no_file(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from emoforge.errors import WorkspaceError\n"
        "from emoforge.workspace import AudioStore\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    AudioStore(sys.argv[1]).write('ab12', bytes(2000))\n"
        "except WorkspaceError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "the disk is full; free some space and run the same command again" in done.stdout
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == []


@pytest.mark.parametrize("scheme", ["", "file://", "memory:/"])
def test_audio_is_stored_by_its_id(tmp_path: Path, scheme: str) -> None:
    store = AudioStore(f"{scheme}{tmp_path}")
    audio = Audio(np.full(800, 0.25, np.float32), 8_000)
    assert store.write("ab12", encode_flac(audio)) == "ab/ab12.flac"
    assert store.write("ab12", encode_flac(audio)) == "ab/ab12.flac"
    read = recording(path=store.path("ab12"), duration=0.1).read()
    assert read.rate == 8_000
    assert np.array_equal(read.samples, audio.samples)
    if scheme != "memory:/":
        assert [item.name for item in (tmp_path / "ab").iterdir()] == ["ab12.flac"]
