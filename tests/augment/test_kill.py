"""A run killed at any moment continues to the same result as one that nobody disturbed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from emoforge.workspace import Workspace

KILLS = 10
TABLES = (
    "clip",
    "planned",
    "plan",
    "outcome",
    "verdict",
    "encoding",
    "score",
    "selection",
    "decision",
)


def command(manifest: Path, workspace: Path) -> list[str]:
    program = "from emoforge.cli import main; main()"
    settings = [
        "corpus=manifest",
        f"corpus.manifest={manifest}",
        "corpus.split.train=1",
        "corpus.split.dev=0",
        "corpus.split.test=0",
        "generators=[espeak,prosody,signal]",
        "runner.workers=2",
        "seed=3",
    ]
    return [sys.executable, "-c", program, "augment", *settings, f"workspace={workspace}"]


def contents(workspace: Path) -> tuple[dict[str, list[dict[str, object]]], dict[str, bytes]]:
    """All rows but the runs' own, and every audio file."""
    with Workspace.open(workspace) as opened:
        rows = {name: list(opened.table_rows(name)) for name in TABLES}
    audio = workspace / "audio"
    files = {str(p.relative_to(audio)): p.read_bytes() for p in audio.rglob("*") if p.is_file()}
    return rows, files


@pytest.mark.timeout(900)
def test_ten_kills_change_nothing(few: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    subprocess.run(command(few, tmp_path / "calm"), check=True, capture_output=True)
    length = time.monotonic() - began

    # A run that ends before its kill leaves nothing to disturb: the storm goes on in another.
    moments = random.Random(11)
    storms = [tmp_path / "storm0"]
    workers: set[int] = set()
    killed = 0
    while killed < KILLS:
        run = subprocess.Popen(
            command(few, storms[-1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0.1, 0.9) * length)
        if run.poll() is None:
            workers |= {child.pid for child in psutil.Process(run.pid).children(recursive=True)}
            run.send_signal(signal.SIGKILL)
            killed += 1
        else:
            storms.append(tmp_path / f"storm{len(storms)}")
        run.wait()

    calm_rows, calm_files = contents(tmp_path / "calm")
    assert len(calm_files) > 30
    for storm in storms:
        subprocess.run(command(few, storm), check=True, capture_output=True)
        rows, files = contents(storm)
        assert files.keys() == calm_files.keys()
        assert files == calm_files
        for name in TABLES:
            assert rows[name] == calm_rows[name], name

    # Nothing of a killed run lives on.
    deadline = time.monotonic() + 10
    while (alive := [pid for pid in workers if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not alive


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
