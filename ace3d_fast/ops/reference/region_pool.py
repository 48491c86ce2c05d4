"""Features averaged or summed over regions, region by region."""

from __future__ import annotations

import torch
from torch import Tensor


def region_pool(features: Tensor, labels: Tensor, num_regions: int) -> Tensor:
    """Average (N, C, T', H', W') over each region; see `ace3d_fast.ops.region_pool`."""
    sums, counts = region_sums(features, labels, num_regions)
    return sums / counts.clamp(min=1)[..., None]


def region_sums(features: Tensor, labels: Tensor, num_regions: int) -> tuple[Tensor, Tensor]:
    """Sum (N, C, T', H', W') over each region; see `ace3d_fast.ops.region_sums`."""
    maps = labels if labels.ndim == 5 else labels[:, None]
    for axis in (-3, -2, -1):
        finer = max(features.shape[axis], maps.shape[axis])
        features = features.index_select(axis, _nearest(features.shape[axis], finer))
        maps = maps.index_select(axis, _nearest(maps.shape[axis], finer))
    sums = features.new_zeros(features.shape[0], num_regions, features.shape[1])
    counts = torch.zeros(features.shape[0], num_regions, dtype=torch.int64)
    for region in range(num_regions):
        masks = (maps == region).sum(dim=1)
        counts[:, region] = masks.sum(dim=(1, 2, 3))
        sums[:, region] = torch.einsum("ncthw,nthw->nc", features, masks.to(features.dtype))
    return sums, counts


def _nearest(size: int, finer: int) -> Tensor:
    return torch.arange(finer) * size // finer
