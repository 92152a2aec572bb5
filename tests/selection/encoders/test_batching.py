"""Batches: order, budget, memory that runs out, clips that fail, several replicas."""

import threading
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emoforge.errors import AudioError, ConfigError
from emoforge.selection.judges.encoders.batching import (
    device_list,
    in_batches,
    moved,
)


class Worker:
    """Answers each item with ten times itself; keeps the batches that it was given."""

    def __init__(self, room: int = 10**9, bad: tuple[int, ...] = ()) -> None:
        self.room, self.bad = room, bad
        self.batches: list[list[int]] = []

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        if len(batch) * max(batch) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        if set(batch) & set(self.bad):
            raise RuntimeError("cuDNN error: what\nmore")
        return [10 * item for item in batch]


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 200), st.integers(1, 3))
def test_every_item_is_answered_once_in_order_and_within_the_budget(
    items: list[int], budget: int, count: int
) -> None:
    workers = [Worker() for _ in range(count)]
    assert in_batches(workers, items, items, budget) == [10 * item for item in items]
    batches = [batch for worker in workers for batch in worker.batches]
    assert sorted(item for batch in batches for item in batch) == sorted(items)
    assert all(len(batch) == 1 or len(batch) * max(batch) <= budget for batch in batches)


def test_items_of_alike_length_come_together_the_longest_first() -> None:
    worker = Worker()
    in_batches([worker], [1, 9, 2, 8, 1, 2], [1, 9, 2, 8, 1, 2], 18)
    assert worker.batches == [[9, 8], [2, 2, 1, 1]]


def test_a_batch_that_does_not_fit_is_halved_and_later_ones_stay_below() -> None:
    worker = Worker(room=16)
    items = [4] * 40
    assert in_batches([worker], items, items, 128) == [40] * 40
    sizes = [len(batch) for batch in worker.batches]
    assert sizes == [32, 16, 8] + [4] * 10  # what did not fit is not tried again


def test_the_processors_own_message_counts_as_out_of_memory() -> None:
    def work(batch: Sequence[int]) -> list[int]:
        if len(batch) > 2:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: not enough "
                "memory: you tried to allocate 9000000000000 bytes."
            )
        return list(batch)

    assert in_batches([work], [1, 2, 3, 4, 5], [1] * 5, 5) == [1, 2, 3, 4, 5]


def test_a_clip_that_alone_does_not_fit_fails_alone() -> None:
    answers = in_batches([Worker(room=10)], [3, 99, 4], [3, 99, 4], 1000)
    assert answers[::2] == [30, 40]
    assert isinstance(answers[1], AudioError)
    assert "does not fit" in str(answers[1])


def test_a_bad_clip_takes_no_other_with_it() -> None:
    answers = in_batches([Worker(bad=(3, 5))], list(range(1, 9)), [1] * 8, 8)
    assert [a for a in answers if not isinstance(a, AudioError)] == [10, 20, 40, 60, 70, 80]
    assert str(answers[2]) == "the encoder cannot hear this clip (cuDNN error: what)"


@pytest.mark.parametrize("count", [1, 2])
def test_a_mistake_of_the_program_is_raised(count: int) -> None:
    def work(batch: Sequence[int]) -> list[int]:
        raise KeyError("mistake")

    with pytest.raises(KeyError, match="mistake"):
        in_batches([work] * count, [1, 2, 3], [1, 1, 1], 1)


def test_replicas_work_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=60)

    def work(batch: Sequence[int]) -> list[int]:
        together.wait()  # passes only when both replicas are here
        return list(batch)

    assert in_batches([work, work], [1, 2, 3, 4], [1] * 4, 1) == [1, 2, 3, 4]


def test_a_replica_has_its_threads_and_the_process_keeps_its_own() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen = in_batches(
            [lambda batch: [torch.get_num_threads()] * len(batch)] * 2, [1, 2, 3], [1] * 3, 1, 1
        )
        fresh: list[int] = []
        thread = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert (seen, torch.get_num_threads(), fresh) == ([1, 1, 1], 3, [3])
    finally:
        torch.set_num_threads(before)


def test_settings_of_torch_are_as_before() -> None:
    before = torch.backends.cudnn.allow_tf32
    in_batches([Worker()], [1], [1], 1)
    assert torch.backends.cudnn.allow_tf32 == before


def test_devices_are_listed_or_refused() -> None:
    assert device_list("cpu, cpu") == [torch.device("cpu")] * 2
    assert moved(torch.ones(2), torch.device("cpu")).tolist() == [1, 1]
    for wrong in ("cuda:99", "gpu", ""):
        with pytest.raises(ConfigError, match=f"device '{wrong}' cannot be used here") as raised:
            device_list(wrong)
        assert "\n" not in str(raised.value)
