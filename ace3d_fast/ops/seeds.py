"""Where SLIC puts its seeds: a regular grid of about so many points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist
from torch import Tensor

from ace3d_fast.ops.color import clips_to_lab

_SEEDS_AT_ONCE = 4096


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

    def seeds(self, shape: Sequence[int]) -> Tensor:
        """Seeds (K, 3) int64 in a volume (T, H, W): t, y, x."""
        lines = [torch.arange(*along) for along in zip(self.start, shape, self.step, strict=True)]
        return torch.cartesian_prod(*lines)


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
    make = _seed_grid if torch.compiler.is_compiling() else _kept_seed_grid  # dynamo warns of what is kept
    return make(tuple(shape), num_regions)


def _seed_grid(shape: tuple[int, ...], num_regions: int) -> SeedGrid:
    start, step = regular_grid(shape, num_regions)
    grid = SeedGrid((start[0], start[1], start[2]), (step[0], step[1], step[2]), (1, 1, 1))
    window = regular_grid(shape, grid.num_centers(shape))[1]
    return SeedGrid(grid.start, grid.step, (window[0], window[1], window[2]))


# Made anew for each call it takes half as long as all else that a call does in Python.
_kept_seed_grid = lru_cache(maxsize=1024)(_seed_grid)


def seeds_off_edges(volume: Tensor, seeds: Tensor) -> Tensor:
    """Start each seed where colours change least near it, with the colour that it has there.

    Of the voxels at most one away along each axis, a seed takes the one with the least squared colour
    gradient (central differences, one-sided at the faces of the volume); among equals itself, then the first
    in scan order.

    Parameters
    ----------
    volume : (N, C, T, H, W) float32 or float64
    seeds : (K, 3) int64
        t, y, x of voxels.

    Returns
    -------
    (N, K, 3 + C), type of ``volume``
        t, y, x in voxels, then colours: what `slic3d` takes as ``centers``.

    References
    ----------
    Achanta et al., SLIC superpixels compared to state-of-the-art superpixel methods, TPAMI 2012, section 3.1.
    """
    return _move_off_edges(lambda t, y, x: volume[:, :, t, y, x], volume.shape[2:], seeds.to(volume.device))


def frame_seeds_off_edges(frames: Tensor, seeds: Tensor) -> Tensor:
    """`seeds_off_edges` of `clips_to_lab`, with Lab made near the seeds alone.

    Parameters
    ----------
    frames : (N, T, H, W, 3) uint8
        RGB.
    seeds : (K, 3) int64

    Returns
    -------
    (N, K, 6) float32
    """
    low, high = frames.flatten(1).aminmax(dim=1)
    range_of_clip = torch.stack([low, high], dim=1)[..., None].expand(-1, -1, 3)

    def lab_near(t: Tensor, y: Tensor, x: Tensor) -> Tensor:
        boxes = frames[:, t, y, x]
        # Two more pixels: the stretch is that of the whole clip.
        pixels = torch.cat([boxes.flatten(1, 4), range_of_clip], dim=1)
        lab = clips_to_lab(pixels[:, None, None])[:, :, 0, 0, :-2]
        return lab.reshape(*lab.shape[:2], *boxes.shape[1:5])

    return _move_off_edges(lab_near, frames.shape[1:4], seeds.to(frames.device))


def _move_off_edges(
    colors_near: Callable[[Tensor, Tensor, Tensor], Tensor], shape: Sequence[int], seeds: Tensor
) -> Tensor:
    """Centres (N, K, 3 + C) of seeds (K, 3).

    ``colors_near`` gives the colours (N, C, K, 5, 5, 5) at indices of T, H and W that broadcast to
    (K, 5, 5, 5).
    """
    parts = [seeds[i : i + _SEEDS_AT_ONCE] for i in range(0, len(seeds), _SEEDS_AT_ONCE)]
    return torch.cat([_move_some(colors_near, shape, part) for part in parts], dim=1)


def _move_some(
    colors_near: Callable[[Tensor, Tensor, Tensor], Tensor], shape: Sequence[int], seeds: Tensor
) -> Tensor:
    near = torch.arange(-2, 3, device=seeds.device)
    # Along each axis the five voxels around a seed, those outside the volume replaced by the last inside.
    at = [(seeds[:, axis, None] + near).clamp(0, size - 1) for axis, size in enumerate(shape)]
    box = colors_near(at[0][:, :, None, None], at[1][:, None, :, None], at[2][:, None, None, :])
    num_clips, channels = box.shape[:2]
    gradient = box.new_zeros(num_clips, len(seeds), 3, 3, 3)
    outside = torch.zeros(len(seeds), 3, 3, 3, dtype=torch.bool, device=seeds.device)
    for axis, size in enumerate(shape):
        along = [3 if other == axis else 1 for other in range(3)]
        middle = box
        for other in range(3):
            middle = middle if other == axis else middle.narrow(3 + other, 1, 3)
        distance = (at[axis][:, 2:] - at[axis][:, :-2]).clamp(min=1)
        difference = middle.narrow(3 + axis, 2, 3) - middle.narrow(3 + axis, 0, 3)
        slope = difference / distance.view(-1, *along)
        for channel in range(channels):
            gradient += slope[:, channel].square()
        place = seeds[:, axis, None] + near[1:4]
        outside |= ((place < 0) | (place >= size)).view(-1, *along)
    gradient = gradient.masked_fill(outside, torch.inf).flatten(2)
    preference = torch.arange(27, 0, -1, device=seeds.device)
    preference[13] = 28  # the seed itself
    best = ((gradient == gradient.amin(dim=2, keepdim=True)) * preference).argmax(dim=2)
    steps = [best // 3 ** (2 - axis) % 3 for axis in range(3)]
    moved = torch.stack([seeds[:, axis] + steps[axis] - 1 for axis in range(3)], dim=2)
    clips = torch.arange(num_clips, device=seeds.device)[:, None]
    each = torch.arange(len(seeds), device=seeds.device)
    colors = box.movedim(1, -1)[clips, each, 1 + steps[0], 1 + steps[1], 1 + steps[2]]
    return torch.cat([moved.to(box.dtype), colors], dim=2)


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
