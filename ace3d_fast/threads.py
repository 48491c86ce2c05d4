"""How many threads torch computes with, and calls in several threads of this process."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch compute on one thread: sums come in one order, and timings compare like with like."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def map_on_threads(calls: Sequence[Callable[[Item], Result]], items: Iterable[Item]) -> Iterator[Result]:
    """Yield a result for each of ``items``, in their order.

    Each of ``calls`` has a thread, and torch computes on one thread in each; which of them gets an item is
    left to chance. ``items`` are taken in the caller's thread, at most one more than there are calls ahead.

    Raises
    ------
    Exception
        What a call raised, at its place in the order.
    """
    free: queue.SimpleQueue[Callable[[Item], Result]] = queue.SimpleQueue()
    for call in calls:
        free.put(call)

    def work(item: Item) -> Result:
        mine = free.get()
        try:
            return mine(item)
        finally:
            free.put(mine)

    pool = ThreadPoolExecutor(len(calls), "compute", torch.set_num_threads, (1,))
    waiting: deque[Future[Result]] = deque()
    with one_torch_thread(), pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > len(calls):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
