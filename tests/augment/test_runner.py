"""The local runner: the same results in this process and in workers, and a crash costs one item."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from emoforge.augment.runner import LocalRunner


@dataclass
class Square:
    fatal: int = -1
    wrong: int = -1

    def run(self, batch: Sequence[int]) -> list[int]:
        if self.fatal in batch:
            os._exit(1)
        if self.wrong in batch:
            raise ValueError("the whole run must stop")
        return [item * item for item in batch]

    def crashed(self, item: int) -> int:
        return -item


BATCHES = [list(range(first, first + 5)) for first in range(0, 50, 5)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_item_is_done_once(workers: int) -> None:
    results = [r for batch in LocalRunner(Square(), workers).run(BATCHES) for r in batch]
    assert sorted(results) == [i * i for i in range(50)]


def test_an_item_that_kills_its_worker_fails_alone() -> None:
    results = [r for batch in LocalRunner(Square(fatal=23), 2).run(BATCHES) for r in batch]
    assert sorted(results) == sorted([i * i for i in range(50) if i != 23] + [-23])


def test_a_worker_that_dies_while_the_caller_is_busy_costs_one_item_too() -> None:
    """The pool is broken then before anybody waits for it."""
    results: list[int] = []
    for batch in LocalRunner(Square(fatal=7), 1).run(BATCHES[:4]):
        results += batch
        time.sleep(0.5)
    assert sorted(results) == sorted([i * i for i in range(20) if i != 7] + [-7])


def test_an_error_of_the_job_itself_stops_the_run() -> None:
    with pytest.raises(ValueError, match="whole run"):
        list(LocalRunner(Square(wrong=7), 2).run(BATCHES))


def test_batches_are_taken_as_workers_come_free() -> None:
    taken = 0

    def batches() -> object:
        nonlocal taken
        for batch in BATCHES:
            taken += 1
            yield batch

    results = LocalRunner(Square(), 1).run(batches())  # type: ignore[arg-type]
    next(results)
    assert taken <= 3
    results.close()
