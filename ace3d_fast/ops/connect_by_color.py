"""Connectivity of label maps: small parts join the neighbour of the nearest colour."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_beside, check_counts, check_tensor
from ace3d_fast.ops.connectivity import check_maps


def connect_by_color(labels: Tensor, colors: Tensor, min_sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Make every region connected; parts that are too small join the neighbour most like them.

    The 6-connected components of at least the least size are regions. In rounds, each component that is left
    and touches a region joins one: that of the component it touches whose mean colour is nearest to its own,
    the first in scan order among equals. What background cuts off from every region starts regions from the
    components that touch no such component earlier in scan order.

    Parameters
    ----------
    labels : (N, S, T, H, W) int32
        Label maps; negative values are background and become -1.
    colors : (N, T, H, W, C) uint8
        Colours of the voxels.
    min_sizes : S integers
        Components below so many voxels join another.

    Returns
    -------
    labels : (N, S, T, H, W) int32
        New labels from 0, in scan order of the regions.
    num_labels : (N, S) int32
        How many there are.

    Raises
    ------
    InputError
        Another shape or type, colours of another size, or sizes that are no integers of at least 0.
    """
    where = "connect_by_color"
    num_maps = check_maps(where, labels)
    check_tensor(where, "colors", colors, dims=("N", "T", "H", "W", "C"), dtypes=(torch.uint8,))
    check_beside(where, "colors", colors, labels)
    if (colors.shape[0], *colors.shape[1:4]) != (labels.shape[0], *labels.shape[2:]):
        fact = f"labels {tuple(labels.shape)} and colors {tuple(colors.shape)}"
        raise InputError(expected(where, "colors", "of the same clips as labels", fact))
    least = check_counts(where, "min_sizes", min_sizes, least=0, length=num_maps)
    connected, num_labels = torch.ops.ace3d.connect_by_color(labels.contiguous(), colors.contiguous(), least)
    return connected, num_labels


@register_fake("connect_by_color")
def _(labels: Tensor, colors: Tensor, min_sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    return torch.empty_like(labels), labels.new_empty(labels.shape[:2])
