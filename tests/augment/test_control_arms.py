"""`emoforge select evaluate` on a small real workspace, and its page in a real browser."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from emodb import manifest_of
from test_report_browser import ARGUMENTS, CHROMIUM, CONTRASTS, SMALLEST_CONTRAST, opened
from typer.testing import CliRunner

from emoforge.augment import ArmsConfig, AugmentConfig, augment
from emoforge.augment.control_arms.cells import run_cells
from emoforge.augment.control_arms.trial import load_trial
from emoforge.cli import app
from emoforge.config import compose
from emoforge.errors import ConfigError, WorkspaceError
from emoforge.label import BASIC4
from emoforge.progress import Progress
from emoforge.selection import TopK
from emoforge.selection.arms import Design, Trial
from emoforge.selection.judges import EmbeddedJudge, HeadRecipe
from emoforge.workspace import Workspace

SPLITS = {"emodb_03": "train", "emodb_08": "train", "emodb_09": "test", "emodb_10": "test"}


def built(shared: Path, folder: Path, splits: dict[str, str] = SPLITS) -> str:
    """A workspace of real clips: three of each emotion of each speaker."""
    manifest = manifest_of(shared, folder, splits)
    overrides = [
        "corpus=manifest",
        "corpus.name=emodb",
        "corpus.outside=true",
        f"corpus.manifest={manifest}",
        f"workspace={folder / 'w'}",
        "generators=[signal]",
        "generators.signal.copies=2",
        "generators.signal.operations=[gain,noise]",
        "export=[]",
        "runner.workers=0",
    ]
    augment(compose("augment", overrides, AugmentConfig), progress=Progress(quiet=True))
    return str(folder / "w")


@pytest.fixture(scope="module")
def workspace(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return built(shared, tmp_path_factory.mktemp("arms"))


def evaluate(workspace: str, out: Path, *more: str) -> dict[str, Any]:
    """What the command prints as JSON; raises its error."""
    arguments = [f"workspace={workspace}", f"out={out}", "seeds=2", "jobs=0", *more, "--json"]
    shown = CliRunner().invoke(app, ["select", "evaluate", *arguments])
    if shown.exception and not isinstance(shown.exception, SystemExit):
        raise shown.exception
    result: dict[str, Any] = json.loads(shown.stdout)
    return result


def test_the_arms_of_a_workspace(workspace: str, tmp_path: Path) -> None:
    shown = evaluate(workspace, tmp_path / "out", "n=[2,all]", "budgets=[0.5]")
    assert shown == json.loads((tmp_path / "out" / "arms.json").read_text("utf-8"))
    assert shown["speakers"] == 2
    assert shown["clips"] == 24
    assert shown["clips_by_emotion"]["train"] == {"angry": 6, "happy": 6, "neutral": 6, "sad": 6}
    assert shown["clips_by_emotion"]["dev"]["sad"] == 0
    assert [s["n"] for s in shown["scores"] if s["arm"] == "real"] == [2, None]
    assert {s["budget"] for s in shown["scores"]} == {None, 0.5, 1.0}
    everything = [s for s in shown["scores"] if s["arm"] == "all"]
    assert everything[0]["real"] == 8
    assert everything[0]["added"] <= 16 < everything[1]["added"] <= 48
    assert shown["taught"]["encoder"]["emodb"] > 300
    assert "The judge embedded learnt from emodb" in shown["cautions"][0]
    assert "2 test speakers cannot give a p below 0.5" in shown["verdict"]
    html = (tmp_path / "out" / "arms.html").read_text("utf-8")
    assert shown["verdict"].partition(":")[0] in html
    assert shown["qualified"] == {"qualified": True, "reason": ""}
    assert '<a href="judge-card.html">' in html
    assert "report card" in (tmp_path / "out" / "judge-card.html").read_text("utf-8")


def test_an_evaluation_goes_on_where_it_was_stopped(workspace: str, tmp_path: Path) -> None:
    whole = evaluate(workspace, tmp_path, "n=[2,all]", "budgets=[1]")
    file = tmp_path / "cells.jsonl"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    assert len(lines) == 4
    file.write_text("".join(lines[:2]) + lines[2][:100])  # killed while it wrote
    again = evaluate(workspace, tmp_path, "n=[2,all]", "budgets=[1]", "jobs=2")
    assert again == whole
    assert len(file.read_text("utf-8").splitlines()) == 2 + 2
    evaluate(workspace, tmp_path, "n=[2,all]", "budgets=[1]", "head.penalty=2.0")
    assert len(file.read_text("utf-8").splitlines()) == 4 + 4


def test_cells_of_the_same_clips_with_other_labels_are_made_anew(
    workspace: str, tmp_path: Path
) -> None:
    judge = EmbeddedJudge()
    with Workspace.open(workspace) as opened:
        selection = opened.selection_config((opened.last_run() or {})["selection"]) or {}
        trial = load_trial(opened, judge, judge, selection["gates"], BASIC4, ["train"])
    design = Design.of(TopK(), [1.0], HeadRecipe())
    file = tmp_path / "cells.jsonl"

    def kept(given: Trial) -> int:
        run_cells(given, design, [None], 1, {}, file, 0, Progress(quiet=True))
        return len(file.read_text("utf-8").splitlines())

    assert [kept(trial), kept(trial)] == [1, 1]
    turned = replace(trial.test, targets=trial.test.targets[:, ::-1])
    assert kept(replace(trial, test=turned)) == 2


def test_selectors_and_encoders_can_be_others(workspace: str, tmp_path: Path) -> None:
    own = evaluate(workspace, tmp_path / "own", "n=[all]", "budgets=[1]")
    other = evaluate(workspace, tmp_path / "b", "n=[all]", "budgets=[1]", "selector=bootstrap")
    assert other["selector"]["name"] == "bootstrap"
    pytest.importorskip("opensmile")
    measured = evaluate(workspace, tmp_path / "e", "n=[all]", "budgets=[1]", "encoder=egemaps")
    assert measured["judge"] == own["judge"]
    assert measured["encoder"].startswith("egemaps-")
    assert measured["taught"]["encoder"] == {}
    twice = ("judge.name=ensemble", "judge.members=[{name:embedded},{name:embedded}]")
    fused = evaluate(workspace, tmp_path / "f", "n=[all]", "budgets=[1]", *twice)
    assert fused["taught"]["judge"] == own["taught"]["judge"]
    assert fused["qualified"]["reason"].startswith("it has no report card")
    assert [s["added"] for s in measured["scores"]] == [s["added"] for s in own["scores"]]
    assert measured["scores"][0]["uar"] != own["scores"][0]["uar"]


def test_what_cannot_be_evaluated_is_said(workspace: str, shared: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="n=7: there are 6 real training clips of angry"):
        evaluate(workspace, tmp_path / "o", "n=[7]")
    with pytest.raises(ConfigError, match="seeds=0: must be 1 or more"):
        evaluate(workspace, tmp_path / "o", "seeds=0")
    with pytest.raises(ConfigError, match="name one size or more"):
        evaluate(workspace, tmp_path / "o", "n=[0]")
    with pytest.raises(ConfigError, match="no judge 'wav3vec'"):
        evaluate(workspace, tmp_path / "o", "encoder=wav3vec")
    with pytest.raises(ConfigError, match="'out' needs a value"):
        compose("select_evaluate", [f"workspace={workspace}"], ArmsConfig)
    with Workspace.open(tmp_path / "empty", write=True):
        pass
    with pytest.raises(WorkspaceError, match="nothing is selected yet; run emoforge augment"):
        evaluate(str(tmp_path / "empty"), tmp_path / "o")
    folder = tmp_path / "no_test"
    folder.mkdir()
    all_train = built(shared, folder, {"emodb_03": "train", "emodb_08": "dev"})
    with pytest.raises(ConfigError, match="two speakers or more, there are 0 clips of 0"):
        evaluate(all_train, tmp_path / "o")


def test_the_terminal_shows_arms_and_verdict(workspace: str, tmp_path: Path) -> None:
    arguments = [f"workspace={workspace}", f"out={tmp_path}", "seeds=1", "n=[3]", "jobs=0"]
    shown = CliRunner().invoke(app, ["select", "evaluate", *arguments])
    assert shown.exit_code == 0, shown.exception
    text = " ".join(shown.stdout.split())
    for word in ("real", "random", "selected", "all", "Selection", "The judge embedded learnt"):
        assert word in text


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(workspace: str, tmp_path: Path, scheme: str) -> None:
    from playwright.sync_api import sync_playwright

    evaluate(workspace, tmp_path, "n=[2,5,all]")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page, heard = opened(browser, tmp_path / "arms.html", color_scheme=scheme)
        asked = [line for line in heard if not line.startswith("data:")]
        assert asked == [(tmp_path / "arms.html").as_uri()]
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert len(page.query_selector_all("figure svg")) == 3
        for width in (320, 768, 1200):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        worst = page.evaluate(CONTRASTS)
        assert worst[0][0] >= SMALLEST_CONTRAST, worst
        # Every mark lies inside its picture.
        inside = page.evaluate(
            """() => [...document.querySelectorAll('.canvas')].every(canvas => {
              const box = canvas.getBoundingClientRect();
              return [...canvas.querySelectorAll('path')].every(path => {
                const own = path.getBoundingClientRect();
                return own.top >= box.top - 6 && own.bottom <= box.bottom + 6
                  && own.left >= box.left - 6 && own.right <= box.right + 6;
              });
            })"""
        )
        assert inside
        browser.close()
