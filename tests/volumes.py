"""Inputs for the tests of the ops."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

# Axes of one voxel, primes, and sizes on both sides of a brick of 4 and of 16.
SIDES = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 23])
SHAPES = st.tuples(st.sampled_from([1, 2, 3, 4, 5, 8, 9]), SIDES, SIDES)


def smooth_clip(shape: tuple[int, int, int], seed: int = 0, num_clips: int = 1) -> Tensor:
    """(N, T, H, W, 3) uint8 frames with soft blobs of colour and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(num_clips, 3, 3, 5, 5, generator=generator) * 255
    fine = torch.nn.functional.interpolate(coarse, size=shape, mode="trilinear")
    noise = torch.randn(fine.shape, generator=generator) * 4
    return (fine + noise).clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous()


def label_map(shape: tuple[int, ...], num_labels: int, seed: int = 0, *, low: int = 0) -> Tensor:
    """Labels from ``low`` to ``num_labels`` - 1 in blocks with ragged edges, int32."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(low, num_labels, shape, dtype=np.int32)
    for axis in range(len(shape) - 3, len(shape)):
        copy = rng.random(shape) < 0.7
        labels = np.where(copy, np.roll(labels, 1, axis), labels)
    return torch.from_numpy(np.ascontiguousarray(labels))
