"""Connectivity by colour, one round after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor


def connect_by_color(labels: Tensor, colors: Tensor, min_sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Make the regions of (N, S, T, H, W) maps connected; see `ace3d_fast.ops.connect_by_color`."""
    connected = torch.empty_like(labels)
    num_labels = torch.empty(labels.shape[:2], dtype=torch.int32)
    for n, maps in enumerate(labels.numpy()):
        for s, (labels_of_map, least) in enumerate(zip(maps, min_sizes, strict=True)):
            out = _connect(labels_of_map, colors[n].numpy(), least)
            connected[n, s] = torch.from_numpy(out)
            num_labels[n, s] = int(out.max()) + 1
    return connected, num_labels


def _connect(labels: NDArray[np.int32], colors: NDArray[np.uint8], least: int) -> NDArray[np.int32]:
    component_of, sizes = _components(labels)
    means = [colors[component_of == c].astype(np.int64).sum(axis=0) / size for c, size in enumerate(sizes)]
    touched: list[set[int]] = [set() for _ in sizes]
    for axis in range(3):
        lines = np.moveaxis(component_of, axis, 0)
        for a, b in np.stack([lines[1:].ravel(), lines[:-1].ravel()], axis=1).tolist():
            if a != b and a >= 0 and b >= 0:
                touched[a].add(b)
                touched[b].add(a)

    region_of = {c: c for c, size in enumerate(sizes) if size >= least}
    while len(region_of) < len(sizes):
        joins = {}
        for c in range(len(sizes)):
            near = [other for other in touched[c] if other in region_of]
            if c not in region_of and near:
                nearest = min(near, key=lambda other: (_distance(means[c], means[other]), other))
                joins[c] = region_of[nearest]
        if not joins:
            left = [c for c in range(len(sizes)) if c not in region_of]
            joins = {c: c for c in left if not any(other < c for other in touched[c])}
        region_of.update(joins)

    numbers: dict[int, int] = {}
    new = [numbers.setdefault(region_of[c], len(numbers)) for c in range(len(sizes))]
    return np.array([*new, -1], dtype=np.int32)[component_of]


def _components(labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], list[int]]:
    """Components in the order of their first voxels, -1 where there is none, and their sizes."""
    component_of = np.full(labels.shape, -1, dtype=np.int64)
    total = 0
    for label in np.unique(labels[labels >= 0]):
        found, count = ndimage.label(labels == label)
        component_of[found > 0] = found[found > 0] + total - 1
        total += count
    seen, first = np.unique(component_of, return_index=True)
    order = seen[np.argsort(first)]
    order = order[order >= 0]
    rank = np.full(total + 1, -1)
    rank[order] = np.arange(total)
    component_of = rank[component_of]
    return component_of, np.bincount(component_of[component_of >= 0], minlength=total).tolist()


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Squared; summed channel by channel."""
    total = 0.0
    for step in a - b:
        total += float(step * step)
    return total
