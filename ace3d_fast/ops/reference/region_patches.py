"""Regions of a clip cut out and enlarged, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ace3d_fast.ops.region_patches import Numbers, Rows, pixel_scale


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
    """Cut regions out of a clip; see `ace3d_fast.ops.region_patches`."""
    num_frames, *side = size
    maps = labels if labels.ndim == 4 else labels[None]
    scale, shift = (torch.tensor(values) for values in pixel_scale(mean, std))
    patches = torch.empty(len(regions), num_frames, *side, 3)
    numbers, cuts = (np.asarray(values).tolist() for values in (regions, boxes))
    for patch, region, (t0, y0, y1, x0, x1) in zip(patches, numbers, cuts, strict=True):
        box = (slice(t0, t0 + num_frames), slice(y0, y1), slice(x0, x1))
        shown = (maps == region).any(dim=0)[box]
        masked = torch.where(shown[..., None], frames[box], torch.tensor(fill, dtype=torch.uint8))
        planes = masked.permute(0, 3, 1, 2)
        resized = F.interpolate(planes, size=side, mode="bicubic", antialias=True)
        patch.copy_(resized.permute(0, 2, 3, 1).float() * scale - shift)
    return patches.permute(0, 4, 1, 2, 3)
