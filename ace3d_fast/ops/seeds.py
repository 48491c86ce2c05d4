"""Where SLIC puts its seeds: a regular grid of about so many points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist


@dataclass(frozen=True, slots=True)
class SeedGrid:
    """Seeds at ``start + i * step`` along T, H, W; a centre reaches ``2 * window`` voxels to each side."""

    start: tuple[int, int, int]
    step: tuple[int, int, int]
    window: tuple[int, int, int]

    def counts(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """Seeds along each axis of a volume (T, H, W)."""
        t, y, x = (
            len(range(start, size, step))
            for start, size, step in zip(self.start, shape, self.step, strict=True)
        )
        return t, y, x

    def num_centers(self, shape: Sequence[int]) -> int:
        """Seeds in a volume (T, H, W)."""
        return math.prod(self.counts(shape))


def regular_grid(shape: Sequence[int], num_points: int) -> tuple[list[int], list[int]]:
    """Starts and steps along each axis of a nearly cubic grid of about ``num_points`` in a box of ``shape``.

    An axis shorter than the step of a cubic grid gets one point, and the others share what is left: the rule
    of scikit-image's ``regular_grid``.
    """
    total = float(math.prod(shape))
    if total <= num_points:
        return [0] * len(shape), [1] * len(shape)
    order = sorted(range(len(shape)), key=lambda axis: shape[axis])
    sizes = [shape[axis] for axis in order]
    steps = [(total / num_points) ** (1.0 / len(sizes))] * len(sizes)
    for axis in range(len(sizes)):
        if all(size >= step for size, step in zip(sizes, steps, strict=True)):
            break
        steps[axis] = float(sizes[axis])
        rest = len(sizes) - axis - 1
        if rest:
            step = (float(math.prod(sizes[axis + 1 :])) / num_points) ** (1.0 / rest)
            steps[axis + 1 :] = [step] * rest
    starts_by_axis, steps_by_axis = [0] * len(shape), [1] * len(shape)
    for axis, step in zip(order, steps, strict=True):
        starts_by_axis[axis], steps_by_axis[axis] = int(step // 2), round(step)
    return starts_by_axis, steps_by_axis


def seed_grid(shape: Sequence[int], num_regions: int) -> SeedGrid:
    """Seeds of about ``num_regions`` regions in a volume (T, H, W).

    The reach of a centre follows from a second grid, of as many points as the first one really has.
    """
    start, step = regular_grid(shape, num_regions)
    grid = SeedGrid((start[0], start[1], start[2]), (step[0], step[1], step[2]), (1, 1, 1))
    window = regular_grid(shape, grid.num_centers(shape))[1]
    return SeedGrid(grid.start, grid.step, (window[0], window[1], window[2]))


def mask_seeds(
    mask: NDArray[np.bool_], num_regions: int, *, dense_axes: int
) -> tuple[NDArray[np.float64], float]:
    """About ``num_regions`` seeds spread over the voxels of a mask (T, H, W) by a short k-means.

    The same draws and steps as scikit-image's ``slic`` with a mask (maskSLIC, Irving, arXiv:1606.09518), a
    subset of ``10**dense_axes`` voxels a seed included. Returns the seeds (K, 3) and how far apart they are:
    along the axis where they are farthest, on average, from their nearest neighbour.
    """
    voxels = np.argwhere(mask).astype(float)
    draws = np.random.RandomState(123)
    every = np.arange(len(voxels))
    first = np.sort(draws.choice(every, min(num_regions, len(voxels)), replace=False))
    num_dense = 10**dense_axes * num_regions
    dense = np.sort(draws.choice(every, num_dense, replace=False)) if len(voxels) > num_dense else every
    seeds, _ = kmeans2(voxels[dense], voxels[first], iter=5)
    if len(seeds) == 1:
        return seeds, 1.0
    distances = cdist(seeds, seeds)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    return seeds, float(np.abs(seeds - seeds[nearest]).mean(axis=0).max()) or 1.0
