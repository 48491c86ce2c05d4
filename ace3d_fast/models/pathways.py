"""Regions of a clip as each pathway of a network sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ace3d_fast.models.grids import Pathway
from ace3d_fast.ops import region_pool

RegionPool = Callable[[Tensor, Tensor, int], Tensor]


def pool_pathways(
    grid: Tensor,
    labels: Tensor,
    num_regions: int,
    pathways: Sequence[Pathway],
    pool: RegionPool = region_pool,
) -> Tensor:
    """Average a grid over regions, each pathway's channels over the regions in the frames it sees.

    A region that a pathway sees in none of its frames is averaged over the cells nearest to it in time.

    Parameters
    ----------
    grid : (N, C, T', H', W') float
    labels : (N, T, H, W) or (N, S, T, H, W) int32
        Regions at all frames of the clip.
    num_regions : int
    pathways : sequence of Pathway
        Of the C channels, in their order.
    pool : callable
        `ace3d_fast.ops.region_pool` or its twin in `ace3d_fast.ops.reference`.

    Returns
    -------
    (N, num_regions, C) Tensor
    """
    if all(pathway.frame_stride == 1 for pathway in pathways):
        return pool(grid, labels, num_regions)
    parts = torch.split(grid, [pathway.num_channels for pathway in pathways], 1)
    return torch.cat(
        [
            _pool_sampled(part, labels, num_regions, pathway.frame_stride, pool)
            for part, pathway in zip(parts, pathways, strict=True)
        ],
        2,
    )


def pathway_sizes(labels: Tensor, num_regions: int, pathways: Sequence[Pathway]) -> Tensor:
    """Voxels of each region that a channel stands for, (N, R, C) float32, or (N, R, 1) where all are alike.

    A pathway that sees every k-th frame counts each voxel in these frames k times.
    """
    if all(pathway.frame_stride == 1 for pathway in pathways):
        return _count(labels, num_regions)[..., None].float()
    parts = []
    for num_channels, stride in pathways:
        sizes = _count(labels[..., ::stride, :, :], num_regions) * stride
        parts.append(sizes[..., None].expand(-1, -1, num_channels))
    return torch.cat(parts, 2).float()


def _count(labels: Tensor, num_regions: int) -> Tensor:
    """(N, R) int64: voxels of each region."""
    inside = labels.flatten(1).clamp(-1, num_regions).long() + 1
    return torch.stack([torch.bincount(clip, minlength=num_regions + 2)[1:-1] for clip in inside])


def _pool_sampled(grid: Tensor, labels: Tensor, num_regions: int, stride: int, pool: RegionPool) -> Tensor:
    grid = grid.contiguous()
    if stride == 1:
        return pool(grid, labels, num_regions)
    seen = labels[..., ::stride, :, :].contiguous()
    if seen.shape[-3] < grid.shape[2]:  # a joined grid, its cells repeated along time
        grid = grid[:, :, :: grid.shape[2] // seen.shape[-3]].contiguous()
    means = pool(grid, seen, num_regions)
    missed = _count(seen, num_regions) == 0
    if not bool(missed.any()):
        return means
    return torch.where(missed[..., None], pool(grid, labels, num_regions), means)
