"""`emoforge judge card`: from real clips to the card, its page, and the reports that link to it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report_browser import CONTRASTS, SMALLEST_CONTRAST, browser, opened
from typer.testing import CliRunner

import emoforge
from emoforge.augment import AugmentConfig, JudgeCard, augment, card_judge, inspect_workspace
from emoforge.cli import app
from emoforge.config import compose
from emoforge.errors import ConfigError
from emoforge.label import BASIC4
from emoforge.progress import Progress
from emoforge.selection.judges import (
    EmbeddedJudge,
    HeadRecipe,
    Heads,
    card_path,
    fit_head,
    read_card,
    save_card,
)
from emoforge.selection.judges.card import SECTIONS, page
from emoforge.workspace import Vote, Workspace

__all__ = ["browser"]

QUIET = Progress(quiet=True)
SHIPPED = Path(emoforge.__file__).parent / "selection" / "judges" / "weights" / "card.json"


def run(few: Path, folder: Path, *overrides: str) -> None:
    base = [
        "corpus=manifest", f"corpus.manifest={few}", f"workspace={folder}", "export=[]",
        "generators=[signal]", "splits=[train,dev,test]", "runner.workers=0", "seed=1",
    ]  # fmt: skip
    augment(compose("augment", [*base, *overrides], AugmentConfig), progress=QUIET)


def measured(few: Path, *overrides: str) -> dict[str, Any]:
    config = compose("judge_card", [f"corpus.manifest={few}", *overrides], JudgeCard)
    return card_judge(config, QUIET)


@pytest.fixture
def workspace(few: Path, tmp_path: Path) -> Path:
    """Real clips of two speakers, disturbed copies of them, and two raters' votes on these."""
    folder = tmp_path / "w"
    run(few, folder)
    with Workspace.open(folder, write=True) as opened:
        opened.add_votes(
            [
                Vote(clip.id, rater, clip.emotion if i % 3 else "other", "2026-11-21")
                for i, clip in enumerate(opened.clips(generated=True))
                for rater in ("ann", "ben")
            ]
        )
    return folder


def test_a_card_of_real_clips(
    few: Path, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new" / "card.json"
    encoded: list[int] = []
    encode = EmbeddedJudge.encode

    def counted(self: EmbeddedJudge, audios: Any) -> Any:
        encoded.append(len(audios))
        return encode(self, audios)

    monkeypatch.setattr(EmbeddedJudge, "encode", counted)
    card = measured(few, f"workspace={workspace}", f"out={out}")
    with Workspace.open(workspace) as opened_workspace:
        rejected = 16 - inspect_workspace(opened_workspace).total.judged
    # What the workspace has encoded is not encoded again: batches and speed take 12 alone, all
    # twice, one to warm up and all once.
    assert sum(encoded) <= rejected + 12 + 2 * 12 + 1 + 16
    written = read_card(out)
    assert written is not None
    assert {"card": str(out), "page": str(out.with_suffix(".html")), **written} == card
    assert set(SECTIONS) <= set(card)
    assert card["digest"] == EmbeddedJudge().weights
    assert card["measured"]["corpora"] == {"manifest": {"clips": 16, "speakers": 2}}
    assert card["measured"]["made"] == {"signal": 16}
    assert card["measured"]["recordings"] == {"manifest": 16}
    assert card["measured"]["familiar"] == []
    assert card["human"]["basic4"]["manifest"]["clips"] == 16
    assert card["source_probe"]["signal"]["speakers"] == 2
    assert 0 <= card["source_probe"]["signal"]["within"]["value"] <= 1
    assert card["source_probe"]["signal"]["left_out"] is None  # there is no other generator
    agreement = card["votes"]["basic4"]["signal"]
    assert (agreement["votes"], agreement["raters"], agreement["raters_alpha"]) == (32, 2, 1)
    assert 0 <= agreement["accuracy"]["value"] <= 10 / 16
    assert card["batch_invariance"]["ok"]
    # The evaluation that training wrote on the card of these weights is still there.
    shipped = read_card(SHIPPED)
    assert shipped is not None
    assert card["evaluation"] == shipped["evaluation"]
    assert card["trained"] == shipped["trained"]


def test_without_a_workspace_machines_are_not_measured(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.json"
    save_card({"judge": "x", "schemes": {}, "digest": "other weights", "votes": {}}, out)
    card = measured(few, f"out={out}", "judge.device=cpu")
    assert card["source_probe"] is None
    assert card["votes"] is None
    assert card["digest"] == EmbeddedJudge().weights


def test_what_the_encoder_learned_is_familiar_to_a_head_too(few: Path, tmp_path: Path) -> None:
    embeddings = np.random.default_rng(0).normal(size=(8, 1, 192)).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[np.arange(8) % 4]
    head = fit_head(embeddings, targets, BASIC4, HeadRecipe())
    file = tmp_path / "head.safetensors"
    about = {"corpora": {"other": 8}}
    Heads(EmbeddedJudge().encoder, {"basic4": head}, HeadRecipe(), about).save(file)
    card = measured(few, "corpus.name=emodb", f"judge.head={file}")
    assert card["measured"]["familiar"] == ["emodb"]
    assert card["measured"]["training_known"] is True
    assert card["trained"] == about


def test_the_shipped_card_is_not_overwritten_by_accident(few: Path) -> None:
    with pytest.raises(ConfigError, match="comes with emoforge"):
        measured(few)
    with pytest.raises(ConfigError, match=r"written as \.json"):
        measured(few, "out=card.html")


def test_the_card_goes_where_the_judge_looks_for_it(few: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    card = measured(few, f"judge.card={mine}")
    assert card["card"] == str(card_path(EmbeddedJudge(card=str(mine)))) == str(mine)


def test_the_command_prints_what_the_function_returns(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.json"
    arguments = ["judge", "card", f"corpus.manifest={few}", f"out={out}"]
    shown = CliRunner().invoke(app, [*arguments, "--json"])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["card"] == str(out)
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert f"card: {out.with_suffix('.html')}" in shown.stdout.replace("\n", "")


def test_the_shipped_card_and_its_pages_belong_together() -> None:
    card = read_card(SHIPPED)
    assert card is not None
    assert card["digest"] == EmbeddedJudge().weights
    assert card["key"] == EmbeddedJudge().key
    assert set(SECTIONS) <= set(card)
    assert SHIPPED.with_name("CARD.md").read_text(encoding="utf-8") == page(card)
    html = SHIPPED.with_suffix(".html").read_text(encoding="utf-8")
    assert card["digest"] in html
    assert len(html) < 200_000


def test_reports_link_to_the_card_or_say_that_there_is_none(few: Path, tmp_path: Path) -> None:
    run(few, tmp_path / "with")
    report = (tmp_path / "with" / "report.html").read_text(encoding="utf-8")
    assert 'href="judge-card.html"' in report
    assert (tmp_path / "with" / "judge-card.html").is_file()
    with Workspace.open(tmp_path / "with") as opened_workspace:
        judge = inspect_workspace(opened_workspace).to_dict()["judge"]
    assert judge["qualified"]
    assert judge["card"] == str(SHIPPED)

    run(few, tmp_path / "without", f"judge.card={tmp_path}/nowhere.json")
    report = (tmp_path / "without" / "report.html").read_text(encoding="utf-8")
    assert "unqualified judge" in report
    assert "judge-card.html" not in report
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "without")])
    assert "UNQUALIFIED: it has no report card" in shown.stdout.replace("\n", " ")


# --- in the browser --------------------------------------------------------------------------


@pytest.fixture
def card_page(few: Path, workspace: Path, tmp_path: Path) -> Path:
    measured(few, f"workspace={workspace}", f"out={tmp_path}/card.json")
    return tmp_path / "card.html"


@pytest.mark.parametrize("which", ["measured", "shipped"])
def test_the_page_opens_from_disk_and_can_be_read(
    browser: Any,
    request: pytest.FixtureRequest,
    which: str,
) -> None:
    place = SHIPPED.with_suffix(".html")
    if which == "measured":
        place = request.getfixturevalue("card_page")
    for scheme in ("light", "dark"):
        page, heard = opened(browser, place, color_scheme=scheme)
        for width in (320, 375, 768, 1200):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        worst = page.evaluate(CONTRASTS)
        assert worst[0][0] >= SMALLEST_CONTRAST, worst
        for link in page.query_selector_all("a[href^='#']"):
            assert page.query_selector(str(link.get_attribute("href"))) is not None
        assert heard == [place.as_uri()]
        page.context.close()


def test_the_link_in_the_report_leads_to_the_card(
    browser: Any,
    few: Path,
    tmp_path: Path,
) -> None:
    run(few, tmp_path / "w")
    (tmp_path / "w").rename(tmp_path / "moved")
    page, _ = opened(browser, tmp_path / "moved" / "report.html")
    page.click("a[href='judge-card.html'] >> nth=0")
    assert "report card" in page.title()
    page.context.close()
