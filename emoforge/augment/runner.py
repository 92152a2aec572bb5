"""The local runner: batches of work in this process, or in a pool of worker processes.

A worker that dies (a C library that crashes) costs one item: the batches that were in flight
are done again item by item, and the item that kills its worker again has failed.
"""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Generic, Protocol, TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")
TaskItem = TypeVar("TaskItem", contravariant=True)
TaskResult = TypeVar("TaskResult", covariant=True)

_PARENT_POLL_S = 1.0


class Job(Protocol[TaskItem, TaskResult]):
    """What workers run; it is pickled once a worker."""

    def run(self, batch: Sequence[TaskItem]) -> Sequence[TaskResult]:
        """Do a batch, one result an item."""

    def crashed(self, item: TaskItem) -> TaskResult:
        """The result of an item that killed its worker."""


@dataclass(frozen=True)
class LocalRunner(Generic[Item, Result]):
    """Runs a job's batches. workers: processes; 0 runs all in this one."""

    job: Job[Item, Result]
    workers: int

    def run(self, batches: Iterable[Sequence[Item]]) -> Iterator[Sequence[Result]]:
        """Results batch by batch, in the order in which they are done.

        Batches are taken as workers come free, so a long list is never held.
        """
        if self.workers == 0:
            yield from map(self.job.run, batches)
            return
        waiting = iter(batches)
        flying: dict[Future[Sequence[Result]], Sequence[Item]] = {}
        pool = self._pool(self.workers)
        try:
            while True:
                while len(flying) < 2 * self.workers and (batch := next(waiting, None)) is not None:
                    flying[pool.submit(_run, batch)] = batch
                if not flying:
                    return
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                broken: list[Sequence[Item]] = []
                for future in done:
                    batch = flying.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        broken.append(batch)
                if broken:
                    broken += flying.values()
                    flying.clear()
                    pool.shutdown(wait=False, cancel_futures=True)
                    for batch in broken:
                        yield self._one_by_one(batch)
                    pool = self._pool(self.workers)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _one_by_one(self, batch: Sequence[Item]) -> list[Result]:
        results: list[Result] = []
        pool = self._pool(1)
        for item in batch:
            try:
                results += pool.submit(_run, [item]).result()
            except BrokenProcessPool:
                results.append(self.job.crashed(item))
                pool = self._pool(1)
        pool.shutdown(wait=False)
        return results

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        # A server process that holds no threads forks the workers: safe beside torch, and quick.
        return ProcessPoolExecutor(
            workers, get_context("forkserver"), initializer=_start, initargs=(self.job,)
        )


_worker_job: Job[Any, Any]


def _start(job: Job[Any, Any]) -> None:
    global _worker_job
    _worker_job = job
    threadpool_limits(1)  # workers share the cores; threads of each would only get in the way
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what an interrupt means
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()


def _leave_with_parent(parent: int) -> None:
    """End this worker when the driver is gone, even by kill -9: its queue would never tell.

    The parent is the server process, which ends with the driver.
    """
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_S)
    os._exit(1)


def _run(batch: Sequence[Any]) -> Sequence[Any]:
    return _worker_job.run(batch)
