"""From frames to supervoxels: the whole of scikit-image's ``slic``, batched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from ace3d_fast.config import Quality
from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops.checks import check_counts, check_tensor, check_triple, check_volume, shown
from ace3d_fast.ops.connect_by_color import connect_by_color
from ace3d_fast.ops.connectivity import enforce_connectivity_
from ace3d_fast.ops.seeds import frame_seeds_off_edges, seed_grid, seeds_off_edges
from ace3d_fast.ops.slic3d import slic3d, slic3d_frames
from ace3d_fast.ops.smooth import smooth_lab


def segment_clips(
    frames: Tensor,
    num_regions: Sequence[int] = (15, 50, 80),
    *,
    compactness: float = 20.0,
    sigma: float = 1.0,
    spacing: float | Sequence[float] = (1.0, 1.0, 1.0),
    num_iterations: int = 10,
    quality: Quality = "standard",
) -> Tensor:
    """Cut clips into connected supervoxels, at several resolutions at once.

    By default the same as ``skimage.segmentation.slic(frames, n_segments, compactness, num_iterations,
    sigma, spacing, start_label=0, channel_axis=-1)`` for each clip and resolution, but for its issue 8295:
    stretch to the full range, Lab, smoothing, k-means, connectivity. Lab and smoothing are done once for all
    resolutions.

    Parameters
    ----------
    frames : (N, T, H, W, 3) uint8
        RGB.
    num_regions : S integers
        About how many regions each of the S maps is to have.
    compactness : float
        Weight of position against colour.
    sigma : float
        Width of the smoothing in units of ``spacing``.
    spacing : float or three floats (T, H, W)
        Distance between voxels along each axis.
    num_iterations : int
    quality : "standard" or "high"
        "high" follows true boundaries better for up to twice the time: seeds keep off edges and start with a
        colour, and parts of less than a quarter of the mean size join the neighbour of the nearest colour,
        where "standard" joins parts of less than half to the neighbour met last.

    Returns
    -------
    (N, S, T, H, W) int32
        Regions of each map from 0, every one 6-connected.

    Raises
    ------
    InputError
        Another shape or type, or an option out of range.

    Examples
    --------
    >>> import torch
    >>> from ace3d_fast import segment_clips
    >>> frames = torch.zeros(1, 8, 32, 32, 3, dtype=torch.uint8)
    >>> frames[..., 16:, :] = 255  # black beside white
    >>> labels = segment_clips(frames, (4, 16))
    >>> labels.shape  # clips, resolutions, T, H, W
    torch.Size([1, 2, 8, 32, 32])
    >>> left, right = labels[0, 0, ..., :16], labels[0, 0, ..., 16:]
    >>> set(left.unique().tolist()) & set(right.unique().tolist())  # no region lies in both
    set()
    """
    where = "segment_clips"
    check_tensor(where, "frames", frames, dims=("N", "T", "H", "W", "3"), dtypes=(torch.uint8,))
    shape = frames.shape[1:4]
    check_volume(where, "frames", frames[..., 0])
    counts = check_counts(where, "num_regions", num_regions, least=1)
    distances = check_triple(where, "spacing", spacing, zero=False)
    widths = [
        width / step
        for width, step in zip(check_triple(where, "sigma", sigma, zero=True), distances, strict=True)
    ]

    options: dict[str, Any] = {
        "compactness": compactness, "num_iterations": num_iterations, "spacing": distances
    }  # fmt: skip
    grids = [seed_grid(shape, count) for count in counts]
    sizes = [shape.numel() / grid.num_centers(shape) for grid in grids]
    colors = smooth_lab(frames, widths) if max(widths) > 0 else frames
    if check_quality(where, quality) == "high":
        move = frame_seeds_off_edges if colors is frames else seeds_off_edges
        options["centers"] = [move(colors, grid.seeds(shape)) for grid in grids]
    labels = (slic3d_frames if colors is frames else slic3d)(colors, counts, **options)
    return connect_regions(labels, frames, sizes, quality)


def check_quality(where: str, quality: Quality) -> Quality:
    """Refuse what is no quality."""
    if not isinstance(quality, str) or quality not in get_args(Quality):
        raise InputError(expected(where, "quality", f"one of {get_args(Quality)}", shown(quality)))
    return quality


def connect_regions(labels: Tensor, frames: Tensor, sizes: Sequence[float], quality: Quality) -> Tensor:
    """Connected regions (N, S, T, H, W), small parts joined; ``labels`` may be overwritten.

    ``frames`` are (N, T, H, W, 3) uint8; ``sizes`` are the mean sizes of the regions of each map, in voxels.
    """
    if quality == "high":
        return connect_by_color(labels, frames, [int(0.25 * size) for size in sizes])[0]
    enforce_connectivity_(
        labels, [int(0.5 * size) for size in sizes], [max(1, int(3 * size)) for size in sizes]
    )
    return labels
