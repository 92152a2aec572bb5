"""`emoforge antispoof evaluate` on a small real workspace, and its page in a real browser."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emodb import manifest_of
from pages import ARGUMENTS, CHROMIUM, CONTRASTS, Page
from typer.testing import CliRunner

from emoforge.augment import AugmentConfig, augment
from emoforge.augment.antispoofing import AntispoofConfig
from emoforge.augment.antispoofing.figure import strips
from emoforge.augment.antispoofing.trial import Trial, load_trial
from emoforge.cli.antispoof import antispoof
from emoforge.config import compose
from emoforge.errors import ConfigError, WorkspaceError
from emoforge.progress import Progress
from emoforge.workspace import Workspace

SPLITS = {
    "emodb_03": "train", "emodb_08": "train", "emodb_11": "dev", "emodb_09": "test",
    "emodb_10": "test",
}  # fmt: skip
QUICK = ("seeds=2", "jobs=0", "training.epochs=2", "training.more=1", "training.seconds=0.5")


def built(shared: Path, folder: Path, splits: dict[str, str] = SPLITS, made: str = "") -> str:
    """A workspace of real clips: three of two emotions of each speaker, and two attacks."""
    manifest = manifest_of(shared, folder, splits, ("anger", "neutral"))
    overrides = [
        "corpus=manifest",
        "corpus.name=emodb",
        "corpus.outside=true",
        f"corpus.manifest={manifest}",
        f"workspace={folder / 'w'}",
        "generators=[signal,codec]",
        "generators.signal.operations=[noise]",
        "generators.codec.codecs=[alaw@64]",
        f"splits=[{made or 'train,dev,test'}]",
        "export=[]",
        "runner.workers=0",
    ]
    augment(compose("augment", overrides, AugmentConfig), progress=Progress(quiet=True))
    return str(folder / "w")


@pytest.fixture(scope="module")
def workspace(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return built(shared, tmp_path_factory.mktemp("antispoof"))


@pytest.fixture(scope="module")
def evaluated(workspace: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one evaluation, which does not know the attack `codec`."""
    out = tmp_path_factory.mktemp("evaluated")
    evaluate(workspace, out, "unseen=[codec]")
    return out


def evaluate(workspace: str, out: Path, *more: str) -> dict[str, Any]:
    """What the command prints as JSON; raises its error."""
    arguments = [f"workspace={workspace}", f"out={out}", *QUICK, *more, "--json"]
    shown = CliRunner().invoke(antispoof, ["evaluate", *arguments])
    if shown.exception and not isinstance(shown.exception, SystemExit):
        raise shown.exception
    result: dict[str, Any] = json.loads(shown.stdout)
    return result


def test_what_is_measured(evaluated: Path) -> None:
    found = json.loads((evaluated / "antispoof.json").read_text("utf-8"))
    assert found["names"] == ["angry", "neutral"]
    assert found["speakers_by_split"] == {"train": 2, "dev": 1, "test": 2}
    assert found["counts"]["train"]["bonafide"] == {"angry": 6, "neutral": 6}
    assert "codec" not in found["counts"]["train"]
    assert {row["of"]: row["seen"] for row in found["attacks"]} == {"codec": False, "signal": True}
    assert [row["of"] for row in found["overall"]] == ["all", "seen attacks", "unseen attacks"]
    whole, seen, unseen = found["overall"]
    assert whole["bonafide"] == seen["bonafide"] == unseen["bonafide"] == 12
    assert whole["spoof"] == seen["spoof"] + unseen["spoof"]
    assert sum(row["spoof"] for row in found["emotions"]) == whole["spoof"]
    for row in (*found["overall"], *found["emotions"], *found["attacks"]):
        for system in ("pooled", "gated", "oracle"):
            assert 0 <= row[system]["low"] <= row[system]["high"] <= 1
        difference = row["gated"]["value"] - row["pooled"]["value"]
        assert row["difference"]["value"] == pytest.approx(difference)
    # Noise of 15 to 25 dB below the speech is heard by the regression in the stored clips.
    signal = next(row for row in found["attacks"] if row["of"] == "signal")
    assert signal["before"]["value"] < 0.25
    assert found["before"].keys() == found["after"].keys() == {"all", "alone", "without"}
    assert len(found["before"]["alone"]) == 8
    assert "2 test speakers" in found["cautions"][0]
    assert any("learnt from emodb" in caution for caution in found["cautions"])
    assert found["left_out"] == {}


def test_the_same_command_goes_on_and_says_the_same(workspace: str, evaluated: Path) -> None:
    before = json.loads((evaluated / "antispoof.json").read_text("utf-8"))
    files = sorted(evaluated.rglob("*.safetensors"))
    assert {path.parent.name for path in files} == {"seed0", "seed1"}
    assert {path.stem for path in files} == {"start", "pooled", "angry", "neutral"}
    times = [path.stat().st_mtime_ns for path in files]
    again = evaluate(workspace, evaluated, "unseen=[codec]")
    assert again == before
    assert [path.stat().st_mtime_ns for path in files] == times


def test_the_terminal_shows_it(workspace: str, evaluated: Path) -> None:
    arguments = [f"workspace={workspace}", f"out={evaluated}", *QUICK, "unseen=[codec]"]
    shown = CliRunner().invoke(antispoof, ["evaluate", *arguments], env={"COLUMNS": "100"})
    assert shown.exit_code == 0, shown.exception
    text = " ".join(shown.stdout.split())
    for words in ("Equal error rates", "neutral", "codec, unseen", "gated ensemble",
                  "Eight low-level features"):  # fmt: skip
        assert words in text


def test_what_cannot_be_evaluated_is_said(workspace: str, shared: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'angry'"):
        evaluate(workspace, tmp_path / "o", "emotions=[angri]")
    with pytest.raises(ConfigError, match="there is no attack 'hts': known: codec, signal"):
        evaluate(workspace, tmp_path / "o", "unseen=[hts]")
    with pytest.raises(ConfigError, match="there is no spoofed train clip: make candidates"):
        evaluate(workspace, tmp_path / "o", "unseen=[signal,codec]")
    with pytest.raises(ConfigError, match="0 bona fide train clips of sad, 5 or more are needed"):
        evaluate(workspace, tmp_path / "o", "emotions=[angry,sad]")
    with pytest.raises(ConfigError, match="seeds=0: must be 1 or more"):
        evaluate(workspace, tmp_path / "o", "seeds=0")
    with pytest.raises(ConfigError, match=r"preparation: band=.*: must be two frequencies"):
        evaluate(workspace, tmp_path / "o", "preparation.band=[50.0,9000.0]")
    with pytest.raises(ConfigError, match="'out' needs a value"):
        compose("antispoof", [f"workspace={workspace}"], AntispoofConfig)
    with Workspace.open(tmp_path / "empty", write=True):
        pass
    with pytest.raises(WorkspaceError, match="no run has finished here; run emoforge augment"):
        evaluate(str(tmp_path / "empty"), tmp_path / "o")
    assert not (tmp_path / "o").exists()


@pytest.fixture(scope="module")
def trial(workspace: str) -> Trial:
    with Workspace.open(workspace) as opened:
        selection = opened.selection_config((opened.last_run() or {})["selection"]) or {}
        return load_trial(opened, selection, None, [])


def test_a_trial_that_shows_nothing_is_refused(trial: Trial) -> None:
    trial.check()
    one = np.char.replace(trial.speakers, "emodb_10", "emodb_09")
    with pytest.raises(ConfigError, match="the test split has one speaker"):
        replace(trial, speakers=one).check()
    shared = np.char.replace(trial.speakers, "emodb_10", "emodb_03")
    with pytest.raises(ConfigError, match=r"1 speakers are in more than one split \(emodb_03\)"):
        replace(trial, speakers=shared).check()
    only_train = replace(trial, splits=np.where(trial.spoof, "train", trial.splits))
    with pytest.raises(ConfigError, match=r"no spoofed dev clip: .*splits=\[train,dev,test\]"):
        only_train.check()


def test_a_spoof_counts_for_the_speaker_of_its_source(trial: Trial) -> None:
    for clip, speaker in zip(trial.clips, trial.speakers.tolist(), strict=True):
        assert speaker == f"emodb\t{clip.speaker}"
        assert clip.split == SPLITS[clip.speaker]
    assert trial.probabilities.min() >= 0
    assert trial.probabilities.sum(1).max() <= 1 + 1e-6


def test_pictures_keep_within_their_scale() -> None:
    rows = [{"a": {"value": v, "low": v - 0.03, "high": v + 0.2}} for v in (-0.4, 0.0, 0.123)]
    drawn = strips(rows, {"a": "selected"}, mark=0.5)
    places = [place for place, _ in drawn.ticks]
    assert (places[0], places[-1]) == pytest.approx((0, 100))
    assert drawn.ticks[0][1] <= -0.43
    assert drawn.ticks[-1][1] >= 0.5
    assert len(drawn.pictures) == 3


def test_the_page_is_well_formed_and_says_the_numbers(evaluated: Path) -> None:
    found = json.loads((evaluated / "antispoof.json").read_text("utf-8"))
    html = (evaluated / "antispoof.html").read_text("utf-8")
    page = Page(html)
    text = " ".join(page.text.split())
    assert found["verdict"][0] in text
    for row in (*found["overall"], *found["emotions"], *found["attacks"]):
        assert f"{100 * row['pooled']['value']:.1f} [" in text
    names = {str(tag.get("id")) for _, tag in page.tags}
    assert all(str(link["href"])[1:] in names for link in page.all("a"))


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_in_a_browser(evaluated: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for scheme in ("light", "dark"):
            page = browser.new_context(color_scheme=scheme).new_page()
            heard: list[str] = []
            page.on("console", lambda message, heard=heard: heard.append(message.text))
            page.on("request", lambda request, heard=heard: heard.append(request.url))
            page.goto((evaluated / "antispoof.html").as_uri())
            assert [line for line in heard if not line.startswith("data:")] == [
                (evaluated / "antispoof.html").as_uri()
            ]
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            for width in (320, 768, 1200):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CONTRASTS)[0][0] >= 4.5
        browser.close()
