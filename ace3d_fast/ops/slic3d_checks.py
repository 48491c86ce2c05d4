"""Checks of the arguments of the SLIC ops."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops.checks import (
    check_beside,
    check_count,
    check_finite,
    check_positive,
    check_tensor,
    check_triple,
    check_volume,
    shown,
)

MAX_CHANNELS = 64
# Colours divided by the compactness are squared in float32.
_LARGEST = 1e12
_LARGEST_SPACING = 1e9


def check_slic_volume(where: str, volume: Tensor) -> Tensor:
    """A contiguous float32 or float64 volume, from one of any floating type.

    What lies on a GPU is not looked at: that would wait for it.
    """
    on_cpu = not isinstance(volume, Tensor) or volume.device.type in ("cpu", "meta")
    types = [torch.float32, *([torch.float64] if on_cpu else []), torch.float16, torch.bfloat16]
    check_tensor(where, "volume", volume, dims=("N", "C", "T", "H", "W"), dtypes=types)
    check_volume(where, "volume", volume)
    if not 1 <= volume.shape[1] <= MAX_CHANNELS:
        got = f"shape {tuple(volume.shape)}"
        raise InputError(expected(where, "volume", f"with 1 to {MAX_CHANNELS} channels", got))
    if on_cpu:
        check_finite(where, "volume", volume)
    return (volume if volume.dtype == torch.float64 else volume.float()).contiguous()


def check_options(
    where: str,
    colors: Tensor,
    compactness: float,
    num_iterations: int,
    spacing: float | Sequence[float],
) -> list[float]:
    """Refuse options out of range; returns the distances between voxels along T, H, W."""
    if not 1 / _LARGEST < check_positive(where, "compactness", compactness) < _LARGEST:
        wanted = f"between {1 / _LARGEST:g} and {_LARGEST:g}"
        raise InputError(expected(where, "compactness", wanted, shown(compactness)))
    check_count(where, "num_iterations", num_iterations, least=1)
    distances = check_triple(where, "spacing", spacing, zero=False)
    if max(distances) > _LARGEST_SPACING:
        raise InputError(expected(where, "spacing", f"of at most {_LARGEST_SPACING:g}", shown(spacing)))
    check_colors(where, "volume", colors, compactness)
    return list(distances)


def check_colors(where: str, name: str, colors: Tensor, compactness: float) -> None:
    """Refuse colours whose squares, divided by that of ``compactness``, float32 cannot hold."""
    if colors.numel() == 0 or colors.device.type != "cpu":
        return
    if colors.dtype == torch.uint8:
        largest = 255.0
    else:
        low, high = colors.aminmax()
        if low.isnan():  # of centres that have no voxel
            low, high = colors.nan_to_num(0.0).aminmax()
        largest = max(-float(low), float(high))
    if largest / compactness > _LARGEST:
        wanted = f"below {_LARGEST:g}"
        raise InputError(expected(where, f"{name} / compactness", wanted, f"{largest / compactness:g}"))


def check_centers(
    where: str, centers: Sequence[Tensor], num_maps: int, clips: Tensor, channels: int
) -> Tensor:
    """The centres of all maps as the op takes them, (N, K, 3 + C) float64, beside ``clips`` (N, ...)."""
    if not isinstance(centers, (list, tuple)) or len(centers) != num_maps:
        fact = f"{len(centers)} tensors" if isinstance(centers, (list, tuple)) else type(centers).__name__
        raise InputError(expected(where, "centers", f"as a list for {num_maps} maps", fact))
    size = (clips.shape[0], 3 + channels)
    for part in centers:
        dims, types = ("N", "K", "3 + C"), (torch.float32, torch.float64)
        check_tensor(where, "centers", part, dims=dims, dtypes=types)
        check_beside(where, "centers", part, clips)
        if (part.shape[0], part.shape[2]) != size or part.shape[1] < 1:
            wanted = f"of shape ({size[0]}, K, {size[1]}) with K at least 1"
            raise InputError(expected(where, "centers", wanted, f"shape {tuple(part.shape)}"))
        if part.device.type == "cpu" and bool(torch.isinf(part).any()):
            raise InputError(expected(where, "centers", "free of infinities", "some"))
    return torch.cat([part.double() for part in centers], dim=1).contiguous()
