"""``slic`` with the signature of scikit-image's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops.checks import check_count, check_flag, check_positive, shown
from ace3d_fast.ops.color import rgb_to_lab
from ace3d_fast.ops.connectivity import enforce_connectivity_
from ace3d_fast.ops.seeds import seed_grid
from ace3d_fast.ops.slic3d import slic3d, slic3d_frames
from ace3d_fast.ops.smooth import gaussian_smooth, smooth_lab

Array = TypeVar("Array", NDArray[Any], Tensor)


def slic(
    image: Array,
    n_segments: int = 100,
    compactness: float = 10.0,
    max_num_iter: int = 10,
    sigma: float | Sequence[float] = 0,
    spacing: Sequence[float] | None = None,
    convert2lab: bool | None = None,
    enforce_connectivity: bool = True,
    min_size_factor: float = 0.5,
    max_size_factor: float = 3,
    slic_zero: bool = False,
    start_label: int = 1,
    mask: Array | None = None,
    *,
    channel_axis: int | None = -1,
    exact: bool = False,
) -> Array:
    """Cut an image or a volume into supervoxels: what ``skimage.segmentation.slic`` computes, faster.

    Parameters
    ----------
    image : (H, W), (T, H, W), (H, W, C) or (T, H, W, C), NumPy array or tensor
        uint8, float16, float32 or float64; other integers are read as float64. A tensor may be on a GPU:
        RGB bytes are cut there, unless with ``mask``, ``exact`` or ``slic_zero``; all else on the CPU.
    n_segments : int
        About how many supervoxels.
    compactness : float
        Weight of position against colour.
    max_num_iter : int
        Iterations of k-means at most.
    sigma : float or one for each axis of space
        Smoothing before, in units of ``spacing``.
    spacing : floats, one for each axis of space, optional
        Distance between voxels, 1 by default. For a video, ``(frame_distance_px, 1, 1)``.
    convert2lab : bool, optional
        Whether to go through Lab; by default where there are three channels.
    enforce_connectivity : bool
        Whether every supervoxel is made connected.
    min_size_factor, max_size_factor : float
        Smaller supervoxels are merged, larger ones cut; in parts of the mean size.
    slic_zero : bool
        SLICO: each supervoxel finds its own compactness. As slow as scikit-image.
    start_label : 0 or 1
        Least label.
    mask : bool, of the shape of the image without channels, optional
        Where to segment; elsewhere the label is ``start_label - 1``.
    channel_axis : int or None
        Axis of the channels; None where there is none.
    exact : bool
        Compute in the type that scikit-image would use, sums in scan order: its labels bit for bit, given the
        same image of floats. By default float32, where rounding may decide otherwise between centres that
        tie.

    Returns
    -------
    int64, of the shape of the image without channels
        An array for an array, for a tensor one on its device.

    Raises
    ------
    InputError
        A shape, type or option that does not fit; NaN or infinities inside the mask.

    References
    ----------
    Achanta et al., SLIC superpixels compared to state-of-the-art superpixel methods, TPAMI 2012; maskSLIC:
    Irving, arXiv:1606.09518.

    Examples
    --------
    >>> import numpy as np
    >>> from ace3d_fast import slic
    >>> image = np.zeros((32, 32, 3), np.uint8)
    >>> image[:, 16:] = 255
    >>> labels = slic(image, n_segments=4)
    >>> labels.shape, np.unique(labels).tolist()
    ((32, 32), [1, 2, 3, 4])
    """
    where = "slic"
    check_count(where, "n_segments", n_segments, least=1)
    check_positive(where, "compactness", compactness)
    check_count(where, "max_num_iter", max_num_iter, least=1)
    if check_count(where, "start_label", start_label, least=0) > 1:
        raise InputError(expected(where, "start_label", "0 or 1", start_label))
    flags = {"enforce_connectivity": enforce_connectivity, "slic_zero": slic_zero, "exact": exact}
    for name, flag in flags.items():
        check_flag(where, name, flag)
    if convert2lab is not None:
        check_flag(where, "convert2lab", convert2lab)
    if min_size_factor != 0:
        check_positive(where, "min_size_factor", min_size_factor)
    check_positive(where, "max_size_factor", max_size_factor)
    clip, flat = _as_clip(where, image, channel_axis)
    shape = clip.shape[:3]
    inside = None if mask is None else _as_mask(where, mask, shape)
    axes = 2 if flat else 3
    distances = _per_axis(where, "spacing", 1.0 if spacing is None else spacing, axes, fill=1.0)
    if min(distances) <= 0:
        raise InputError(expected(where, "spacing", "above 0", shown(spacing)))
    # A number is divided by the distances, a list is taken as it is: scikit-image's rule.
    widths = _per_axis(where, "sigma", sigma, axes, fill=0.0)
    if isinstance(sigma, (int, float)):
        widths = [float(sigma) / distance for distance in distances]
    to_lab = channel_axis is not None and convert2lab is not False and clip.shape[3] == 3
    if convert2lab and not to_lab:
        raise InputError(expected(where, "image", "of three channels for convert2lab", tuple(image.shape)))

    options: dict[str, Any] = {
        "compactness": compactness, "num_iterations": max_num_iter, "spacing": distances
    }  # fmt: skip
    plain = to_lab and clip.dtype == torch.uint8 and not (exact or slic_zero or inside is not None)
    if not plain:
        clip = clip.cpu()
    if plain and max(widths) > 0:
        labels = slic3d(smooth_lab(clip[None], widths), [n_segments], **options)
    elif plain:
        labels = slic3d_frames(clip[None], [n_segments], **options)
    else:
        colors = _stretch(where, clip, inside, exact, channels_first=not to_lab)
        if to_lab:
            lab = rgb_to_lab(colors)
            colors = _empty(lab, channels_first=True).copy_(lab)
        volume = colors.movedim(3, 0)[None]
        if max(widths) > 0:
            volume = gaussian_smooth(volume, widths)
        if inside is not None:
            volume = volume.masked_fill(~inside, 0)
        options |= {"exact": exact, "adapt_compactness": slic_zero}
        labels = slic3d(volume, [n_segments], mask=None if inside is None else inside[None], **options)
    if enforce_connectivity:
        if inside is None:
            size = shape.numel() / seed_grid(shape, n_segments).num_centers(shape)
        else:
            size = int(inside.sum()) / max(1, _num_mask_seeds(inside, n_segments))
        smallest, largest = int(min_size_factor * size), int(max_size_factor * size)
        enforce_connectivity_(labels, [smallest], [max(1, largest)], repair=False)
    found = labels[0, 0, 0] if flat else labels[0, 0]
    if isinstance(image, Tensor) and found.is_cuda:
        return found.to(torch.int64) + start_label
    found = torch.add(found, start_label, out=torch.from_numpy(np.empty(found.shape, dtype=np.int64)))
    return found.to(image.device) if isinstance(image, Tensor) else found.numpy()


def _num_mask_seeds(inside: Tensor, n_segments: int) -> int:
    return min(n_segments, int(inside.sum()))


def _as_clip(where: str, image: NDArray[Any] | Tensor, channel_axis: int | None) -> tuple[Tensor, bool]:
    """The image as (T, H, W, C), and whether it had no T."""
    if not isinstance(image, (np.ndarray, Tensor)):
        raise InputError(expected(where, "image", "a NumPy array or a tensor", type(image).__name__))
    pixels = (
        torch.from_numpy(np.ascontiguousarray(image)) if isinstance(image, np.ndarray) else image.detach()
    )
    if pixels.layout != torch.strided or pixels.device.type not in ("cpu", "cuda"):
        raise InputError(
            expected(
                where, "image", "as a dense tensor on the CPU or a GPU", f"{pixels.layout}, {pixels.device}"
            )
        )
    if channel_axis is not None and not (
        isinstance(channel_axis, int)
        and not isinstance(channel_axis, bool)
        and -pixels.ndim <= channel_axis < pixels.ndim
    ):
        wanted = f"an axis of an image of {pixels.ndim}"
        raise InputError(expected(where, "channel_axis", wanted, shown(channel_axis)))
    if pixels.dtype.is_complex or pixels.dtype == torch.bool:
        raise InputError(expected(where, "image", "of numbers", f"type {pixels.dtype}"))
    axes = pixels.ndim - (channel_axis is not None)
    if axes not in (2, 3) or pixels.numel() == 0:
        wanted = "with 2 or 3 axes of space and at least one pixel"
        raise InputError(expected(where, "image", wanted, f"shape {tuple(pixels.shape)}"))
    pixels = pixels[..., None] if channel_axis is None else pixels.movedim(channel_axis, -1)
    return (pixels[None] if axes == 2 else pixels), axes == 2


def _as_mask(where: str, mask: NDArray[Any] | Tensor, shape: torch.Size) -> Tensor:
    if not isinstance(mask, (np.ndarray, Tensor)):
        raise InputError(expected(where, "mask", "a NumPy array or a tensor", type(mask).__name__))
    inside = torch.from_numpy(np.ascontiguousarray(mask)) if isinstance(mask, np.ndarray) else mask
    if inside.layout != torch.strided or inside.device.type not in ("cpu", "cuda"):
        fact = f"{inside.layout}, {inside.device}"
        raise InputError(expected(where, "mask", "as a dense tensor on the CPU or a GPU", fact))
    inside = inside.cpu()
    inside = inside[None] if inside.ndim == 2 else inside
    if inside.shape != shape:
        raise InputError(expected(where, "mask", "of the shape of the image", f"{tuple(inside.shape)}"))
    return inside.bool()


def _per_axis(
    where: str, name: str, values: float | Sequence[float], axes: int, *, fill: float
) -> list[float]:
    """A number for T, H and W each; `fill` for T where the image has none."""
    wanted = f"{axes} finite numbers of at least 0, one for each axis of space"
    try:
        numbers = np.broadcast_to(np.asarray(values, dtype=np.float64), (axes,))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(expected(where, name, wanted, shown(values))) from error
    if not np.isfinite(numbers).all() or numbers.min() < 0:
        raise InputError(expected(where, name, wanted, shown(values)))
    return [fill] * (3 - axes) + [float(number) for number in numbers]


def _empty(like: Tensor, *, channels_first: bool) -> Tensor:
    """Room for (T, H, W, C) in NumPy's memory, whose large pages cost far less to touch than torch's."""
    dtype = np.float64 if like.dtype == torch.float64 else np.float32
    if channels_first:
        return torch.from_numpy(np.empty((like.shape[3], *like.shape[:3]), dtype)).movedim(0, 3)
    return torch.from_numpy(np.empty(like.shape, dtype))


def _stretch(where: str, clip: Tensor, inside: Tensor | None, exact: bool, *, channels_first: bool) -> Tensor:
    """Floats, stretched so that the least value (inside the mask) is 0 and the largest is 1."""
    exact_type = clip.dtype if clip.dtype in (torch.float32, torch.float64) else torch.float64
    half = clip.dtype in (torch.float16, torch.bfloat16)
    values = clip.to(torch.float32 if half or not exact else exact_type)
    counted = values if inside is None else values[inside]
    if counted.numel() == 0:
        return torch.zeros_like(values).contiguous()
    low, high = counted.aminmax()
    if not bool(torch.isfinite(high - low)):
        raise InputError(expected(where, "image", "free of NaN and infinities", "some"))
    stretched = torch.sub(values, low, out=_empty(values, channels_first=channels_first))
    if high > low:
        stretched /= high - low
    if inside is None:
        return stretched
    # What the mask leaves out is smoothed into what it does not, but for NaN and infinities.
    return stretched.masked_fill_(~inside[..., None] & ~torch.isfinite(stretched), 0)
