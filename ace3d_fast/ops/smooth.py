"""Gaussian smoothing of volumes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_tensor, check_triple, check_volume


def gaussian_smooth(volume: Tensor, sigma: float | Sequence[float]) -> Tensor:
    """Smooth along T, H and W; the volume is mirrored at its faces, the kernel cut at 4 sigma.

    Parameters
    ----------
    volume : (N, C, T, H, W) float32 or float64
    sigma : float or three floats (T, H, W)
        Standard deviation in voxels; 0 leaves an axis alone.

    Returns
    -------
    (N, C, T, H, W), type of ``volume``
        What ``scipy.ndimage.gaussian_filter(mode="reflect", truncate=4)`` gives.

    Raises
    ------
    InputError
        Another shape or type, or a negative sigma.
    """
    where = "gaussian_smooth"
    check_tensor(
        where, "volume", volume, dims=("N", "C", "T", "H", "W"), dtypes=(torch.float32, torch.float64)
    )
    check_volume(where, "volume", volume)
    widths = check_triple(where, "sigma", sigma, zero=True)
    smoothed: Tensor = torch.ops.ace3d.gaussian_smooth(volume.contiguous(), list(widths))
    return smoothed


@register_fake("gaussian_smooth")
def _(volume: Tensor, sigma: Sequence[float]) -> Tensor:
    return torch.empty_like(volume)
