"""A layer's output as a grid (N, C, T', H', W'), and back.

A 5-D tensor is its own grid, and ``(tokens (N, L, C), [T', H', W'])`` says what it is. Of other outputs the
network has to tell: a module may have an attribute ``layouts``, a dict from patterns of layer names (as in
``fnmatch``) to `Layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

GRID = "a grid (N, C, T, H, W)"


@dataclass(frozen=True, slots=True)
class Layout:
    """What a network says of the outputs of some of its layers.

    Attributes
    ----------
    tokens : (int, int, int), optional
        The output is (N, L, C), alone or first in a tuple: tokens of a grid (T', H', W'), which a class
        token may precede.
    order : {"thw", "hwt"}
        Order of the tokens; the last axis changes fastest.
    channels_last : bool
        The output is (N, T', H', W', C).
    frame_strides : tuple of int
        One number for each pathway of the output: it sees every so many-th frame of the clip.
    """

    tokens: tuple[int, int, int] | None = None
    order: Literal["thw", "hwt"] = "thw"
    channels_last: bool = False
    frame_strides: tuple[int, ...] = (1,)


PLAIN = Layout()


class Pathway(NamedTuple):
    """Channels of a grid that come from one pathway, which sees every ``frame_stride``-th frame."""

    num_channels: int
    frame_stride: int


class Grid(NamedTuple):
    """A layer's output as a grid.

    Attributes
    ----------
    values : (N, C, T', H', W') float
        Of several pathways, the channels of one after the other, each as often along time as the longest.
    restore : callable
        Makes of a grid of this shape the output that the network goes on with.
    pathways : tuple of Pathway
    """

    values: Tensor
    restore: Callable[[Tensor], Any]
    pathways: tuple[Pathway, ...]


def set_layouts(module: nn.Module, layouts: dict[str, Layout]) -> None:
    """Let ``module`` say what the outputs of its layers are."""
    vars(module)["layouts"] = layouts


def find_layout(module: nn.Module, layer: str) -> Layout:
    """What ``module`` says of the output of ``layer``; the first pattern that fits."""
    layouts: dict[str, Layout] = getattr(module, "layouts", {})
    return next((layout for pattern, layout in layouts.items() if fnmatchcase(layer, pattern)), PLAIN)


def works_on_last_axis(part: nn.Module, layout: Layout) -> bool:
    """Whether ``part`` is a linear map or a norm of the last axis, so that a 5-D output is no grid."""
    said = layout.channels_last or layout.tokens is not None
    return not said and isinstance(part, nn.Linear | nn.LayerNorm)


def to_grid(output: Any, layout: Layout = PLAIN) -> Grid | None:
    """See ``output`` as a grid; None where it is none."""
    if layout.tokens is not None:
        return _named_tokens(output, layout.tokens, layout.order)
    if isinstance(output, Tensor):
        return _from_tensor(output, layout)
    if not isinstance(output, tuple | list) or len(output) < 2:
        return None
    if all(_is_volume(part) for part in output):
        return _join(output, layout.frame_strides)
    if len(output) == 2 and isinstance(output[0], Tensor):
        return _sized_tokens(output[0], output[1])
    return None


def _is_volume(output: Any) -> bool:
    return isinstance(output, Tensor) and output.dim() == 5 and output.is_floating_point()


def _from_tensor(output: Tensor, layout: Layout) -> Grid | None:
    if not _is_volume(output):
        return None
    if layout.channels_last:
        values = output.movedim(-1, 1)
        return Grid(values, lambda grid: grid.movedim(1, -1), (Pathway(values.shape[1], 1),))
    stride = layout.frame_strides[0] if len(layout.frame_strides) == 1 else 1
    return Grid(output, lambda grid: grid, (Pathway(output.shape[1], stride),))


def _join(outputs: Sequence[Tensor], frame_strides: tuple[int, ...]) -> Grid | None:
    """Join pathways that differ in channels and, by whole factors, in frames."""
    num_frames = max(part.shape[2] for part in outputs)
    places = {(len(part), *part.shape[3:]) for part in outputs}
    if len(places) > 1 or any(num_frames % part.shape[2] for part in outputs):
        return None
    if len(frame_strides) != len(outputs):
        frame_strides = (1,) * len(outputs)
    repeats = [num_frames // part.shape[2] for part in outputs]
    channels = [part.shape[1] for part in outputs]
    values = torch.cat(
        [part.repeat_interleave(count, 2) for part, count in zip(outputs, repeats, strict=True)], 1
    )
    kind = tuple if isinstance(outputs, tuple) else list

    def restore(grid: Tensor) -> Any:
        parts = zip(torch.split(grid, channels, 1), repeats, strict=True)
        steps = [part.reshape(*part.shape[:2], -1, count, *part.shape[3:]) for part, count in parts]
        return kind([part.mean(3) for part in steps])

    return Grid(values, restore, tuple(map(Pathway, channels, frame_strides)))


def _named_tokens(output: Any, size: tuple[int, int, int], order: str) -> Grid | None:
    tokens = output[0] if isinstance(output, tuple) and output else output
    if not isinstance(tokens, Tensor):
        return None
    grid = _tokens_to_grid(tokens, size, order)
    if grid is None or isinstance(output, Tensor):
        return grid
    return grid._replace(restore=lambda values: (grid.restore(values), *output[1:]))


def _sized_tokens(tokens: Tensor, size: Any) -> Grid | None:
    try:
        t, h, w = (int(side) for side in size)
    except (TypeError, ValueError):
        return None
    grid = _tokens_to_grid(tokens, (t, h, w), "thw")
    if grid is None:
        return None
    return grid._replace(restore=lambda values: (grid.restore(values), size))


def _tokens_to_grid(tokens: Tensor, size: tuple[int, int, int], order: str) -> Grid | None:
    """Tokens (N, L, C) as a grid; a class token stands aside, without gradient."""
    t, h, w = size
    if tokens.dim() != 3 or not 0 <= tokens.shape[1] - t * h * w <= 1:
        return None
    num_extra = tokens.shape[1] - t * h * w
    extra = tokens[:, :num_extra]
    values = tokens[:, num_extra:].transpose(1, 2)
    if order == "hwt":
        values = values.reshape(*values.shape[:2], h, w, t).movedim(4, 2)
    else:
        values = values.reshape(*values.shape[:2], t, h, w)

    def restore(grid: Tensor) -> Tensor:
        ordered = grid.movedim(2, 4) if order == "hwt" else grid
        return torch.cat([extra.detach(), ordered.flatten(2).transpose(1, 2)], dim=1)

    return Grid(values, restore, (Pathway(tokens.shape[2], 1),))
