"""The local runner: batches of work in this process, or in a pool of worker processes.

A worker that dies (a C library that crashes) costs one item: the batches that were in flight
are done again item by item, and the item that kills its worker again has failed.
"""

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from emoforge.pool import process_pool

Item = TypeVar("Item")
Result = TypeVar("Result")
TaskItem = TypeVar("TaskItem", contravariant=True)
TaskResult = TypeVar("TaskResult", covariant=True)


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

    def run(self, batches: Iterable[Sequence[Item]]) -> Generator[Sequence[Result], None, None]:
        """Results batch by batch, in the order in which they are done.

        Batches are taken as workers come free, so a long list is never held.
        """
        if self.workers == 0:
            yield from map(self.job.run, batches)
            return
        waiting = iter(batches)
        flying: dict[Future[Sequence[Result]], Sequence[Item]] = {}
        pool = process_pool(self.workers, _take, self.job)
        try:
            while True:
                broken: list[Sequence[Item]] = []
                while len(flying) < 2 * self.workers and (batch := next(waiting, None)) is not None:
                    try:
                        flying[pool.submit(_run, batch)] = batch
                    except BrokenProcessPool:  # while the caller was at what it got
                        broken.append(batch)
                        break
                if not flying and not broken:
                    return
                done = [] if broken else wait(flying, return_when=FIRST_COMPLETED).done
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
                    pool = process_pool(self.workers, _take, self.job)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _one_by_one(self, batch: Sequence[Item]) -> list[Result]:
        results: list[Result] = []
        pool = process_pool(1, _take, self.job)
        for item in batch:
            try:
                results += pool.submit(_run, [item]).result()
            except BrokenProcessPool:
                results.append(self.job.crashed(item))
                pool = process_pool(1, _take, self.job)
        pool.shutdown(wait=False)
        return results


_worker_job: Job[Any, Any]


def _take(job: Job[Any, Any]) -> None:
    global _worker_job
    _worker_job = job


def _run(batch: Sequence[Any]) -> Sequence[Any]:
    return _worker_job.run(batch)
