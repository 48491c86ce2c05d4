"""3D SLIC, one centre after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.ops.seeds import SeedGrid, seed_grid

Floats = NDArray[np.floating]


def slic3d(
    volume: Tensor,
    num_regions: Sequence[int],
    *,
    compactness: float,
    num_iterations: int = 10,
    spacing: float | Sequence[float] = (1.0, 1.0, 1.0),
    centers: Sequence[Tensor] | None = None,
) -> Tensor:
    """Cut (N, C, T, H, W) volumes into supervoxels; see `ace3d_fast.ops.slic3d`."""
    distances = np.array((spacing,) * 3 if isinstance(spacing, (int, float)) else tuple(spacing))
    maps = []
    for n, clip in enumerate(volume.numpy()):
        for s, count in enumerate(num_regions):
            grid = seed_grid(clip.shape[1:], count)
            starts = _seeds(grid, clip) if centers is None else centers[s][n].numpy().astype(clip.dtype)
            maps.append(_labels(clip, grid, starts, compactness, num_iterations, distances))
    labels = np.array(maps, dtype=np.int32)
    return torch.from_numpy(labels.reshape(volume.shape[0], -1, *volume.shape[2:]))


def _seeds(grid: SeedGrid, clip: Floats) -> Floats:
    """Centres (t, y, x, colours) on the grid; their colours start at 0."""
    lines = [
        np.arange(start, size, step)
        for start, step, size in zip(grid.start, grid.step, clip.shape[1:], strict=True)
    ]
    seeds = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.concatenate([seeds, np.zeros((len(seeds), clip.shape[0]))], axis=1).astype(clip.dtype)


def _labels(
    clip: Floats, grid: SeedGrid, centers: Floats, compactness: float, num_iterations: int, spacing: Floats
) -> NDArray[np.int32]:
    scale = clip.dtype.type(1.0 / compactness)
    colors = clip * scale
    centers = np.concatenate([centers[:, :3], centers[:, 3:] * scale], axis=1)
    channels, shape = colors.shape[0], colors.shape[1:]
    spacing = spacing.astype(clip.dtype)
    weight = clip.dtype.type(1.0 / max(grid.step) ** 2)

    labels = np.full(shape, -1, dtype=np.int32)
    for _ in range(num_iterations):
        costs = np.full(shape, np.finfo(clip.dtype).max, dtype=clip.dtype)
        for k, center in enumerate(centers):
            if np.isnan(center[0]):
                continue  # a centre that lost all its voxels
            reach = tuple(
                slice(int(max(c - 2 * window, 0)), int(min(c + 2 * window + 1, size)))
                for c, window, size in zip(center[:3], grid.window, shape, strict=True)
            )
            dt, dy, dx = (
                (s * (c - np.arange(axis.start, axis.stop, dtype=clip.dtype))) ** 2
                for s, c, axis in zip(spacing, center[:3], reach, strict=True)
            )
            cost = np.zeros_like(costs[reach])
            for channel in range(channels):
                cost += (colors[channel][reach] - center[3 + channel]) ** 2
            cost = ((dt[:, None, None] + dy[None, :, None]) + dx[None, None, :]) * weight + cost
            nearer = cost < costs[reach]
            costs[reach][nearer] = cost[nearer]
            labels[reach][nearer] = k
        centers = _means(labels, colors, len(centers))
    return labels


def _means(labels: NDArray[np.int32], colors: Floats, num_centers: int) -> Floats:
    """Mean position and colour of each label; NaN for one without voxels."""
    reached = labels >= 0
    which = labels[reached]
    values = [*np.nonzero(reached), *(color[reached] for color in colors)]
    sizes = np.bincount(which, minlength=num_centers)
    with np.errstate(invalid="ignore"):
        means = np.stack([np.bincount(which, value, num_centers) / sizes for value in values], axis=1)
    return means.astype(colors.dtype)
