"""Checks of op arguments: what a caller passes is refused here, in words, before native code sees it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected

MAX_VOXELS = 2**31 - 1
MAX_COUNT = 2**31 - 1
MAX_SIZE = 2**63 - 1


def shown(value: object) -> str:
    """``value`` on one line of an error message."""
    line = " ".join(repr(value).split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def check_tensor(
    where: str,
    name: str,
    tensor: Tensor,
    *,
    dims: Sequence[str],
    dtypes: Sequence[torch.dtype],
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
    if tensor.layout != torch.strided:
        layout = str(tensor.layout).removeprefix("torch.")
        raise InputError(expected(where, name, "as a dense tensor", layout, "convert it with .to_dense()"))


def check_volume(where: str, name: str, tensor: Tensor) -> None:
    """Refuse a (..., T, H, W) tensor with an empty axis or more voxels than an int32 can count."""
    volume = tensor.shape[-3:]
    if min(volume) < 1:
        raise InputError(expected(where, name, "with at least one voxel", f"shape {tuple(tensor.shape)}"))
    if math.prod(volume) > MAX_VOXELS:
        raise InputError(
            expected(where, name, "with fewer than 2**31 voxels", f"shape {tuple(tensor.shape)}")
        )


def check_counts(
    where: str, name: str, values: Sequence[int], *, least: int, length: int | None = None
) -> list[int]:
    """Refuse ``values`` unless they are integers of at least ``least``; returns them as a list."""
    numbers = list(values) if isinstance(values, (list, tuple)) else []
    if not numbers or not all(_is_integer(value, least, MAX_SIZE) for value in numbers):
        raise InputError(expected(where, name, f"a list of integers of at least {least}", shown(values)))
    if length is not None and len(numbers) != length:
        raise InputError(expected(where, name, f"of {length} values", f"{len(numbers)}"))
    return numbers


def check_count(where: str, name: str, value: int, *, least: int) -> int:
    """Refuse ``value`` unless it is an integer of at least ``least`` that an int32 can hold."""
    if not _is_integer(value, least, MAX_COUNT):
        big = isinstance(value, int) and value > MAX_COUNT
        requirement = "below 2**31" if big else f"an integer of at least {least}"
        raise InputError(expected(where, name, requirement, shown(value)))
    return value


def _is_integer(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object) -> bool:
    """Whether ``value`` is a finite number of at least 0."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER


_MAX_NUMBER = sys.float_info.max


def check_flag(where: str, name: str, value: bool) -> bool:
    """Refuse ``value`` unless it is True or False."""
    if not isinstance(value, bool):
        raise InputError(expected(where, name, "True or False", shown(value)))
    return value


def check_beside(where: str, name: str, tensor: Tensor, other: Tensor) -> None:
    """Refuse ``tensor`` unless it is on the device of ``other``."""
    if tensor.device != other.device:
        raise InputError(expected(where, name, f"on {other.device}", str(tensor.device)))


def check_positive(where: str, name: str, value: float) -> float:
    """Refuse ``value`` unless it is a finite number above 0."""
    if not _is_number(value) or value == 0:
        raise InputError(expected(where, name, "a finite number above 0", shown(value)))
    return float(value)


def check_number(where: str, name: str, value: float) -> float:
    """Refuse ``value`` unless it is a finite number of at least 0."""
    if not _is_number(value):
        raise InputError(expected(where, name, "a finite number of at least 0", shown(value)))
    return float(value)


def check_triple(
    where: str, name: str, values: float | Sequence[float], *, zero: bool
) -> tuple[float, float, float]:
    """Three finite numbers for the axes T, H, W; one number stands for all three."""
    bound = "of at least 0" if zero else "above 0"
    numbers = tuple(values) if isinstance(values, (list, tuple)) else (values,) * 3
    if len(numbers) != 3 or not all(_is_number(value) and (zero or value > 0) for value in numbers):
        raise InputError(expected(where, name, f"three finite numbers (T, H, W) {bound}", shown(values)))
    t, y, x = (float(value) for value in numbers)
    return t, y, x


def check_finite(where: str, name: str, tensor: Tensor) -> None:
    """Refuse NaN and infinities."""
    if tensor.device.type == "meta" or bool(torch.isfinite(tensor.sum())):
        return
    bad = int((~torch.isfinite(tensor)).sum())  # a sum may overflow where every value is finite
    if bad:
        raise InputError(expected(where, name, "free of NaN and infinities", f"{bad} of them"))
