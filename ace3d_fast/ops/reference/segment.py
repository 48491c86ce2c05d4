"""From frames to supervoxels, by scikit-image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def segment_clips(
    frames: Tensor,
    num_regions: Sequence[int] = (15, 50, 80),
    *,
    compactness: float = 20.0,
    sigma: float = 1.0,
    spacing: float | Sequence[float] = (1.0, 1.0, 1.0),
    num_iterations: int = 10,
) -> Tensor:
    """Cut (N, T, H, W, 3) uint8 clips into supervoxels; see `ace3d_fast.ops.segment_clips`."""
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
