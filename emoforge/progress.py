"""Progress of long work: bars with rates and ETA on a terminal, JSON lines otherwise.

Everything goes to standard error; standard output is for results.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]
"""Call it with the number of items that have just been done."""

_LINE_EVERY_S = 2.0


class Progress:
    """Shows one stage after another; `stage` gives the function to advance it with."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Show a stage of `total` items while the block runs."""
        if self._quiet or total == 0:
            yield lambda _: None
        elif self._terminal:
            with _bar(name, total) as advance:
                yield advance
        else:
            with _lines(name, total) as advance:
                yield advance

    def note(self, text: str) -> None:
        """Say one thing beside the progress."""
        if not self._quiet:
            line = text if self._terminal else json.dumps({"note": text}, ensure_ascii=False)
            print(line, file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def _bar(name: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:.1f}/s")

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=total)
        yield lambda count: bars.advance(task, count)


@contextmanager
def _lines(name: str, total: int) -> Iterator[Advance]:
    began = last = time.monotonic()
    done = 0

    def line() -> None:
        rate = done / max(time.monotonic() - began, 1e-9)
        eta = round((total - done) / rate, 1) if rate else None
        values = {
            "stage": name,
            "done": done,
            "total": total,
            "per_s": round(rate, 2),
            "eta_s": eta,
        }
        print(json.dumps(values), file=sys.stderr, flush=True)  # noqa: T201

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            line()

    yield advance
    line()
