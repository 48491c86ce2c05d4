"""Colour: sRGB to CIE Lab."""

from __future__ import annotations

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_flag, check_tensor, check_volume

_DTYPES = (torch.uint8, torch.float32, torch.float64)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab, illuminant D65, 2 degree observer.

    Parameters
    ----------
    rgb : (..., 3) uint8, float32 or float64
        Colours from 0 to 1; uint8 from 0 to 255.

    Returns
    -------
    (..., 3) float32, float64 for float64
        L from 0 to 100, a and b from about -100 to 100. On a GPU within rounding of the CPU's.

    Raises
    ------
    InputError
        Another shape or type.

    References
    ----------
    IEC 61966-2-1:1999; constants as in scikit-image's ``rgb2lab``.
    """
    if not isinstance(rgb, Tensor) or rgb.ndim == 0 or rgb.shape[-1] != 3:
        fact = f"shape {tuple(rgb.shape)}" if isinstance(rgb, Tensor) else type(rgb).__name__
        raise InputError(expected("rgb_to_lab", "rgb", "a tensor of shape (..., 3)", fact))
    check_tensor("rgb_to_lab", "rgb", rgb, dims=["*"] * (rgb.ndim - 1) + ["3"], dtypes=_DTYPES)
    lab: Tensor = torch.ops.ace3d.rgb_to_lab(rgb.contiguous())
    return lab


def clips_to_lab(frames: Tensor, *, stretch: bool = True) -> Tensor:
    """Convert clips to Lab, channels first, each one stretched to the full range.

    Parameters
    ----------
    frames : (N, T, H, W, 3) uint8
        RGB.
    stretch : bool
        The least value of a clip becomes 0 and its largest 1, over all channels; a clip of one value becomes
        0. Otherwise 0 becomes 0 and 255 becomes 1.

    Returns
    -------
    (N, 3, T, H, W) float32
        Lab, as `rgb_to_lab`.

    Raises
    ------
    InputError
        Another shape or type.
    """
    dims = ("N", "T", "H", "W", "3")
    check_tensor("clips_to_lab", "frames", frames, dims=dims, dtypes=(torch.uint8,))
    check_volume("clips_to_lab", "frames", frames[..., 0])
    check_flag("clips_to_lab", "stretch", stretch)
    lab: Tensor = torch.ops.ace3d.clips_to_lab(frames.contiguous(), stretch)
    return lab


@register_fake("rgb_to_lab")
def _(rgb: Tensor) -> Tensor:
    return rgb.new_empty(rgb.shape, dtype=torch.float32 if rgb.dtype == torch.uint8 else rgb.dtype)


@register_fake("clips_to_lab")
def _(frames: Tensor, stretch: bool) -> Tensor:
    n, t, h, w, _ = frames.shape
    return frames.new_empty((n, 3, t, h, w), dtype=torch.float32)
