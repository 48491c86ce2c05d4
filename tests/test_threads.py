from __future__ import annotations

import threading
import time

import pytest
import torch

from ace3d_fast.threads import map_on_threads


def test_results_come_in_the_order_of_the_items():
    def slow_for_even(item: int) -> int:
        time.sleep(0.02 * (item % 2 == 0))
        return item * item

    assert list(map_on_threads([slow_for_even] * 3, range(20))) == [i * i for i in range(20)]
    assert list(map_on_threads([slow_for_even], [])) == []


def test_each_call_is_made_by_one_thread_at_a_time_and_all_at_once():
    meeting = threading.Barrier(3, timeout=30)
    busy = [threading.Lock() for _ in range(3)]

    def call_of(lock):
        def call(item: int) -> int:
            assert lock.acquire(blocking=False)
            meeting.wait()  # goes on only when all three compute
            lock.release()
            return item

        return call

    assert list(map_on_threads([call_of(lock) for lock in busy], range(30))) == list(range(30))


def test_torch_computes_on_one_thread_in_each_and_as_before_afterwards():
    torch.set_num_threads(3)
    try:
        counts = list(map_on_threads([lambda _: torch.get_num_threads()] * 2, range(4)))
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(1)
    assert (counts, after) == ([1] * 4, 3)


def test_items_are_taken_a_little_ahead():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = map_on_threads([abs] * 2, items())
    assert next(results) == 0
    assert len(taken) == 3
    results.close()
    assert len(taken) == 3


def test_an_error_is_raised_at_its_place():
    def call(item: int) -> int:
        return 12 // (3 - item)

    results = map_on_threads([call] * 2, range(6))
    assert [next(results) for _ in range(3)] == [4, 6, 12]
    with pytest.raises(ZeroDivisionError):
        next(results)
