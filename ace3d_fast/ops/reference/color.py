"""Colour: sRGB to CIE Lab, step by step."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Linear sRGB to CIE XYZ, and XYZ of the white point D65 for the 2 degree observer.
_XYZ_FROM_RGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert (..., 3) sRGB to CIE Lab; see `ace3d_fast.ops.rgb_to_lab`."""
    values = rgb.numpy().astype(np.float64) / (255.0 if rgb.dtype == torch.uint8 else 1.0)
    dtype = torch.float64 if rgb.dtype == torch.float64 else torch.float32
    return torch.from_numpy(_lab(values)).to(dtype)


def clips_to_lab(frames: Tensor) -> Tensor:
    """Stretch (N, T, H, W, 3) uint8 clips to the full range, then Lab; see `ace3d_fast.ops.clips_to_lab`."""
    clips = []
    for clip in frames.numpy().astype(np.float64) / 255.0:
        low, high = clip.min(), clip.max()
        stretched = (clip - low) / (high - low if high > low else 1.0)
        clips.append(np.moveaxis(_lab(stretched), -1, 0))
    return torch.from_numpy(np.stack(clips)).to(torch.float32)


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    light = np.where(rgb > 0.04045, ((np.maximum(rgb, 0.0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = light @ _XYZ_FROM_RGB.T / _WHITE
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0), -1, 0)
    return np.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)
