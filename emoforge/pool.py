"""Worker processes that end with the process that started them."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any

from threadpoolctl import threadpool_limits

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def process_pool(
    workers: int, setup: Callable[..., None] | None = None, *arguments: Any
) -> ProcessPoolExecutor:
    """A pool of processes, each of which first calls `setup(*arguments)`.

    A server process that holds no threads forks them: safe beside torch, and quick. They use
    one thread each, for they share the cores.
    """
    return ProcessPoolExecutor(
        workers, get_context("forkserver"), initializer=_start, initargs=(setup, arguments)
    )


def _start(setup: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    threadpool_limits(1)
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # for libraries that are loaded later
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupt ends a worker without a word
    threading.Thread(target=_leave_with_driver, daemon=True).start()
    if setup is not None:
        setup(*arguments)


def _leave_with_driver() -> None:
    """End this worker when the driver is gone, even by kill -9: its queue would never tell.

    The driver, not the server process: that one lives as long as its workers do.
    """
    driver = parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
