"""Features reduced over regions, region by region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.ops.region_pool import Reduce

_REDUCTIONS: dict[str, Callable[..., NDArray[np.float64]]] = {"mean": np.mean, "sum": np.sum, "max": np.max}


@overload
def region_pool(features: Tensor, labels: Tensor, num_regions: int, *, reduce: Reduce = "mean") -> Tensor: ...


@overload
def region_pool(
    features: Tensor, labels: Tensor, num_regions: Sequence[int], *, reduce: Reduce = "mean"
) -> list[Tensor]: ...


def region_pool(
    features: Tensor, labels: Tensor, num_regions: int | Sequence[int], *, reduce: Reduce = "mean"
) -> Tensor | list[Tensor]:
    """Reduce (N, C, T', H', W') over each region; see `ace3d_fast.ops.region_pool`."""
    maps = labels if labels.ndim == 5 else labels[:, None]
    if isinstance(num_regions, int):
        return _reduce(features, maps, num_regions, reduce)
    return [_reduce(features, maps[:, s : s + 1], count, reduce) for s, count in enumerate(num_regions)]


def region_sums(features: Tensor, labels: Tensor, num_regions: int) -> tuple[Tensor, Tensor]:
    """Sum (N, C, T', H', W') over each region, and count; see `ace3d_fast.ops.region_sums`."""
    sums = region_pool(features, labels, num_regions, reduce="sum")
    return sums, region_pool(features, labels, num_regions, reduce="count")


def _reduce(features: Tensor, maps: Tensor, num_regions: int, reduce: Reduce) -> Tensor:
    values = features.detach().double().cpu().numpy()
    regions = maps.cpu().numpy()
    for axis in (-3, -2, -1):
        finer = max(values.shape[axis], regions.shape[axis])
        values = values.take(_nearest(values.shape[axis], finer), axis)
        regions = regions.take(_nearest(regions.shape[axis], finer), axis)
    num_clips, num_channels = values.shape[:2]
    counts = np.zeros((num_clips, num_regions), np.int64)
    pooled = np.zeros((num_clips, num_regions, num_channels))
    for clip, region in np.ndindex(num_clips, num_regions):
        # A point counts once in each map that has it in the region.
        points = np.concatenate([values[clip][:, mask] for mask in regions[clip] == region], axis=1)
        counts[clip, region] = points.shape[1]
        if points.size and reduce != "count":
            pooled[clip, region] = _REDUCTIONS[reduce](points, axis=1)
    if reduce == "count":
        return torch.from_numpy(counts).to(features.device)
    half = features.dtype in (torch.float16, torch.bfloat16)
    dtype = torch.float32 if half and reduce == "sum" else features.dtype
    return torch.from_numpy(pooled).to(features.device, dtype)


def _nearest(size: int, finer: int) -> NDArray[np.int64]:
    return np.arange(finer) * size // finer
