"""The page says what was found, shows it, and can be read by anyone, anywhere."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from observations import RATES, RESULTS, observed
from pages import ARGUMENTS, CHROMIUM, CONTRASTS, Page

from emoforge.codecs.report.figures import COLOURS, curves, scale, style
from emoforge.codecs.report.observed import Observed
from emoforge.codecs.report.page import Listened, Sound, write_page
from emoforge.codecs.report.summary import Row, Summary, summarise

FEW = {name: RATES[name] for name in ("codec2", "mulaw", "opus")}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }} &amp; \u202e"
CAUTION = "The judge learnt from recordings of emodb."


@cache
def world() -> tuple[Summary, Observed]:
    made = observed(
        rates=FEW,
        clips=24,
        failed={"opus@6": {"AudioError": 3}},
        about={"cautions": [CAUTION], "judge": {"name": "embedded"}, "versions": {"av": "1.2.3"}},
        notes=("The judge has no dimensions.",),
    )
    return summarise(made), made


def listened(text: str = "Das will sie am Mittwoch abgeben.") -> Listened:
    sound = (files("emoforge") / "starter" / "takumi_neutral_1.flac").read_bytes()
    uri = f"data:audio/flac;base64,{b64encode(sound).decode()}"
    return Listened(
        "emodb/03a01Wa",
        "emodb",
        "emodb_03",
        "angry",
        text,
        "de",
        [
            Sound("original", uri, "angry"),
            Sound("opus@6", uri, "sad"),
            Sound("mulaw@64", uri, None),
        ],
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_page(*world(), [listened()], out)
    return out


def test_the_page_has_everything_and_loads_nothing(written: Path) -> None:
    html = written.read_text(encoding="utf-8")
    page = Page(html)
    summary, made = world()
    for condition in made.conditions:
        assert condition.name in page.text
    for group in summary.groups:
        for sentences in group.sentences.values():
            for sentence in sentences:
                assert sentence in page.text
    for result in RESULTS:
        assert result.title in page.text
    for words in (CAUTION, "The judge has no dimensions.", "AudioError", "av: 1.2.3"):
        assert words in page.text
    assert [path.name for path in written.parent.iterdir()] == ["report.html"]
    sources = [
        str(value)
        for _, attrs in page.tags
        for name, value in attrs.items()
        if name in ("src", "href")
    ]
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "url(" not in html
    anchors = {str(attrs["href"])[1:] for attrs in page.all("a")}
    assert anchors == {str(attrs["id"]) for attrs in page.all("section")}


def test_the_heat_map_marks_what_is_shown(written: Path) -> None:
    summary, _ = world()
    html = written.read_text(encoding="utf-8")
    cells = re.findall(r'<td class="(?:loss|gain)( shown)?"[^>]* title="([^"]*)">(.*?)</td>', html)
    wanted = [
        row for row in summary.rows if row.number in ("uar", "recall") and row.kind != "original"
    ]
    assert len(cells) == len(wanted)
    assert sum(bool(mark) for mark, _, _ in cells) == sum(bool(row.shown) for row in wanted) > 10
    assert all(("*" in text) == bool(mark) for mark, _, text in cells)


def test_sounds_are_side_by_side_with_what_was_heard(written: Path) -> None:
    page = Page(written.read_text(encoding="utf-8"))
    players = page.all("audio")
    assert [player["aria-label"] for player in players] == ["original", "opus@6", "mulaw@64"]
    assert all(player["preload"] == "none" for player in players)
    assert "Das will sie am Mittwoch abgeben." in page.text
    chips = [attrs["class"] for attrs in page.all("span") if "chip" in str(attrs.get("class"))]
    assert chips[-2:] == ["chip kept", "chip rejected"]
    assert "no answer" in page.text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    _, made = world()
    hostile = replace(
        made,
        corpora=[f"{name}{HOSTILE}" for name in made.corpora],
        failed={"opus@6": {HOSTILE: 1}},
        about={"cautions": [HOSTILE], "judge": HOSTILE},
        notes=[HOSTILE],
    )
    write_page(summarise(hostile), hostile, [listened(HOSTILE)], tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.all("script") == page.all("img") == []
    assert "{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize(
    "how",
    [
        {"speakers": 1},
        {"emotions": ["sad"]},
        {"views": []},
        {"rates": {}},
        {"rates": {"mulaw": (64,)}, "speakers": 2, "views": ["frozen"]},
    ],
)
def test_little_to_say_still_makes_a_page(how: dict[str, Any], tmp_path: Path) -> None:
    made = observed(**{"rates": FEW, "corpora": ["emodb"], "clips": 12, **how})
    summary = summarise(made)
    write_page(summary, made, [], tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "No clip was chosen to listen to." in page.text
    assert "Nothing: every clip came through every codec and was heard." in page.text
    for note in summary.groups[0].notes if summary.views else []:
        assert note in page.text
    assert ("Nobody has listened" in page.text) == (not summary.views)
    assert "nan" not in page.text
    assert "None" not in page.text


def test_curves_stand_at_their_rates_and_losses() -> None:
    summary, _ = world()
    group = summary.groups[0]
    rows = [row for row in summary.ranking(group, "frozen") if row.kind == "codec"]
    anchors = [row for row in summary.ranking(group, "frozen") if row.kind == "anchor"]
    (panel,) = curves({"UAR": (rows, anchors)}, style(["codec2", "mulaw", "opus"]))
    dots = re.findall(r'class="curve k2 c2 solid">.*?class="dot" d="(.*?)"', str(panel.picture))
    places = [tuple(map(float, pair)) for pair in re.findall(r"M(\S+) (\S+)h0", dots[0])]
    own = sorted((row for row in rows if row.codec == "opus"), key=lambda row: row.kbps or 0)
    assert len(places) == len(own) == len(RATES["opus"])
    across = {float(label): place for place, label in panel.across}
    down = {float(label.replace("−", "-")): place for place, label in panel.down}
    per_octave = (across[32] - across[2]) / 4
    per_point = (down[-10] - down[0]) / 10
    for (left, top), row in zip(places, own, strict=True):
        assert row.kbps is not None
        assert row.difference is not None
        assert left == pytest.approx(across[2] + per_octave * np.log2(row.kbps / 2), abs=0.02)
        assert top == pytest.approx(down[0] - 100 * row.difference * per_point, abs=0.02)
    # The random label would flatten all curves: it is told instead.
    assert [text.split(" −")[0] for text in panel.below] == ["random label"]
    assert [label for _, label in panel.lines] == ["low-pass 3.5 kHz"]


def test_no_two_codecs_look_alike() -> None:
    looks = style([f"codec{i}" for i in range(4 * COLOURS)]).values()
    assert len({look.split(" ", 1)[1] for look in looks}) == 4 * COLOURS


def test_scales_hold_every_interval() -> None:
    summary, _ = world()
    rows: list[Row] = [row for row in summary.rows if row.number == "recall"]
    codecs = [row for row in rows if row.kind == "codec"]
    found = scale(codecs, [row for row in rows if row.kind == "anchor"])
    for row in codecs:
        for end in (row.difference, row.low, row.high):
            if end is not None:
                assert 0 <= found.place(end) <= 100
    assert (found.place(0), "0") in found.ticks()
    assert 3 <= len(found.ticks()) <= 8


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield made
        made.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_in_a_browser(browser: Any, written: Path, width: int, colours: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(written.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    contrasts = page.evaluate(CONTRASTS)
    assert contrasts[0][0] >= 4.5, contrasts
    # One group and one view at a time; a choice changes what is seen in every section.
    for group, view in (("g0", "v0"), ("g2", "v1")):
        page.locator(f"#{group}").check(force=True)
        page.locator(f"#{view}").check(force=True)
        seen = page.evaluate(
            "[...document.querySelectorAll('.g .v')].filter(e => e.offsetHeight)"
            ".map(e => [e.parentElement.className, e.className])"
        )
        assert seen == [[f"g {group}", f"v {view}"]] * 4
    # One codec alone.
    page.locator("#k1").check(force=True)
    faint = page.evaluate(
        "[...document.querySelectorAll('.panels .curve')].filter(e => e.checkVisibility())"
        ".map(e => [e.classList.contains('k1'), getComputedStyle(e).opacity === '1'])"
    )
    assert faint
    assert all(own == clear for own, clear in faint)
    assert said == []
    page.close()
