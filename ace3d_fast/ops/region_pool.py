"""Features reduced over regions: means, sums, counts and maxima."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_count, check_counts, check_tensor, check_volume, shown

Reduce = Literal["mean", "sum", "count", "max"]

_REDUCES = ("mean", "sum", "count", "max")
_MAX_CUDA_MAPS = 64
_HALF_DTYPES = (torch.float16, torch.bfloat16)
_DTYPES = (torch.float32, torch.float64, *_HALF_DTYPES)


@overload
def region_pool(features: Tensor, labels: Tensor, num_regions: int, *, reduce: Reduce = "mean") -> Tensor: ...


@overload
def region_pool(
    features: Tensor, labels: Tensor, num_regions: Sequence[int], *, reduce: Reduce = "mean"
) -> list[Tensor]: ...


def region_pool(
    features: Tensor, labels: Tensor, num_regions: int | Sequence[int], *, reduce: Reduce = "mean"
) -> Tensor | list[Tensor]:
    """Reduce ``features`` over each region of ``labels``.

    Features and labels may lie on different grids: along each axis both are read on the finer of the two
    (nearest), and every point of that grid counts once. Features are read once, however many maps there are;
    contiguous and channels_last_3d ones are read as they lie, others are copied first.

    Parameters
    ----------
    features : (N, C, T', H', W') float32, float64, float16 or bfloat16
        Differentiable. On a GPU not float64.
    labels : (N, T, H, W) or (N, S, T, H, W) int32
        Region of each voxel, in one map or in S maps; values outside ``[0, num_regions)`` are background.
    num_regions : int or sequence of int
        R, the regions of the map, or of all S maps, which then share one numbering; or S numbers, one for
        each map, whose regions are then told apart.
    reduce : {"mean", "sum", "count", "max"}
        Sums are accumulated in float32 and float64 in an order that depends on nothing but the shapes and
        labels: the same bits for any layout of the features, number of threads and instruction set. A NaN
        reaches the regions it lies in, and no other. The gradient of a maximum goes to the first cell, in the
        order (T', H', W'), that has it.

    Returns
    -------
    Tensor, or list of S of them where ``num_regions`` is a sequence
        ``mean``, ``max``: (N, R, C), type of ``features``; ``sum``: (N, R, C), float64 for float64, else
        float32; ``count``: (N, R) int64, points of the finer grid. A region without points has 0.

    Raises
    ------
    InputError
        Another shape, type or ``reduce``, or batches that differ.

    Examples
    --------
    >>> import torch
    >>> from ace3d_fast import region_pool
    >>> features = torch.arange(8.0).reshape(1, 2, 1, 1, 4)  # two channels, four cells
    >>> labels = torch.tensor([[[[0, 0, 1, 1]]]], dtype=torch.int32)
    >>> region_pool(features, labels, num_regions=2)  # clips, regions, channels
    tensor([[[0.5000, 4.5000],
             [2.5000, 6.5000]]])
    """
    if not isinstance(reduce, str) or reduce not in _REDUCES:
        raise InputError(expected("region_pool", "reduce", f"one of {', '.join(_REDUCES)}", shown(reduce)))
    labels, counts_of_maps = _check(features, labels, num_regions)
    if reduce == "max":
        pooled, _ = torch.ops.ace3d.region_max(_readable(features), labels, counts_of_maps)
    elif reduce == "count":
        _, pooled = torch.ops.ace3d.region_pool(features.detach()[:, :0], labels, counts_of_maps, False)
    else:
        pooled, _ = torch.ops.ace3d.region_pool(_readable(features), labels, counts_of_maps, reduce == "mean")
    return pooled if isinstance(num_regions, int) else list(pooled.split(counts_of_maps, dim=1))


def region_sums(features: Tensor, labels: Tensor, num_regions: int) -> tuple[Tensor, Tensor]:
    """Sum ``features`` over each region and count its points, in one pass; arguments as of `region_pool`.

    Returns
    -------
    sums : (N, R, C) float64 for float64 features, else float32
    counts : (N, R) int64
        Points of the finer grid in each region.

    Raises
    ------
    InputError
        Another shape or type, or batches that differ.
    """
    check_count("region_pool", "num_regions", num_regions, least=0)
    labels, counts_of_maps = _check(features, labels, num_regions)
    sums, counts = torch.ops.ace3d.region_pool(_readable(features), labels, counts_of_maps, False)
    return sums, counts


def _check(features: Tensor, labels: Tensor, num_regions: int | Sequence[int]) -> tuple[Tensor, list[int]]:
    """Labels as (N, S, T, H, W), contiguous, and the number of regions of each map (or one for all)."""
    where = "region_pool"
    check_tensor(where, "features", features, dims=("N", "C", "T'", "H'", "W'"), dtypes=_DTYPES)
    if isinstance(labels, Tensor) and labels.ndim == 4:
        labels = labels.unsqueeze(1)
    check_tensor(where, "labels", labels, dims=("N", "S", "T", "H", "W"), dtypes=(torch.int32,))
    for name, tensor in (("features", features), ("labels", labels)):
        check_volume(where, name, tensor)
    if labels.shape[0] != features.shape[0]:
        fact = f"{labels.shape[0]} label maps and {features.shape[0]} feature maps"
        raise InputError(expected(where, "labels", "for each clip of features", fact))
    if labels.device != features.device:
        raise InputError(
            expected(where, "labels", f"on {features.device}, beside the features", str(labels.device))
        )
    if features.device.type == "cuda":
        _check_cuda(features, labels)
    if isinstance(num_regions, int):
        counts = [check_count(where, "num_regions", num_regions, least=0)]
    else:
        counts = check_counts(where, "num_regions", num_regions, least=0, length=labels.shape[1])
    return labels.contiguous(), counts


def _check_cuda(features: Tensor, labels: Tensor) -> None:
    if features.dtype == torch.float64:
        wanted = "float32, float16 or bfloat16 on a GPU"
        raise InputError(expected("region_pool", "features", wanted, "float64", "convert it with .float()"))
    if labels.shape[1] > _MAX_CUDA_MAPS:
        wanted = f"of at most {_MAX_CUDA_MAPS} maps on a GPU"
        raise InputError(expected("region_pool", "labels", wanted, f"{labels.shape[1]}"))


def _readable(features: Tensor) -> Tensor:
    """As the kernels read it: contiguous or channels_last_3d."""
    last = features.is_contiguous(memory_format=torch.channels_last_3d)
    return features if last else features.contiguous()


def _sum_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in _HALF_DTYPES else dtype


def _spread(
    grad_sums: Tensor, labels: Tensor, num_regions: list[int], grid: list[int], dtype: torch.dtype
) -> Tensor:
    grad: Tensor = torch.ops.ace3d.region_spread(grad_sums.contiguous(), labels, num_regions, grid, dtype)
    return grad


@register_fake("region_pool")
def _(features: Tensor, labels: Tensor, num_regions: list[int], mean: bool) -> tuple[Tensor, Tensor]:
    num_clips, channels = features.shape[:2]
    dtype = features.dtype if mean else _sum_dtype(features.dtype)
    pooled = features.new_empty((num_clips, sum(num_regions), channels), dtype=dtype)
    return pooled, labels.new_empty((num_clips, sum(num_regions)), dtype=torch.int64)


@register_fake("region_max")
def _(features: Tensor, labels: Tensor, num_regions: list[int]) -> tuple[Tensor, Tensor]:
    shape = (features.shape[0], sum(num_regions), features.shape[1])
    return features.new_empty(shape), labels.new_empty(shape)


@register_fake("region_spread")
def _(
    grad_sums: Tensor, labels: Tensor, num_regions: list[int], grid: list[int], type: torch.dtype
) -> Tensor:
    return grad_sums.new_empty((grad_sums.shape[0], grad_sums.shape[2], *grid), dtype=type)


def _keep_for_pool(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    features, labels, ctx.num_regions, ctx.mean = inputs
    ctx.grid, ctx.dtype = list(features.shape[2:]), features.dtype
    ctx.save_for_backward(labels, output[1])
    ctx.mark_non_differentiable(output[1])


def _pool_backward(
    ctx: Any, grad_pooled: Tensor, grad_counts: Tensor | None
) -> tuple[Tensor, None, None, None]:
    labels, counts = ctx.saved_tensors
    grad_sums = grad_pooled.to(_sum_dtype(grad_pooled.dtype))
    if ctx.mean:
        grad_sums = grad_sums / counts.clamp(min=1).unsqueeze(-1).to(grad_sums.dtype)
    return _spread(grad_sums, labels, ctx.num_regions, ctx.grid, ctx.dtype), None, None, None


def _keep_for_spread(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, labels, ctx.num_regions, _, _ = inputs
    ctx.save_for_backward(labels)


def _spread_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
    (labels,) = ctx.saved_tensors
    sums, _ = torch.ops.ace3d.region_pool(_readable(grad), labels, ctx.num_regions, False)
    return sums, None, None, None, None


def _keep_for_max(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.shape = inputs[0].shape
    ctx.save_for_backward(output[1])
    ctx.mark_non_differentiable(output[1])


def _max_backward(ctx: Any, grad_values: Tensor, grad_cells: Tensor | None) -> tuple[Tensor, None, None]:
    (cells,) = ctx.saved_tensors
    at = cells.transpose(1, 2).long()  # (N, C, R); -1 where a region is empty
    given = torch.where(at >= 0, grad_values.transpose(1, 2), 0)
    grad = grad_values.new_zeros((*ctx.shape[:2], ctx.shape[2:].numel()))
    return grad.scatter_add(2, at.clamp(min=0), given).reshape(ctx.shape), None, None


torch.library.register_autograd("ace3d::region_pool", _pool_backward, setup_context=_keep_for_pool)
torch.library.register_autograd("ace3d::region_spread", _spread_backward, setup_context=_keep_for_spread)
torch.library.register_autograd("ace3d::region_max", _max_backward, setup_context=_keep_for_max)
