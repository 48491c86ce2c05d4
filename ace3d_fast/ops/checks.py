"""Checks of op arguments: what a caller passes is refused here, in words, before native code sees it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected

MAX_VOXELS = 2**31 - 1


def check_tensor(
    where: str,
    name: str,
    tensor: Tensor,
    *,
    dims: Sequence[str],
    dtypes: Sequence[torch.dtype],
    cpu: bool = True,
) -> None:
    """Refuse ``tensor`` unless it has the axes ``dims`` and one of ``dtypes``."""
    axes = f"of shape ({', '.join(dims)})"
    if not isinstance(tensor, Tensor):
        raise InputError(expected(where, name, f"a tensor {axes}", type(tensor).__name__))
    if tensor.ndim != len(dims):
        raise InputError(expected(where, name, axes, f"shape {tuple(tensor.shape)}"))
    for size, axis in zip(tensor.shape, dims, strict=True):
        if axis.isdigit() and size != int(axis):
            raise InputError(expected(where, name, axes, f"shape {tuple(tensor.shape)}"))
    if tensor.dtype not in dtypes:
        wanted = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise InputError(expected(where, name, f"of type {wanted}", str(tensor.dtype).removeprefix("torch.")))
    if cpu and tensor.device.type not in ("cpu", "meta"):
        raise InputError(
            expected(where, name, "on the CPU", f"device {tensor.device}", "move it with .cpu()")
        )


def check_volume(where: str, name: str, tensor: Tensor) -> None:
    """Refuse a (..., T, H, W) tensor with an empty axis or more voxels than an int32 can count."""
    volume = tensor.shape[-3:]
    if min(volume) < 1:
        raise InputError(expected(where, name, "with at least one voxel", f"shape {tuple(tensor.shape)}"))
    if volume.numel() > MAX_VOXELS:
        raise InputError(
            expected(where, name, "with fewer than 2**31 voxels", f"shape {tuple(tensor.shape)}")
        )


def check_counts(
    where: str, name: str, values: Sequence[int], *, least: int, length: int | None = None
) -> list[int]:
    """Refuse ``values`` unless they are integers of at least ``least``; returns them as a list."""
    numbers = list(values) if isinstance(values, (list, tuple)) else []
    good = all(isinstance(value, int) and not isinstance(value, bool) and value >= least for value in numbers)
    if not numbers or not good:
        raise InputError(expected(where, name, f"a list of integers of at least {least}", repr(values)))
    if length is not None and len(numbers) != length:
        raise InputError(expected(where, name, f"of {length} values", f"{len(numbers)}"))
    return numbers


def check_count(where: str, name: str, value: int, *, least: int) -> int:
    """Refuse ``value`` unless it is an integer of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(expected(where, name, f"an integer of at least {least}", repr(value)))
    return value


def check_positive(where: str, name: str, value: float) -> float:
    """Refuse ``value`` unless it is a finite number above 0."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise InputError(expected(where, name, "a finite number above 0", repr(value)))
    return float(value)


def check_triple(
    where: str, name: str, values: float | Sequence[float], *, zero: bool
) -> tuple[float, float, float]:
    """Three finite numbers for the axes T, H, W; one number stands for all three."""
    numbers = (values,) * 3 if isinstance(values, (int, float)) else tuple(values)
    bound = "of at least 0" if zero else "above 0"
    good = len(numbers) == 3 and all(
        isinstance(value, (int, float)) and 0 <= value < float("inf") and (zero or value > 0)
        for value in numbers
    )
    if not good:
        raise InputError(expected(where, name, f"three finite numbers (T, H, W) {bound}", repr(values)))
    t, y, x = (float(value) for value in numbers)
    return t, y, x


def check_finite(where: str, name: str, tensor: Tensor) -> None:
    """Refuse NaN and infinities."""
    if tensor.device.type == "meta" or bool(torch.isfinite(tensor.sum())):
        return
    bad = int((~torch.isfinite(tensor)).sum())  # a sum may overflow where every value is finite
    if bad:
        raise InputError(expected(where, name, "free of NaN and infinities", f"{bad} of them"))
