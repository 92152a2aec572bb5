"""An audit from plan to export, through the command line, on a workspace of real rows."""

import csv
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from built_workspace import SELECTION, build, tone_recordings
from typer.testing import CliRunner

from emoforge.audio import read
from emoforge.augment import audit_leakage, guarantee, inspect_workspace
from emoforge.cli import app
from emoforge.component import rng_for
from emoforge.errors import AudioError, ConfigError, ExportError, WorkspaceError
from emoforge.workspace import REAL, Vote, Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some 190 kept candidates of 60 short tones."""
    build(tmp_path / "w", tone_recordings(tmp_path / "tones", 60)).close()
    return tmp_path / "w"


def emoforge(*arguments: object, exits: int = 0) -> str:
    """Standard output of a command."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == exits, (done.output, done.exception)
    return done.stdout


def answer(*arguments: object, exits: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(emoforge(*arguments, "--json", exits=exits))
    return found


def truth(workspace: Workspace, below: float = 0.0) -> dict[str, str]:
    """What an honest rater hears: the label, and other things in the less probable candidates."""
    heard = {clip.id: clip.emotion for clip in workspace.clips()}
    for one in workspace.decisions(SELECTION):
        if one.probability < below:
            heard[one.candidate] = "other"
    return heard


def fill(sheet: Path, workspace: Workspace, heard: dict[str, str], rater: str = "anna") -> Path:
    """The sheet as a rater gives it back; candidates are found by the sample's order."""
    (audit,) = workspace.audits()
    with sheet.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, (clip, _) in zip(rows, audit.sample, strict=True):
        row |= {"rater": rater, "emotion": heard[clip]}
    done = sheet.with_name(f"{rater}.csv")
    with done.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return done


def test_from_plan_to_what_is_certified(folder: Path, tmp_path: Path) -> None:
    plan = answer("audit", "plan", folder)
    (whole,) = plan["strata"].values()
    assert 20 <= whole["flawless"] <= 29 <= whole["probable"][0] < whole["population"]
    assert "if none is wrong" in emoforge("audit", "plan", folder, "--by", "emotion")

    nobody = answer("audit", "guarantee", folder, exits=1)
    assert (nobody["state"], nobody["selection"]) == ("unaudited", "")
    assert nobody["plan"]["strata"] == plan["strata"]
    assert "unaudited" in emoforge("audit", "guarantee", folder, exits=1)
    assert "unaudited" in emoforge("inspect", folder)

    sheets = tmp_path / "sheets"
    drawn = answer("audit", "sample", folder, sheets, "--real", "0.2", "--size", "100")
    assert (drawn["candidates"], drawn["recordings"]) == (100, 20)
    with Workspace.open(folder) as workspace:
        (audit,) = workspace.audits()
        kept = {one.candidate for one in workspace.decisions(SELECTION) if one.keep}
        candidates = [clip for clip, stratum in audit.sample if stratum != REAL]
        assert set(candidates) <= kept
        assert len(set(candidates)) == len(candidates) == 100
        # The less probable fifth is wrong: the threshold must rise, and need not rise far.
        probabilities = sorted(
            one.probability for one in workspace.decisions(SELECTION) if one.keep
        )
        limit = probabilities[len(probabilities) // 5]
        filled = fill(sheets / "audit.csv", workspace, truth(workspace, limit))
        waiting = answer("audit", "guarantee", folder, exits=1)
        assert (waiting["state"], waiting["unheard"]) == ("unaudited", 100)

    assert answer("audit", "votes", folder, filled)["added"] == 120
    assert answer("audit", "votes", folder, filled)["repeated"] == 120
    found = answer("audit", "guarantee", folder)
    (proven,) = found["strata"].values()
    assert found["state"] == "certified"
    assert found["confidence"] == pytest.approx(0.95)
    assert found["raters"] == {"anna": {"votes": 120, "recordings": 20, "right": 20}}
    assert proven["kept"] == found["kept"] < found["kept_before"] == len(kept)
    assert proven["bound"] <= 0.1
    with Workspace.open(folder) as workspace:
        wrong = [
            one.candidate
            for one in workspace.decisions(found["selection"])
            if one.keep and one.probability < limit
        ]
        assert len(wrong) <= 0.1 * found["kept"]
        # Every candidate keeps its place; what was dropped says why.
        before = {one.candidate: one for one in workspace.decisions(SELECTION)}
        after = {one.candidate: one for one in workspace.decisions(found["selection"])}
        assert before.keys() == after.keys()
        dropped = [one for one in after.values() if before[one.candidate].keep and not one.keep]
        assert {one.reason for one in dropped} == {"unproven"}
        assert all(f"from {proven['threshold']:.3f} on" in one.detail for one in dropped)
        assert all(after[name] == one for name, one in before.items() if not one.keep)

    # The same votes change nothing, and say the same.
    runs = len(list(Workspace.open(folder).table_rows("run")))
    assert answer("audit", "guarantee", folder) == found
    assert len(list(Workspace.open(folder).table_rows("run"))) == runs

    said = answer("inspect", folder)
    assert said["audited"]["strata"] == found["strata"]
    assert said["total"]["kept"] == found["kept"]
    assert "at most 10.0% of what is kept is wrong" in emoforge("inspect", folder).replace(
        "\n", " "
    )
    exported = answer("export", folder, tmp_path / "out")
    assert exported["clips"] == found["kept"] + 60
    assert "Certified" in emoforge("audit", "guarantee", folder)
    with Workspace.open(folder) as workspace:
        assert audit_leakage(workspace.clips()).ok

    out = tmp_path / "votes.csv"
    assert answer("audit", "export-votes", folder, out)["votes"] == 120
    assert answer("audit", "votes", folder, out)["repeated"] == 120


def test_the_sheet_says_nothing_of_what_is_on_it(folder: Path, tmp_path: Path) -> None:
    emoforge("audit", "sample", folder, tmp_path / "sheets", "--size", 30, "--real", 0.5)
    with Workspace.open(folder) as workspace:
        (audit,) = workspace.audits()
        clips = {clip.id: clip for clip in workspace.clips()}
    with (tmp_path / "sheets" / "audit.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["clip", "audio", "rater", "emotion"]
    assert len(rows) == 45
    for place, (row, (clip, _)) in enumerate(zip(rows, audit.sample, strict=True), start=1):
        assert row == {
            "clip": f"{audit.key[:6]}-{place:04}",
            "audio": f"audio/{row['clip']}.flac",
            "rater": "",
            "emotion": "",
        }
        heard = read(tmp_path / "sheets" / row["audio"])
        assert heard.duration == pytest.approx(clips[clip].duration, abs=1e-3)
    # Recordings and candidates, and the emotions, are mixed.
    runs = [stratum for _, stratum in audit.sample]
    assert sum(a != b for a, b in pairwise(runs)) >= 5
    readme = (tmp_path / "sheets" / "README.txt").read_text("utf-8")
    assert "angry, happy, neutral, sad, other" in readme


def test_the_same_call_draws_the_same_sample_and_another_seed_another(
    folder: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        emoforge("audit", "sample", folder, tmp_path / name, "--size", 30, "--seed", seed)
    sheets = [(tmp_path / name / "audit.csv").read_text() for name in "abc"]
    assert sheets[0] == sheets[1] != sheets[2]
    with Workspace.open(folder) as workspace:
        first, second = workspace.audits(SELECTION)
    assert {clip for clip, _ in first.sample} != {clip for clip, _ in second.sample}
    done = CliRunner().invoke(app, ["audit", "sample", str(folder), str(tmp_path / "a")])
    assert isinstance(done.exception, ExportError)


def test_a_sample_that_cannot_be_written_whole_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    with Workspace.open(folder) as workspace:
        kept = next(one.candidate for one in workspace.decisions(SELECTION) if one.keep)
        (clip,) = workspace.clips(ids=[kept])
    sound = Path(clip.path).read_bytes()
    Path(clip.path).write_bytes(b"")
    size = 10_000  # all of them
    shown = CliRunner().invoke(app, ["audit", "sample", str(folder), str(out), "--size", str(size)])
    assert isinstance(shown.exception, AudioError)
    assert list(tmp_path.glob("*s*part")) == []
    assert not out.exists()
    Path(clip.path).write_bytes(sound)
    emoforge("audit", "sample", folder, out, "--size", size)
    assert (out / "audit.csv").exists()


def test_every_candidate_is_as_likely_to_be_drawn(folder: Path) -> None:
    from emoforge.selection.audit import draw

    strata = {"x": [f"x{i}" for i in range(20)], "y": [f"y{i}" for i in range(5)]}
    drawn: Counter[str] = Counter()
    for seed in range(2000):
        sample = draw(strata, {"x": 5, "y": 9}, rng_for(seed))
        assert len(sample) == 10
        drawn.update(clip for clip, _ in sample)
    assert all(drawn[name] == 2000 for name in strata["y"])
    assert all(abs(drawn[name] / 2000 - 0.25) < 0.045 for name in strata["x"])


def test_each_emotion_is_proven_alone_and_what_is_not_proven_goes(
    folder: Path, tmp_path: Path
) -> None:
    with Workspace.open(folder) as workspace:
        heard = truth(workspace)
    heard |= {clip: "other" for clip, emotion in heard.items() if emotion == "sad"}
    emoforge(
        "audit", "sample", folder, tmp_path / "s", "--by", "emotion", "--size", 200, "--alpha", 0.2
    )
    with Workspace.open(folder) as workspace:
        filled = fill(tmp_path / "s" / "audit.csv", workspace, heard)
    emoforge("audit", "votes", folder, filled)
    found = answer("audit", "guarantee", folder)
    assert found["strata"]["sad"]["threshold"] is None
    assert found["needed"] == {"sad": None}
    with Workspace.open(folder) as workspace:
        kept = Counter(
            emotion for one, _, emotion in workspace.decided(found["selection"]) if one.keep
        )
    assert kept["sad"] == 0
    assert min(kept[emotion] for emotion in ("angry", "happy", "neutral")) > 20
    text = emoforge("audit", "guarantee", folder)
    assert "Nothing is proven of sad" in text
    assert "of each emotion too" in text


def test_among_all_the_threshold_may_fall(folder: Path, tmp_path: Path) -> None:
    """The raters hear the label in every candidate, also in those that the selector dropped."""
    emoforge("audit", "sample", folder, tmp_path / "s", "--among", "all", "--size", 60)
    with Workspace.open(folder) as workspace:
        filled = fill(tmp_path / "s" / "audit.csv", workspace, truth(workspace))
        decided = len(list(workspace.decisions(SELECTION)))
    emoforge("audit", "votes", folder, filled)
    found = answer("audit", "guarantee", folder)
    assert found["kept"] == decided > found["kept_before"]
    with Workspace.open(folder) as workspace:
        reasons = Counter(one.reason for one in workspace.decisions(found["selection"]))
    assert reasons == {"": found["kept_before"], "proven": decided - found["kept_before"]}


def test_what_was_not_heard_counts_as_wrong_and_other_listening_does_not_count(
    folder: Path, tmp_path: Path
) -> None:
    emoforge("audit", "sample", folder, tmp_path / "s", "--size", 50)
    with Workspace.open(folder, write=True) as workspace:
        (audit,) = workspace.audits()
        sample = [clip for clip, _ in audit.sample]
        heard = truth(workspace)
        # Everything that is kept, but a part of the sample: what people happened to listen to.
        votes = [
            Vote(one.candidate, "ben", heard[one.candidate], "now")
            for one in workspace.decisions(SELECTION)
            if one.keep and one.candidate not in sample[:20]
        ]
        workspace.add_votes(votes)
    found = answer("audit", "guarantee", folder, exits=1)
    assert (found["state"], found["heard"], found["unheard"]) == ("unproven", 30, 20)
    assert found["strata"]["all"]["errors"] == 20
    text = emoforge("audit", "guarantee", folder, exits=1)
    assert "20 of 50 clips of the sample have no vote" in text
    assert "20 of 50 are wrong; hear those first that have no vote" in text
    with Workspace.open(folder) as workspace:
        run = workspace.last_run()
        assert run is not None
        assert run["selection"] == SELECTION
        assert inspect_workspace(workspace).audited is None


def test_a_second_attempt_costs_confidence(folder: Path, tmp_path: Path) -> None:
    with Workspace.open(folder) as workspace:
        heard = truth(workspace)
    for seed in range(2):
        emoforge("audit", "sample", folder, tmp_path / f"s{seed}", "--size", 60, "--seed", seed)
    with Workspace.open(folder, write=True) as workspace:
        first, second = workspace.audits()
        workspace.add_votes([Vote(clip, "anna", "other", "now") for clip, _ in first.sample])
        known = {clip for clip, _ in first.sample}
        workspace.add_votes(
            [Vote(c, "anna", heard[c], "now") for c, _ in second.sample if c not in known]
        )
        workspace.add_votes(
            [Vote(c, r, heard[c], "now") for c, _ in second.sample for r in ("ben", "carla")]
        )
        assert guarantee(workspace).confidence == pytest.approx(0.9)


def test_a_sample_that_nobody_has_heard_out_takes_nothing_back(
    folder: Path, tmp_path: Path
) -> None:
    with Workspace.open(folder) as workspace:
        heard = truth(workspace)
    emoforge("audit", "sample", folder, tmp_path / "s0", "--size", 60)
    with Workspace.open(folder, write=True) as workspace:
        (first,) = workspace.audits()
        workspace.add_votes([Vote(clip, "anna", heard[clip], "now") for clip, _ in first.sample])
        alone = guarantee(workspace)
    assert (alone.state, alone.confidence) == ("certified", 0.95)
    emoforge("audit", "sample", folder, tmp_path / "s1", "--size", 60, "--seed", 1)
    with Workspace.open(folder, write=True) as workspace:
        second = workspace.audits()[-1]
        # The samples overlap, so that the second one has votes too.
        assert {clip for clip, _ in first.sample} & {clip for clip, _ in second.sample}
        after = guarantee(workspace)
    assert (after.state, after.kept, after.heard) == ("certified", alone.kept, 60)
    assert after.confidence == pytest.approx(0.9)


def test_bad_rows_are_named_and_the_good_ones_added(folder: Path, tmp_path: Path) -> None:
    with Workspace.open(folder) as workspace:
        clip = next(clip.id for clip in workspace.clips(generated=True))
    file = tmp_path / "votes.csv"
    file.write_text(f"clip,rater,emotion\n{clip},anna,sad\n{clip},ben,sadd\nx,ben,sad\n")
    done = CliRunner().invoke(app, ["audit", "votes", str(folder), str(file)])
    assert done.exit_code == 1
    assert "1 votes added" in done.output
    assert f"{file}:3: unknown emotion 'sadd': did you mean 'sad'?" in done.output
    assert f"{file}:4: unknown clip 'x'" in done.output


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["plan", "--alpha", "1"], ConfigError, "alpha=1.0: must be above 0"),
        (["plan", "--by", "emotions"], ConfigError, "did you mean 'emotion'"),
        (["plan", "--among", "keep"], ConfigError, "did you mean 'kept'"),
        (["sample", "{out}", "--real", "2"], ConfigError, "real=2.0"),
        (["sample", "{out}", "--size", "3", "--by", "emotion"], ConfigError, "4 strata"),
    ],
)
def test_what_cannot_be_used(
    folder: Path, tmp_path: Path, arguments: list[str], error: type[Exception], sentence: str
) -> None:
    command, *rest = [text.format(out=tmp_path / "out") for text in arguments]
    done = CliRunner().invoke(app, ["audit", command, str(folder), *rest])
    assert isinstance(done.exception, error)
    assert sentence in str(done.exception)


@pytest.mark.parametrize("command", ["guarantee", "plan"])
def test_where_there_is_nothing_to_audit(tmp_path: Path, command: str) -> None:
    done = CliRunner().invoke(app, ["audit", command, str(tmp_path / "none")])
    assert isinstance(done.exception, WorkspaceError)
    assert not (tmp_path / "none").exists()
    recordings = tone_recordings(tmp_path / "tones")
    build(tmp_path / "begun", recordings, until="judged").close()
    done = CliRunner().invoke(app, ["audit", command, str(tmp_path / "begun")])
    assert "no run has finished here" in str(done.exception)
    build(tmp_path / "empty", recordings, keep_any=False).close()
    done = CliRunner().invoke(app, ["audit", command, str(tmp_path / "empty")])
    assert "keeps no candidate" in str(done.exception)


def test_what_is_proven_holds_on_when_the_run_is_made_again(tmp_path: Path) -> None:
    again = ("augment", "generators=[signal]")
    again += (f"workspace={tmp_path / 'w'}", "seed=7")
    before = answer(*again)["total"]["kept"]
    assert before > 8
    emoforge("audit", "sample", tmp_path / "w", tmp_path / "s", "--alpha", 0.4, "--size", before)
    with Workspace.open(tmp_path / "w") as workspace:
        labels = {clip.id: clip.emotion for clip in workspace.clips()}
        filled = fill(tmp_path / "s" / "audit.csv", workspace, labels)
    emoforge("audit", "votes", tmp_path / "w", filled)
    proven = answer("audit", "guarantee", tmp_path / "w")
    assert proven["state"] == "certified"
    assert answer(*again)["audited"]["strata"] == proven["strata"]
    page = (tmp_path / "w" / "report.html").read_text(encoding="utf-8")
    assert "At most 40.0" in page
    assert "of what is kept is wrong, with confidence 95.0" in page
