"""The documentation is true: its commands and code run, in the order of the page."""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/guide.md", "docs/worker.md")


@dataclass(frozen=True)
class Block:
    """A code block: its language, its text, its line, and the file that it is, or ""."""

    language: str
    text: str
    line: int
    file: str


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        before = text[: match.start()]
        named = re.search(r"`([\w./-]+\.\w+)`:\s*$", before)
        line = before.count("\n") + 1
        found.append(Block(match[1], match[2], line, named[1] if named else ""))
    return found


def run(block: Block, folder: Path, environment: dict[str, str]) -> str:
    """What a block prints; fails with the block's place if it does."""
    command = (
        ["bash", "-euo", "pipefail", "-c", block.text]
        if block.language == "bash"
        else [sys.executable, "-W", "error", "-c", block.text]
    )
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    shown = (
        f"line {block.line}:\n{block.text}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    assert done.returncode == 0, shown
    return done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    here = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{here}:{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def database(postgresql: str) -> str:
    return postgresql.format(database="postgres")


@pytest.mark.timeout(1200)  # dozens of commands with runs in them
def test_the_guide(
    tmp_path: Path, environment: dict[str, str], shared: Path, database: str
) -> None:
    (tmp_path / "nemo").symlink_to(shared / "corpora" / "nemo")
    (tmp_path / "voices").symlink_to(shared / "weights" / "hts_voices")
    (tmp_path / "ratings").symlink_to(shared / "reference" / "codec_mushra")
    environment["DATABASE"] = database
    shown = ""
    for block in blocks("docs/guide.md"):
        if block.language in ("bash", "python"):
            shown += run(block, tmp_path, environment)
        else:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    assert "identical: all" in shown
    assert "made from starter/" in shown
    assert (tmp_path / "first" / "report.html").exists()
    assert (tmp_path / "set" / "README.md").exists()
    assert (tmp_path / "team" / "report.html").exists()
    assert (tmp_path / "told" / "antispoof.html").exists()
    assert "watermark: yes" in shown
    assert not (tmp_path / "other").exists(), "a dry run made a workspace"


def test_the_generator_of_contributing(tmp_path: Path, environment: dict[str, str]) -> None:
    page = blocks("CONTRIBUTING.md")
    for block in page:
        if block.file:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    # What installing a package with that pyproject.toml leaves.
    (entry,) = [tomllib.loads(block.text) for block in page if block.language == "toml"]
    info = tmp_path / "telephone-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: telephone\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in entries.items())
        for group, entries in entry["project"]["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (command,) = [block for block in page if block.language == "bash"]
    run(command, tmp_path, environment)
    shown = run(Block("bash", "emoforge inspect W", command.line, ""), tmp_path, environment)
    assert re.search(r"telephone +all +40 +40 +(3\d|40) ", shown), shown


def test_pages_name_only_what_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"
        commands = "\n".join(block.text for block in blocks(page))
        for target in re.findall(r"^(?:\$ )?make (\w+)", commands, re.M):
            assert re.search(rf"^{target}:", makefile, re.M), f"{page}: make {target}"


def test_every_command_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "typer", "emoforge.cli", "utils", "docs", "--name", "emoforge"],
        capture_output=True,
        text=True,
        check=True,
    )
    commands = re.findall(r"^#+ `(emoforge[\w ]*)`", done.stdout, re.M)
    groups = {command.rpartition(" ")[0] for command in commands}
    assert len(commands) > 8
    for command in sorted({*commands} - groups):
        assert f"\n{command} " in guide or f"\n{command}\n" in guide, (
            f"{command} is not in the guide"
        )
