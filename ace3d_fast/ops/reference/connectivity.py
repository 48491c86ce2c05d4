"""Connectivity of label maps, one breadth-first search after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

_STEPS = ((0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0))


def enforce_connectivity(
    labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int], *, repair: bool = True
) -> tuple[Tensor, Tensor]:
    """Make the regions of (N, S, T, H, W) maps connected; see `ace3d_fast.ops.enforce_connectivity`."""
    connected = torch.empty_like(labels)
    num_labels = torch.empty(labels.shape[:2], dtype=torch.int32)
    for n, maps in enumerate(labels.numpy()):
        for s, (labels_of_map, least, most) in enumerate(zip(maps, min_sizes, max_sizes, strict=True)):
            out, count = _connect(labels_of_map, least, most, repair)
            connected[n, s] = torch.from_numpy(out)
            num_labels[n, s] = count
    return connected, num_labels


def enforce_connectivity_(
    labels: Tensor, min_sizes: Sequence[int], max_sizes: Sequence[int], *, repair: bool = True
) -> Tensor:
    """Do the same in place; see `ace3d_fast.ops.enforce_connectivity_`."""
    connected, num_labels = enforce_connectivity(labels, min_sizes, max_sizes, repair=repair)
    labels.copy_(connected)
    return num_labels


def _connect(labels: NDArray[np.int32], least: int, most: int, repair: bool) -> tuple[NDArray[np.int32], int]:
    out = np.full_like(labels, -1)
    next_label = 0
    lost = []  # labels of components that met no neighbour
    for start in np.ndindex(labels.shape):
        if labels[start] < 0 or out[start] >= 0:
            continue
        component = [start]
        out[start] = next_label
        neighbour = -1
        visited = 0
        while visited < len(component) < most:
            voxel = component[visited]
            visited += 1
            for step in _STEPS:
                at = (voxel[0] + step[0], voxel[1] + step[1], voxel[2] + step[2])
                if any(not 0 <= i < size for i, size in zip(at, labels.shape, strict=True)):
                    continue
                if labels[at] == labels[start] and out[at] < 0:
                    out[at] = next_label
                    component.append(at)
                    if len(component) >= most:
                        break
                elif out[at] >= 0 and out[at] != next_label:
                    neighbour = out[at]
        if len(component) < least and neighbour >= 0:
            for voxel in component:
                out[voxel] = neighbour
        elif len(component) >= least or repair:
            if len(component) < least:
                lost.append(next_label)
            next_label += 1
    if lost:
        out = _join_lost(out, lost)
    return out, int(out.max()) + 1


def _join_lost(labels: NDArray[np.int32], lost: list[int]) -> NDArray[np.int32]:
    """Join each region of ``lost`` with the first one that it touches, and number the regions anew."""
    region_of = np.arange(labels.max() + 1)
    for label in lost:
        around = ndimage.binary_dilation(labels == label) & (labels >= 0)
        touched = {int(region) for region in region_of[labels[around]]} - {int(region_of[label])}
        if touched:
            pair = (min(touched), region_of[label])
            region_of[region_of == max(pair)] = min(pair)
    numbers = np.append(np.unique(region_of, return_inverse=True)[1], -1)
    return numbers[labels].astype(np.int32)
