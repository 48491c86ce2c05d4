"""A layer's output as a grid (N, C, T', H', W'), and back.

A 5-D tensor is its own grid. Video transformers hand on ``(tokens (N, L, C), [T', H', W'])``; a class token
in front of the grid's tokens stands aside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Grid(NamedTuple):
    """A layer's output as a grid.

    Attributes
    ----------
    values : (N, C, T', H', W') float
    restore : callable
        Makes of a grid of this shape the output that the network goes on with.
    """

    values: Tensor
    restore: Callable[[Tensor], Any]


def to_grid(output: Any) -> Grid | None:
    """See ``output`` as a grid; None where it is none."""
    if isinstance(output, Tensor):
        return Grid(output, _same) if output.dim() == 5 and output.is_floating_point() else None
    if isinstance(output, (tuple, list)) and len(output) == 2 and isinstance(output[0], Tensor):
        return _tokens_to_grid(output[0], output[1])
    return None


def _same(values: Tensor) -> Tensor:
    return values


def _tokens_to_grid(tokens: Tensor, size: Any) -> Grid | None:
    try:
        t, h, w = (int(side) for side in size)
    except (TypeError, ValueError):
        return None
    if tokens.dim() != 3 or not 0 <= tokens.shape[1] - t * h * w <= 1:
        return None
    num_extra = tokens.shape[1] - t * h * w
    extra = tokens[:, :num_extra]
    values = tokens[:, num_extra:].transpose(1, 2).reshape(*tokens.shape[::2], t, h, w)

    def restore(grid: Tensor) -> tuple[Tensor, Any]:
        return torch.cat([extra.detach(), grid.flatten(2).transpose(1, 2)], dim=1), size

    return Grid(values, restore)
