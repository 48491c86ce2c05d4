"""How label maps overlap, pair by pair."""

from __future__ import annotations

import torch
from torch import Tensor


def region_overlap(a: Tensor, b: Tensor, num_a: int, num_b: int) -> Tensor:
    """Count the voxels that regions of two (N, T, H, W) maps share; see `ace3d_fast.ops.region_overlap`."""
    counts = torch.zeros(a.shape[0], num_a, num_b, dtype=torch.int64)
    for i in range(num_a):
        for j in range(num_b):
            counts[:, i, j] = ((a == i) & (b == j)).sum(dim=(1, 2, 3))
    return counts
