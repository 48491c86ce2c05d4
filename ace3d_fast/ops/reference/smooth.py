"""Gaussian smoothing of volumes, by SciPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


def gaussian_smooth(volume: Tensor, sigma: float | Sequence[float]) -> Tensor:
    """Smooth (N, C, T, H, W) along T, H and W; see `ace3d_fast.ops.gaussian_smooth`."""
    widths = (sigma,) * 3 if isinstance(sigma, (int, float)) else tuple(sigma)
    smoothed = ndimage.gaussian_filter(volume.numpy(), (0, 0, *widths), mode="reflect", truncate=4.0)
    return torch.from_numpy(np.ascontiguousarray(smoothed))
