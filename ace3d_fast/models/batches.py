"""Batches as large as memory allows: where it runs out, half as many items, and on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from ace3d_fast.errors import Ace3dError, expected

Result = TypeVar("Result")


class Batches:
    """Splits work into batches, and remembers for each kind of work what fits.

    Where ``torch.OutOfMemoryError`` is raised the batch is halved and tried again; later batches of that
    kind begin with the smaller size.
    """

    def __init__(self) -> None:
        self.most: dict[str, int] = {}

    def run(
        self, kind: str, call: Callable[[Any], Result], items: Sequence[Any] | Tensor, size: int
    ) -> list[Result]:
        """Call with up to ``size`` of ``items`` (a sequence or a tensor) at a time, in their order.

        Parameters
        ----------
        kind : str
            Names the work: what fits is remembered under it.
        call : callable
            Gets a slice of ``items``. It has to be repeatable, as part of it may be lost.
        items : sequence or Tensor
        size : int
            Items of a batch, at most.

        Returns
        -------
        list
            What the calls returned.

        Raises
        ------
        Ace3dError
            Where a single item does not fit.
        """
        results: list[Result] = []
        start = 0
        while start < len(items):
            most = min(size, self.most.get(kind, size))
            batch = items[start : start + most]
            result = _attempt(call, batch)
            if result is None:
                # Outside the handler: the exception held on to the tensors of the attempt.
                if len(batch) == 1:
                    raise _too_little(f"for one item of the batches of {kind}")
                self.most[kind] = (len(batch) + 1) // 2
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                continue
            results.append(result[0])
            start += len(batch)
        return results


def _attempt(call: Callable[[Any], Result], batch: Any) -> tuple[Result] | None:
    try:
        return (call(batch),)
    except torch.OutOfMemoryError:
        return None


@contextmanager
def enough_memory(wanted: str) -> Iterator[None]:
    """Tell of a device that has too little memory for what cannot be halved.

    Raises
    ------
    Ace3dError
        Where ``torch.OutOfMemoryError`` is raised inside.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _too_little(wanted) from error


def _too_little(wanted: str) -> Ace3dError:
    return Ace3dError(expected("run", "memory", wanted, "less", "use smaller clips, or device cpu"))
