"""Connectivity of label maps, by scikit-image's rule."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_counts, check_flag, check_tensor, check_volume

_MAX_CUDA_VOXELS = (2**31 - 1) // 6 - 1  # a walk numbers voxels by six sides in 32 bits


def enforce_connectivity(
    labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int], *, repair: bool = True
) -> tuple[Tensor, Tensor]:
    """Make every region connected, as scikit-image's ``slic`` does: merge the small, cut the large.

    Parameters
    ----------
    labels : (N, S, T, H, W) int32
        Label maps; negative values are background and become -1.
    min_sizes : S integers
        Components below so many voxels join the neighbour that a breadth-first walk meets last, for each of
        the S maps.
    max_sizes : S integers
        Components end at so many voxels; the rest becomes another.
    repair : bool
        Have a small component that meets no neighbour with a new label join, with those that join it, the
        first region in scan order that they touch, or be a region where they touch none. Without it, it
        shares the label of the next region, wherever that lies, as in scikit-image up to 0.26 (issue 8295).

    Returns
    -------
    labels : (N, S, T, H, W) int32
        New labels from 0, in scan order of the regions.
    num_labels : (N, S) int32
        How many there are.

    Raises
    ------
    InputError
        Another shape or type, or sizes that are no integers of at least 0 (``max_sizes``: 1).
    """
    least, most = _check("enforce_connectivity", labels, min_sizes, max_sizes, repair)
    connected, num_labels = torch.ops.ace3d.enforce_connectivity(labels.contiguous(), least, most, repair)
    return connected, num_labels


def enforce_connectivity_(
    labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int], *, repair: bool = True
) -> Tensor:
    """Do what `enforce_connectivity` does in the memory of ``labels``, which has to be contiguous.

    Returns
    -------
    (N, S) int32
        How many labels there are.
    """
    where = "enforce_connectivity_"
    least, most = _check(where, labels, min_sizes, max_sizes, repair)
    if not labels.is_contiguous():
        raise InputError(expected(where, "labels", "to be contiguous", f"strides {labels.stride()}"))
    num_labels: Tensor = torch.ops.ace3d.enforce_connectivity_(labels, least, most, repair)
    return num_labels


def check_maps(where: str, labels: Tensor) -> int:
    """Refuse ``labels`` unless they are (N, S, T, H, W) int32 with S of at least 1; returns S."""
    check_tensor(where, "labels", labels, dims=("N", "S", "T", "H", "W"), dtypes=(torch.int32,))
    check_volume(where, "labels", labels)
    if labels.shape[1] < 1:
        raise InputError(expected(where, "labels", "with at least one map", f"shape {tuple(labels.shape)}"))
    if labels.device.type == "cuda" and labels.shape[2:].numel() > _MAX_CUDA_VOXELS:
        wanted = f"with at most {_MAX_CUDA_VOXELS} voxels a volume on a GPU"
        raise InputError(expected(where, "labels", wanted, f"shape {tuple(labels.shape)}"))
    return labels.shape[1]


def _check(
    where: str, labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int], repair: bool
) -> tuple[list[int], list[int]]:
    num_maps = check_maps(where, labels)
    check_flag(where, "repair", repair)
    least = check_counts(where, "min_sizes", min_sizes, least=0, length=num_maps)
    return least, check_counts(where, "max_sizes", max_sizes, least=1, length=num_maps)


@register_fake("enforce_connectivity")
def _(
    labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int], repair: bool
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(labels), labels.new_empty(labels.shape[:2])


@register_fake("enforce_connectivity_")
def _(labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int], repair: bool) -> Tensor:
    return labels.new_empty(labels.shape[:2])
