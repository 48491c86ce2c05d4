"""Connectivity of label maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_counts, check_tensor, check_volume


def enforce_connectivity(
    labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Make every region connected, as scikit-image's ``slic`` does: merge the small, cut the large.

    Parameters
    ----------
    labels : (N, S, T, H, W) int32
        Label maps; negative values are background and stay -1.
    min_sizes : S integers
        Components below so many voxels join a neighbour, for each of the S maps.
    max_sizes : S integers
        Components end at so many voxels; the rest becomes another.

    Returns
    -------
    labels : (N, S, T, H, W) int32
        New labels from 0, in scan order of the components.
    num_labels : (N, S) int32
        How many there are.

    Raises
    ------
    InputError
        Another shape or type, or sizes that are no integers of at least 0 (``max_sizes``: 1).

    Notes
    -----
    A small component that meets no neighbour with a new label becomes part of region 0, wherever that lies
    (scikit-image issue 8295).
    """
    where = "enforce_connectivity"
    check_tensor(where, "labels", labels, dims=("N", "S", "T", "H", "W"), dtypes=(torch.int32,))
    check_volume(where, "labels", labels)
    num_maps = labels.shape[1]
    if num_maps < 1:
        raise InputError(expected(where, "labels", "with at least one map", f"shape {tuple(labels.shape)}"))
    least = check_counts(where, "min_sizes", min_sizes, least=0, length=num_maps)
    most = check_counts(where, "max_sizes", max_sizes, least=1, length=num_maps)
    connected, num_labels = torch.ops.ace3d.enforce_connectivity(labels.contiguous(), least, most)
    return connected, num_labels


@register_fake("enforce_connectivity")
def _(labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    return torch.empty_like(labels), labels.new_empty(labels.shape[:2])
