"""Regions of a clip cut out and enlarged, as input of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import MAX_VOXELS, check_beside, check_counts, check_tensor, check_volume, shown

Numbers = Sequence[int] | NDArray[np.integer[Any]] | Tensor
Rows = Sequence[Sequence[int]] | NDArray[np.integer[Any]] | Tensor
WHERE = "region_patches"
_MAX_CUDA_COLUMNS = 12288  # a line of pixels has to fit 48 KB of shared memory


def region_patches(
    frames: Tensor,
    labels: Tensor,
    regions: Numbers,
    boxes: Rows,
    size: Sequence[int],
    *,
    fill: int = 117,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Cut regions out of a clip as input of a network (arXiv 2206.05275, section 3.2).

    For each region every other voxel becomes ``fill``, the box is cut out, each of its frames is resized,
    and pixels are normalised, in one pass. Memory is that of the result: ask for as many regions in one call
    as are forwarded together.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8
    labels : (T, H, W) or (S, T, H, W) int32
        Region of each voxel, in one map or in S maps; a voxel is shown where any map holds the region.
    regions : (B,) integers
        Values of ``labels``, in any order. The patch of a region that its box does not hold is ``fill``
        everywhere.
    boxes : (B, 5) integers
        For each patch its first frame, then half-open rows and columns: ``t0, y0, y1, x0, x1``.
    size : (T', H', W')
        Frames, rows and columns of a patch. A patch shows the T' frames from ``t0`` on; time is not resized.
    fill : int
        Grey value in [0, 255] of what is not shown.
    mean, std : three floats
        Normalisation ``(p / 255 - mean) / std`` by channel.

    Returns
    -------
    (B, 3, T', H', W') float32
        In memory as ``torch.channels_last_3d``.

    Raises
    ------
    InputError
        Another shape or type; a box that is empty or leaves the clip.

    Notes
    -----
    Equal, bit for bit, to ``torch.nn.functional.interpolate(mode="bicubic", antialias=True)`` of each masked
    and cropped uint8 frame, then ``p * s - m`` with ``s = 1 / (255 std)`` and ``m = mean / std``, in float32.
    The resize works on bytes, along x and then along y, rounded to a byte after each: bicubic convolution
    (Keys 1981) of a = -0.5, pixel centres at half-integers, the kernel widened where an axis shrinks and cut
    off at the box, weights as 16-bit integers.

    Examples
    --------
    >>> import torch
    >>> from ace3d_fast import region_patches
    >>> frames = torch.full((2, 4, 4, 3), 255, dtype=torch.uint8)
    >>> labels = torch.zeros(2, 4, 4, dtype=torch.int32)
    >>> labels[:, 2:, 2:] = 1
    >>> patches = region_patches(frames, labels, [1], [[0, 2, 4, 2, 4]], (2, 8, 8))
    >>> patches.shape, bool((patches == 1).all())  # the white corner, enlarged
    (torch.Size([1, 3, 2, 8, 8]), True)
    """
    check_tensor(WHERE, "frames", frames, dims=("T", "H", "W", "3"), dtypes=(torch.uint8,))
    if isinstance(labels, Tensor) and labels.ndim == 3:
        labels = labels.unsqueeze(0)
    check_tensor(WHERE, "labels", labels, dims=("S", "T", "H", "W"), dtypes=(torch.int32,))
    check_volume(WHERE, "labels", labels)
    if labels.shape[1:] != frames.shape[:3]:
        wanted = f"of the shape {tuple(frames.shape[:3])} of the frames"
        raise InputError(expected(WHERE, "labels", wanted, f"{tuple(labels.shape[1:])}"))
    check_beside(WHERE, "labels", labels, frames)
    if frames.device.type == "cuda" and frames.shape[2] > _MAX_CUDA_COLUMNS:
        wanted = f"of at most {_MAX_CUDA_COLUMNS} columns on a GPU"
        raise InputError(expected(WHERE, "frames", wanted, f"shape {tuple(frames.shape)}"))
    size = check_counts(WHERE, "size", size, least=1, length=3)
    numbers = _whole(regions, "regions", 1)
    box_rows = _whole(boxes, "boxes", 2)
    _check_boxes(numbers, box_rows, tuple(frames.shape[:3]), size[0])
    if not isinstance(fill, int) or isinstance(fill, bool) or not 0 <= fill <= 255:
        raise InputError(expected(WHERE, "fill", "an integer in [0, 255]", shown(fill)))
    scale, shift = pixel_scale(mean, std)
    patches: Tensor = torch.ops.ace3d.region_patches(
        frames.contiguous(),
        labels.contiguous(),
        numbers.tolist(),
        box_rows.flatten().tolist(),
        size,
        fill,
        scale,
        shift,
    )
    return patches.permute(0, 4, 1, 2, 3)


def pixel_scale(mean: Sequence[float], std: Sequence[float]) -> tuple[list[float], list[float]]:
    """Factor and offset, as float32, with which ``p * factor - offset`` is ``(p / 255 - mean) / std``.

    Raises
    ------
    InputError
        Other than three finite numbers each, or a ``std`` that is not above 0.
    """
    values = {}
    for name, given in (("mean", mean), ("std", std)):
        try:
            with np.errstate(over="ignore"):
                values[name] = np.asarray(given, dtype=np.float32)
        except (TypeError, ValueError, OverflowError):
            values[name] = np.empty(0, np.float32)
        if values[name].shape != (3,) or not np.isfinite(values[name]).all():
            raise InputError(expected(WHERE, name, "three finite numbers", shown(given)))
    if values["std"].min() <= 0:
        raise InputError(expected(WHERE, "std", "above 0", shown(std)))
    scale = np.float32(1) / (np.float32(255) * values["std"])
    shift = values["mean"] / values["std"]
    return scale.tolist(), shift.tolist()


def _whole(values: Numbers | Rows, name: str, ndim: int) -> NDArray[np.int64]:
    """``values`` as an array of ``ndim`` axes; the second, if any, is 5 long."""
    axes = "(B,)" if ndim == 1 else "(B, 5)"
    try:
        array = np.asarray(values.cpu() if isinstance(values, Tensor) else values)
    except (TypeError, ValueError, NotImplementedError) as error:  # rows of several lengths, sparse tensors
        raise InputError(expected(WHERE, name, f"of shape {axes}", shown(values))) from error
    if array.ndim > 0 and len(array) == 0:
        return np.zeros((0, 5)[:ndim], dtype=np.int64)
    if array.ndim != ndim or (ndim == 2 and array.shape[1] != 5):
        raise InputError(expected(WHERE, name, f"of shape {axes}", f"shape {array.shape}"))
    if array.dtype.kind not in "iu":
        raise InputError(expected(WHERE, name, "integers", str(array.dtype)))
    largest = max(int(array.max()), -int(array.min()))
    if largest > MAX_VOXELS:
        raise InputError(expected(WHERE, name, "integers of 32 bits", f"{largest}"))
    return array.astype(np.int64)


def _check_boxes(
    regions: NDArray[np.int64], boxes: NDArray[np.int64], clip: tuple[int, ...], num_frames: int
) -> None:
    if len(regions) != len(boxes):
        raise InputError(
            expected(WHERE, "boxes", "one for each region", f"{len(boxes)} for {len(regions)} regions")
        )
    t0, y0, y1, x0, x1 = boxes.T
    bad = (t0 < 0) | (t0 + num_frames > clip[0])
    bad |= (y0 < 0) | (y0 >= y1) | (y1 > clip[1]) | (x0 < 0) | (x0 >= x1) | (x1 > clip[2])
    if bad.any():
        first = int(bad.argmax())
        wanted = f"to hold a pixel and lie in {num_frames} frames of the clip {clip}"
        raise InputError(expected(WHERE, f"box {first}", wanted, f"{boxes[first].tolist()}"))


@register_fake("region_patches")
def _(
    frames: Tensor,
    labels: Tensor,
    regions: Sequence[int],
    boxes: Sequence[int],
    size: Sequence[int],
    fill: int,
    scale: Sequence[float],
    shift: Sequence[float],
) -> Tensor:
    return frames.new_empty((len(regions), *size, 3), dtype=torch.float32)
