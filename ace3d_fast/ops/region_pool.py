"""Features averaged or summed over regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_count, check_tensor, check_volume

_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def region_pool(features: Tensor, labels: Tensor, num_regions: int) -> Tensor:
    """Average ``features`` over each region of ``labels``.

    Parameters
    ----------
    features : (N, C, T', H', W') float32, float64, float16 or bfloat16
        On any grid; differentiable.
    labels : (N, T, H, W) or (N, S, T, H, W) int32
        Region of each voxel, in one map or in S maps; values outside ``[0, num_regions)`` are background.
        Along each axis features and labels are both read on the finer of the two grids (nearest).
    num_regions : int
        R; a region lies in one map only.

    Returns
    -------
    (N, R, C), type of ``features``
        Means; 0 for a region without voxels.

    Raises
    ------
    InputError
        Another shape or type, or batches that differ.
    """
    sums, counts = region_sums(features, labels, num_regions)
    return sums / counts.clamp(min=1).unsqueeze(-1).to(sums.dtype)


def region_sums(features: Tensor, labels: Tensor, num_regions: int) -> tuple[Tensor, Tensor]:
    """Sum ``features`` over each region, and count its points; parameters as of `region_pool`.

    Returns
    -------
    sums : (N, R, C), type of ``features``
    counts : (N, R) int64
        Points of the finer grid in each region.

    Raises
    ------
    InputError
        Another shape or type, or batches that differ.
    """
    where = "region_pool"
    check_tensor(where, "features", features, dims=("N", "C", "T'", "H'", "W'"), dtypes=_DTYPES, cpu=False)
    if isinstance(labels, Tensor) and labels.ndim == 4:
        labels = labels.unsqueeze(1)
    check_tensor(where, "labels", labels, dims=("N", "S", "T", "H", "W"), dtypes=(torch.int32,), cpu=False)
    for name, tensor in (("features", features), ("labels", labels)):
        check_volume(where, name, tensor)
    if labels.shape[0] != features.shape[0]:
        fact = f"{labels.shape[0]} label maps and {features.shape[0]} feature maps"
        raise InputError(expected(where, "labels", "for each clip of features", fact))
    if labels.device != features.device:
        raise InputError(
            expected(where, "labels", f"on {features.device}, beside the features", str(labels.device))
        )
    check_count(where, "num_regions", num_regions, least=0)
    dtype = features.dtype
    wide = features if dtype in (torch.float32, torch.float64) else features.float()
    sums, counts = torch.ops.ace3d.region_sums(wide.contiguous(), labels.contiguous(), num_regions)
    return sums.to(dtype), counts


def _spread(grad_sums: Tensor, labels: Tensor, grid: Sequence[int]) -> Tensor:
    device = grad_sums.device
    if device.type == "cuda":  # a gather of a few values, done where its kernel is
        grad_sums, labels = grad_sums.cpu(), labels.cpu()
    grad: Tensor = torch.ops.ace3d.region_spread(grad_sums.contiguous(), labels, grid)
    return grad.to(device)


@register_fake("region_sums")
def _(features: Tensor, labels: Tensor, num_regions: int) -> tuple[Tensor, Tensor]:
    num_clips, channels = features.shape[:2]
    sums = features.new_empty((num_clips, num_regions, channels))
    return sums, labels.new_empty((num_clips, num_regions), dtype=torch.int64)


@register_fake("region_spread")
def _(grad_sums: Tensor, labels: Tensor, grid: Sequence[int]) -> Tensor:
    return grad_sums.new_empty((grad_sums.shape[0], grad_sums.shape[2], *grid))


def _keep_sums(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: tuple[Tensor, Tensor]) -> None:
    features, labels, _ = inputs
    ctx.grid = list(features.shape[2:])
    ctx.save_for_backward(labels)
    ctx.mark_non_differentiable(output[1])


def _sums_backward(ctx: Any, grad_sums: Tensor, grad_counts: Tensor | None) -> tuple[Tensor, None, None]:
    (labels,) = ctx.saved_tensors
    return _spread(grad_sums, labels, ctx.grid), None, None


def _keep_spread(ctx: Any, inputs: tuple[Tensor, Tensor, Sequence[int]], output: Tensor) -> None:
    grad_sums, labels, _ = inputs
    ctx.num_regions = grad_sums.shape[1]
    ctx.save_for_backward(labels)


def _spread_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    (labels,) = ctx.saved_tensors
    sums, _ = torch.ops.ace3d.region_sums(grad.contiguous(), labels, ctx.num_regions)
    return sums, None, None


torch.library.register_autograd("ace3d::region_sums", _sums_backward, setup_context=_keep_sums)
torch.library.register_autograd("ace3d::region_spread", _spread_backward, setup_context=_keep_spread)
