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
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests themselves run in the background, interrupts come ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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


def test_idle_workers_end_with_a_driver_that_was_killed() -> None:
    program = (
        "import time\n"
        "from emoforge.pool import process_pool\n"
        "pool = process_pool(2)\n"
        "[work.result() for work in [pool.submit(time.sleep, 0.2) for _ in range(4)]]\n"
        "print('up', flush=True)\n"
        "time.sleep(100)\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "up\n"
    family = psutil.Process(driver.pid).children(recursive=True)
    assert len(family) >= 3
    driver.kill()
    driver.communicate()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
