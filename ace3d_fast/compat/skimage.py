"""``skimage.segmentation.slic``: its signature, warnings, errors and labels, by these kernels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from operator import index
from typing import Any, SupportsIndex, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast import ops
from ace3d_fast.errors import InputError, expected

Array = TypeVar("Array", NDArray[Any], Tensor)
Axis = SupportsIndex | tuple[SupportsIndex] | None


def slic(
    image: Array,
    n_segments: int = 100,
    compactness: float = 10.0,
    max_num_iter: int = 10,
    sigma: float | Iterable[float] = 0,
    spacing: Iterable[float] | None = None,
    convert2lab: bool | None = None,
    enforce_connectivity: bool = True,
    min_size_factor: float = 0.5,
    max_size_factor: float = 3,
    slic_zero: bool = False,
    start_label: int = 1,
    mask: Array | None = None,
    *,
    channel_axis: Axis = -1,
    exact: bool = True,
) -> Array:
    """Cut an image or a volume into supervoxels, as ``skimage.segmentation.slic`` does.

    Parameters
    ----------
    image : (H, W), (T, H, W), (H, W, C) or (T, H, W, C), NumPy array or tensor
        Anything that scikit-image turns into floats. A tensor may be on a GPU.
    n_segments, compactness, max_num_iter, sigma, spacing, convert2lab, enforce_connectivity
    min_size_factor, max_size_factor, slic_zero, start_label, mask, channel_axis
        As scikit-image 0.26 documents them, and with its defaults.
    exact : bool
        scikit-image's labels; computed on the CPU. Otherwise float32 decides, two to five times faster, and
        where centres tie a few voxels go to another of them; uint8 images on a GPU are then cut there.

    Returns
    -------
    int64, of the shape of the image without channels
        An array for an array; for a tensor one on its device.

    Raises
    ------
    InputError
        A ValueError: whatever scikit-image refuses with one.
    TypeError
        ``spacing`` is a number.

    Warns
    -----
    FutureWarning
        Three numbers of ``spacing`` or ``sigma`` for an image of two axes.
    """
    pixels, axis = _as_floats(image, exact), _channel_axis(channel_axis)
    if pixels.ndim == 2 and axis is not None:
        raise InputError(
            f"slic: channel_axis={axis} indicates multichannel, which a two-dimensional image is not; use "
            "channel_axis=None if it is grey"
        )
    axes = pixels.ndim - (axis is not None)
    if start_label not in (0, 1):
        raise InputError(expected("slic", "start_label", "0 or 1", start_label))
    if axis is None or convert2lab is None:
        to_lab = None if axis is not None else False
    else:
        to_lab = bool(convert2lab)
    inside = None if mask is None else _as_mask(mask)
    if spacing is not None and not isinstance(spacing, Iterable):
        raise TypeError("slic: expected spacing None or an iterable, got a number")
    distances = [1.0] * axes if spacing is None else _of_axes("spacing", spacing, axes)
    if isinstance(sigma, Iterable):
        widths = _of_axes("sigma", sigma, axes)
    else:  # divided in the type of the image, as scikit-image does
        dtype = np.float32 if pixels.dtype == torch.float32 else np.float64
        with np.errstate(divide="ignore", invalid="ignore"):
            widths = (np.full(axes, sigma, dtype) / np.asarray(distances, dtype)).tolist()
    labels = ops.slic(
        pixels,
        index(n_segments) if hasattr(n_segments, "__index__") else int(n_segments),
        float(compactness),
        index(max_num_iter),
        widths,
        distances,
        to_lab,
        bool(enforce_connectivity),
        float(min_size_factor),
        float(max_size_factor),
        bool(slic_zero),
        int(start_label),
        inside,
        channel_axis=axis,
        exact=exact,
    )
    if isinstance(image, np.ndarray):
        return labels.numpy()
    return labels.to(image.device)


def _as_floats(image: NDArray[Any] | Tensor, exact: bool) -> Tensor:
    """A tensor of the floats that scikit-image computes with; bytes stay bytes where they are not needed."""
    from skimage.util import img_as_float

    if isinstance(image, Tensor):
        if image.dtype == torch.uint8 and not exact:
            return image.detach()
        image = image.detach().cpu()
        image = (image.float() if image.dtype == torch.bfloat16 else image).numpy()
    image = np.asanyarray(image)
    if image.dtype == np.uint8 and not exact:
        return torch.from_numpy(np.ascontiguousarray(image))
    floats = img_as_float(image)
    if floats.dtype not in (np.float32, np.float64):
        floats = floats.astype(np.float32 if floats.dtype.itemsize < 4 else np.float64)
    return torch.from_numpy(np.ascontiguousarray(floats))


def _channel_axis(channel_axis: Axis) -> int | None:
    if isinstance(channel_axis, tuple):
        if len(channel_axis) > 1:
            raise InputError(expected("slic", "channel_axis", "of one axis", channel_axis))
        return index(channel_axis[0])
    return None if channel_axis is None else index(channel_axis)


def _as_mask(mask: NDArray[Any] | Tensor) -> Tensor:
    if isinstance(mask, Tensor):
        return mask.detach().cpu().bool()
    return torch.from_numpy(np.ascontiguousarray(mask, dtype=bool))


def _of_axes(name: str, values: Iterable[float], axes: int) -> list[float]:
    """One number for each axis of space; of three for two axes the first is left out, with a warning."""
    numbers = [float(value) for value in values]
    if axes == 2 and len(numbers) == 3:
        message = (
            f"Input image is 2D: {name} number of elements must be 2; three will be refused in the future"
        )
        warnings.warn(message, FutureWarning, stacklevel=3)
        return numbers[1:]
    if len(numbers) != axes:
        raise InputError(expected("slic", name, f"of {axes} elements, as the image has axes", len(numbers)))
    return numbers
