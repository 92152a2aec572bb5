"""The report in a real browser, opened from disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from built_workspace import build, real_recordings
from pages import ARGUMENTS, CHROMIUM, CONTRASTS

from emoforge.augment.report import write_report
from emoforge.augment.report.listening import CLIPS
from emoforge.workspace import Workspace

SMALLEST_CONTRAST = 4.5
"""WCAG 2.2, level AA, for text."""

# Every player's duration once its header is read, or the error.
DURATIONS = """() => Promise.all([...document.querySelectorAll('audio')].map(
  a => new Promise(done => {
    const say = () => done(a.error ? a.error.message : a.duration);
    if (a.readyState >= 1 || a.error) say();
    else { a.onloadedmetadata = say; a.onerror = say; a.load(); }
  })
))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any]]:
    folder = tmp_path_factory.mktemp("browser")
    with build(folder / "nemo-run", real_recordings(shared, "nemo", every=12)) as workspace:
        yield write_report(workspace, folder / "report.html"), workspace


def opened(browser: Any, report: Path, **look: Any) -> tuple[Any, list[str]]:
    """The page in a new context, and a list of all that it complains of or asks for."""
    page = browser.new_context(**look).new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("request", lambda request: heard.append(request.url[:100]))
    page.goto(report.as_uri())
    return page, heard


def test_opens_from_disk_and_asks_for_nothing(browser: Any, report: tuple[Path, Workspace]) -> None:
    page, heard = opened(browser, report[0])
    durations = page.evaluate(DURATIONS)
    assert len(durations) == 2 * CLIPS
    lengths = [clip.duration for clip in report[1].clips()]
    assert all(min(lengths) - 0.1 < d < max(lengths) + 0.1 for d in durations), durations
    asked = [line for line in heard if not line.startswith("data:")]
    assert asked == [report[0].as_uri()]
    for link in page.query_selector_all("nav a"):
        assert page.query_selector(str(link.get_attribute("href"))) is not None
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_and_can_be_read(browser: Any, report: tuple[Path, Workspace], scheme: str) -> None:
    page, _ = opened(browser, report[0], color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in (320, 375, 768, 1200):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    worst = page.evaluate(CONTRASTS)
    assert worst[0][0] >= SMALLEST_CONTRAST, worst
    page.context.close()


def test_a_clip_plays(browser: Any, report: tuple[Path, Workspace]) -> None:
    page, _ = opened(browser, report[0])
    played = page.evaluate(
        """async () => {
          const audio = document.querySelector('audio');
          audio.muted = true;
          await audio.play();
          await new Promise(done => { audio.ontimeupdate = () => audio.currentTime && done(); });
          return audio.currentTime;
        }"""
    )
    assert played > 0
    page.context.close()
