"""From frames to supervoxels, by scikit-image; of high quality, by the other references."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ace3d_fast.config import Quality
from ace3d_fast.ops.reference.color import clips_to_lab
from ace3d_fast.ops.reference.connect_by_color import connect_by_color
from ace3d_fast.ops.reference.slic3d import slic3d
from ace3d_fast.ops.reference.smooth import gaussian_smooth
from ace3d_fast.ops.seeds import seed_grid, seeds_off_edges


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
    """Cut (N, T, H, W, 3) uint8 clips into supervoxels; see `ace3d_fast.ops.segment_clips`."""
    if quality == "high":
        return _segment_high(frames, num_regions, compactness, sigma, spacing, num_iterations)
    from skimage.segmentation import slic

    distances = (float(spacing),) * 3 if isinstance(spacing, (int, float)) else tuple(spacing)
    maps = [
        [
            slic(
                clip,
                n_segments=count,
                compactness=compactness,
                max_num_iter=num_iterations,
                sigma=sigma,
                spacing=distances,
                start_label=0,
                channel_axis=-1,
            )
            for count in num_regions
        ]
        for clip in frames.numpy()
    ]
    return torch.from_numpy(np.array(maps, dtype=np.int32))


def _segment_high(
    frames: Tensor,
    num_regions: Sequence[int],
    compactness: float,
    sigma: float | Sequence[float],
    spacing: float | Sequence[float],
    num_iterations: int,
) -> Tensor:
    widths, distances = (
        np.array((values,) * 3 if isinstance(values, (int, float)) else tuple(values), dtype=float)
        for values in (sigma, spacing)
    )
    volume = gaussian_smooth(clips_to_lab(frames), (widths / distances).tolist())
    grids = [seed_grid(volume.shape[2:], count) for count in num_regions]
    labels = slic3d(
        volume,
        num_regions,
        compactness=compactness,
        num_iterations=num_iterations,
        spacing=distances.tolist(),
        centers=[seeds_off_edges(volume, grid.seeds(volume.shape[2:])) for grid in grids],
    )
    quarters = [int(0.25 * labels[0, 0].numel() / grid.num_centers(volume.shape[2:])) for grid in grids]
    return connect_by_color(labels, frames, quarters)[0]
