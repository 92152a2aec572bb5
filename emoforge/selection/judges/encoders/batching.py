"""Batches for torch encoders: by length, within a budget, on one device or several.

The same code serves a CPU and GPUs. A batch that does not fit is halved, and one that fails is
tried clip by clip, so that a bad clip takes no other with it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar

from emoforge.errors import AudioError, ConfigError
from emoforge.selection.judges.judge import AT_ONCE_S

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
R = TypeVar("R")

Precision = Literal["float32", "bfloat16", "float16"]
"""What an encoder computes in; pooling is float32 whatever it is."""


_BATCH_S = {"cpu": 16.0, "cuda": 480.0}
"""Seconds of audio in a batch. A processor gains nothing from more, its cache is small."""


def batch_seconds(device: str) -> float:
    """Seconds of audio in a batch that suit a device or a list of them."""
    return _BATCH_S["cpu" if device.strip().startswith("cpu") else "cuda"]


def at_once_s(devices: str, batch_s: float = 0.0) -> float:
    """Seconds to hand over at once, so that every device has a batch and one waits for it."""
    return max(AT_ONCE_S, 2 * len(devices.split(",")) * (batch_s or batch_seconds(devices)))


def in_batches(
    replicas: Sequence[Callable[[Sequence[T]], Sequence[R]]],
    items: Sequence[T],
    sizes: Sequence[int],
    budget: int,
    threads: int | None = None,
) -> list[R | AudioError]:
    """Run every item through one of the replicas; results in the order of the items.

    replicas: callables that take a batch and answer one result an item. Several are served by a
        thread each, and draw from the same batches.
    sizes: an item's length, in whatever `budget` counts. Items of alike length come together,
        the longest first; a batch padded to its longest stays within the budget, or is one item.
    threads: of the CPU for each replica; None leaves torch's own number.

    Out of memory: the batch is halved, and later ones stay below what did not fit. Another
    RuntimeError: its items are tried one by one, and those that fail get an AudioError. Any other
    exception is raised here.
    """
    import torch

    results: list[R | AudioError | None] = [None] * len(items)
    batches = _batches(sizes, budget)
    lock = threading.Lock()
    limit = [budget]
    faults: list[BaseException] = []

    def draw() -> list[int] | None:
        with lock:
            if not batches or faults:
                return None
            batch = batches.pop()
            fits = max(1, limit[0] // max(1, max(sizes[i] for i in batch)))
            if len(batch) > fits:
                batches.append(batch[fits:])
            return batch[:fits]

    def serve(work: Callable[[Sequence[T]], Sequence[R]]) -> None:
        while batch := draw():
            try:
                answers = work([items[i] for i in batch])
            except Exception as error:
                if not isinstance(error, RuntimeError):  # torch's own errors are of this kind
                    raise
                full = out_of_memory(error)
                error.__traceback__ = None  # it would keep the tensors of the batch alive
                with lock:
                    if len(batch) == 1:
                        results[batch[0]] = _refusal(error, full)
                    elif full:
                        half = len(batch) // 2
                        limit[0] = min(limit[0], half * max(sizes[i] for i in batch))
                        batches.extend([batch[half:], batch[:half]])
                    else:
                        batches.extend([i] for i in reversed(batch))
                if full:
                    _free_cache()
            else:
                for i, answer in zip(batch, answers, strict=True):
                    results[i] = answer

    def guarded(work: Callable[[Sequence[T]], Sequence[R]]) -> None:
        try:
            if threads:
                torch.set_num_threads(threads)  # of this thread
            serve(work)
        except BaseException as error:
            faults.append(error)

    with _settings_kept():
        if len(replicas) == 1:
            guarded(replicas[0])  # in this thread: PyTorch compiles in no other
        else:
            workers = [threading.Thread(target=guarded, args=(work,)) for work in replicas]
            for worker in workers:
                worker.start()
            try:
                for worker in workers:
                    worker.join()
            finally:
                batches.clear()  # interrupted: no worker begins another
    if faults:
        raise faults[0]
    return [result for result in results if result is not None]


def _batches(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Indices by falling length, cut into batches; the last of the list is to be run first."""
    batches: list[list[int]] = []
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        if batches and (len(batches[-1]) + 1) * sizes[batches[-1][0]] <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches[::-1]


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of a device's memory, or of the machine's."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


def _refusal(error: RuntimeError, full: bool) -> AudioError:
    if full:
        return AudioError("the clip alone does not fit into the device's memory; cut it shorter")
    reason = str(error).strip().partition("\n")[0]
    return AudioError(f"the encoder cannot hear this clip ({reason})")


def _free_cache() -> None:
    """Give back what CUDA's allocator holds in pieces too small for the next batch."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def device_list(text: str) -> "list[torch.device]":
    """Devices from a setting: `cpu`, `cuda:1`, or several with commas (`cuda:0,cuda:1`).

    Raises ConfigError for a device that this machine does not have.
    """
    import torch

    found = []
    for name in text.split(","):
        try:
            device = torch.device(name.strip())
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigError(
                f"device '{name.strip()}' cannot be used here ({reason}); "
                "cpu, cuda, cuda:1 and the like, or several with commas"
            ) from error
        found.append(device)
    return found


@contextmanager
def _settings_kept() -> Iterator[None]:
    """Restore the process's number of threads; convolutions on a GPU are exact, not TF32.

    TF32 would round a clip differently in another batch.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        with torch.backends.cudnn.flags(allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(threads)


def moved(tensor: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """A CPU tensor on a device; to a GPU through pinned memory, without waiting for it."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
