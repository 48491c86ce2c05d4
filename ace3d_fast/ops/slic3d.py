"""3D SLIC supervoxels, without connectivity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import (
    check_count,
    check_counts,
    check_finite,
    check_positive,
    check_tensor,
    check_triple,
    check_volume,
)
from ace3d_fast.ops.seeds import seed_grid


def slic3d(
    volume: Tensor,
    num_regions: Sequence[int],
    *,
    compactness: float,
    num_iterations: int = 10,
    spacing: float | Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Cut volumes into supervoxels by k-means over position and colour, at several resolutions.

    Parameters
    ----------
    volume : (N, C, T, H, W) float32 or float64
        Colours (Lab from 0 to 100) or any features. float64 gives the labels of scikit-image's core, bit for
        bit; float32 is fast.
    num_regions : S integers
        About how many regions each of the S maps is to have.
    compactness : float
        Weight of position against colour.
    num_iterations : int
    spacing : float or three floats (T, H, W)
        Distance between voxels along each axis. It scales distances and leaves the seeds where they are.

    Returns
    -------
    (N, S, T, H, W) int32
        Index of the nearest centre, from 0. A region may fall apart: see `enforce_connectivity`.

    Raises
    ------
    InputError
        Another shape or type, NaN or infinities, or an option out of range.

    References
    ----------
    Achanta et al., SLIC superpixels compared to state-of-the-art superpixel methods, TPAMI 2012.
    """
    where = "slic3d"
    check_tensor(
        where, "volume", volume, dims=("N", "C", "T", "H", "W"), dtypes=(torch.float32, torch.float64)
    )
    check_volume(where, "volume", volume)
    if volume.shape[1] < 1:
        raise InputError(
            expected(where, "volume", "with at least one channel", f"shape {tuple(volume.shape)}")
        )
    check_finite(where, "volume", volume)
    counts = check_counts(where, "num_regions", num_regions, least=1)
    weight = check_positive(where, "compactness", compactness)
    check_count(where, "num_iterations", num_iterations, least=1)
    distances = check_triple(where, "spacing", spacing, zero=False)
    grids: list[int] = []
    for count in counts:
        grid = seed_grid(volume.shape[2:], count)
        grids += [*grid.start, *grid.step, *grid.window]
    labels: Tensor = torch.ops.ace3d.slic3d(
        volume.contiguous(), grids, weight, num_iterations, list(distances)
    )
    return labels


@register_fake("slic3d")
def _(
    volume: Tensor, grids: Sequence[int], compactness: float, num_iterations: int, spacing: Sequence[float]
) -> Tensor:
    return volume.new_empty((volume.shape[0], len(grids) // 9, *volume.shape[2:]), dtype=torch.int32)
