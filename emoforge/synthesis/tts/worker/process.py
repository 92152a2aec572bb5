"""A child process that is spoken to in lines of JSON, and that may misbehave.

It leads a process group of its own, which is killed as one. Its standard error is always read, so
that it never waits for us, and its end is kept for the sentence that says what went wrong.
"""

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from emoforge.errors import EmoforgeError

GARBAGE_LINES = 100
"""So many lines in a row that are no messages are passed over."""
LONGEST_LINE = 1 << 20
"""A message is at most so long, bytes."""
_KEPT = 4096
"""Bytes of the end of the standard error that are kept."""


class WorkerError(EmoforgeError):
    """A worker process that cannot be started, or does not do what was asked of it."""


class LostError(WorkerError):
    """The process is of no more use: it ended, hung, or sent what nobody can read."""


class Deadline:
    """A moment some seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left, 0 when it has passed."""
        return max(0.0, self._end - time.monotonic())


class Child:
    """A running child process."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        """Start it. log: its standard error is added to this file. Raises WorkerError."""
        self._garbage: list[bytes] = []
        self._said = b""
        self._complaint = b""
        try:
            self._log = log.open("ab", buffering=0) if log else None
        except OSError as error:
            raise WorkerError(f"{log}: the log cannot be written ({error.strerror})") from error
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            if self._log:
                self._log.close()
            raise WorkerError(f"{command[0]}: cannot be started ({error.strerror})") from error
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._in, self._out, self._err = (cast(IO[bytes], pipe) for pipe in pipes)
        os.set_blocking(self._in.fileno(), False)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def send(self, message: Mapping[str, Any], deadline: Deadline) -> None:
        """Write a message; raises LostError if the child does not take it."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        while data:
            self._wait(self._in.fileno(), select.POLLOUT, deadline)
            try:
                data = data[os.write(self._in.fileno(), data) :]
            except BrokenPipeError:
                raise LostError(self._end()) from None

    def receive(self, deadline: Deadline) -> dict[str, Any]:
        """The next message: an object with a text as `type`; other lines are passed over.

        Raises LostError if the child ends or sends none in time, or too much that is none.
        """
        while True:
            line, newline, rest = self._said.partition(b"\n")
            if newline:
                self._said = rest
                if message := _message(line):
                    self._garbage.clear()
                    return message
                self._pass_over(line)
                continue
            if len(line) > LONGEST_LINE:
                raise LostError(f"it sent a line of over {LONGEST_LINE} bytes, {_quoted(line)}")
            self._wait(self._out.fileno(), select.POLLIN, deadline)
            data = os.read(self._out.fileno(), 1 << 16)
            if not data:
                raise LostError(self._end())
            self._said += data

    def end(self, patience: float = 0.0) -> None:
        """End it and all that it started; patience: seconds in which it may go by itself."""
        self._in.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        # It may have ended and left others behind: the group lives as long as one of them.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join(1.0)
        self._out.close()
        if not self._listener.is_alive():
            self._err.close()
            if self._log:
                self._log.close()

    @property
    def complaint(self) -> str:
        """The last line of its standard error, "" where there is none."""
        lines = self._complaint.replace(b"\r", b"\n").split(b"\n")
        last = next((line for line in reversed(lines) if line.strip()), b"")
        return last.decode(errors="replace").strip()[:300].rstrip(".")

    def _wait(self, descriptor: int, event: int, deadline: Deadline) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(deadline.left() * 1000):
            raise LostError(f"it did not answer within {deadline.seconds:g} s")

    def _pass_over(self, line: bytes) -> None:
        if line.strip():
            self._garbage.append(line)
        if len(self._garbage) > GARBAGE_LINES:
            raise LostError(
                f"it sent {len(self._garbage)} lines that are no messages, such as "
                f"{_quoted(self._garbage[0])}"
            )

    def _end(self) -> str:
        """How it ended, once its output is closed, with the last that it complained of."""
        try:
            status = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        self._listener.join(1.0)
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        return f"it ended ({how})" + (f": {self.complaint}" if self.complaint else "")

    def _listen(self) -> None:
        while data := os.read(self._err.fileno(), 1 << 16):
            self._complaint = (self._complaint + data)[-_KEPT:]
            if self._log:
                with suppress(OSError):  # a full disk is no reason to stop listening
                    self._log.write(data)


def _message(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def _quoted(line: bytes) -> str:
    return repr(line[:80].decode(errors="replace"))
