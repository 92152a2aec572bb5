"""Worker processes: an interrupt ends them and the run at once, and says how to go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil


def test_an_interrupt_ends_everything_and_the_run_goes_on(tmp_path: Path) -> None:
    program = "from emoforge.cli import main; main()"
    settings = ["generators=[prosody,signal]", f"workspace={tmp_path / 'w'}", "runner.workers=2"]
    command = [sys.executable, "-c", program, "augment", *settings]
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    catalogue = tmp_path / "w" / "audio"
    deadline = time.monotonic() + 120
    while not any(catalogue.rglob("*.flac")) and time.monotonic() < deadline:
        time.sleep(0.1)
    family = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)  # what a terminal does at Ctrl-C
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted; the same command goes on from here" in said
    assert "Traceback" not in said
    psutil.wait_procs(family, timeout=10)
    assert not [child for child in family if child.is_running()]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
