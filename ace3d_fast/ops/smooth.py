"""Gaussian smoothing of volumes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_flag, check_tensor, check_triple, check_volume, shown

MAX_SIGMA = 1000


def gaussian_smooth(volume: Tensor, sigma: float | Sequence[float]) -> Tensor:
    """Smooth along T, H and W; the volume is mirrored at its faces, the kernel cut at 4 sigma.

    Parameters
    ----------
    volume : (N, C, T, H, W) float32 or float64
    sigma : float or three floats (T, H, W)
        Standard deviation in voxels, up to 1000; 0 leaves an axis alone.

    Returns
    -------
    (N, C, T, H, W), type of ``volume``
        What ``scipy.ndimage.gaussian_filter(mode="reflect", truncate=4)`` gives.

    Raises
    ------
    InputError
        Another shape or type, or a sigma that is negative or too wide.
    """
    where = "gaussian_smooth"
    dims, dtypes = ("N", "C", "T", "H", "W"), (torch.float32, torch.float64)
    check_tensor(where, "volume", volume, dims=dims, dtypes=dtypes)
    check_volume(where, "volume", volume)
    widths = _check_sigma(where, sigma)
    smoothed: Tensor = torch.ops.ace3d.gaussian_smooth(volume.contiguous(), list(widths))
    return smoothed


def smooth_lab(frames: Tensor, sigma: float | Sequence[float], *, stretch: bool = True) -> Tensor:
    """`gaussian_smooth` of `clips_to_lab`, without an unsmoothed Lab volume in between.

    Parameters
    ----------
    frames : (N, T, H, W, 3) uint8
        RGB.
    sigma : float or three floats (T, H, W)
        Standard deviation in voxels, up to 1000; 0 leaves an axis alone.
    stretch : bool
        As for `clips_to_lab`.

    Returns
    -------
    (N, 3, T, H, W) float32

    Raises
    ------
    InputError
        Another shape or type, or a sigma that is negative or too wide.
    """
    dims = ("N", "T", "H", "W", "3")
    check_tensor("smooth_lab", "frames", frames, dims=dims, dtypes=(torch.uint8,))
    check_volume("smooth_lab", "frames", frames[..., 0])
    check_flag("smooth_lab", "stretch", stretch)
    widths = _check_sigma("smooth_lab", sigma)
    lab: Tensor = torch.ops.ace3d.smooth_lab(frames.contiguous(), stretch, list(widths))
    return lab


def _check_sigma(where: str, sigma: float | Sequence[float]) -> tuple[float, float, float]:
    widths = check_triple(where, "sigma", sigma, zero=True)
    if max(widths) > MAX_SIGMA:
        raise InputError(expected(where, "sigma", f"of at most {MAX_SIGMA} voxels", shown(sigma)))
    return widths


@register_fake("smooth_lab")
def _(frames: Tensor, stretch: bool, sigma: Sequence[float]) -> Tensor:
    n, t, h, w, _ = frames.shape
    return frames.new_empty((n, 3, t, h, w), dtype=torch.float32)


@register_fake("gaussian_smooth")
def _(volume: Tensor, sigma: Sequence[float]) -> Tensor:
    return torch.empty_like(volume)
