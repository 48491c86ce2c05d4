"""How good supervoxels are: against a true segmentation, and by themselves.

Label maps are (T, H, W) int32 of regions counted from 0. Negative voxels are background: measures of overlap
count them nowhere, measures of boundaries see them as one more region.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops.checks import check_count, check_finite, check_tensor, check_volume
from ace3d_fast.ops.region_overlap import region_overlap

Table = NDArray[np.int64]


def truth_metrics(labels: Tensor, truth: Tensor) -> dict[str, float]:
    """Compare a label map with a true one.

    Parameters
    ----------
    labels, truth : (T, H, W) int32

    Returns
    -------
    dict
        ``undersegmentation_error_3d``, ``np_undersegmentation_error``, ``achievable_accuracy``,
        ``segmentation_accuracy_3d``, and ``boundary_recall_<r>`` and ``boundary_precision_<r>`` for a
        tolerance r of 0 and 1 voxel.

    Raises
    ------
    InputError
        Another shape or type, maps that differ in shape, or no voxel that has a region in both.

    Examples
    --------
    >>> import torch
    >>> from ace3d_fast.segmentation_metrics import truth_metrics
    >>> labels = torch.tensor([[[0, 0, 1, 1]]], dtype=torch.int32)  # (T, H, W)
    >>> truth = torch.tensor([[[0, 1, 1, 1]]], dtype=torch.int32)
    >>> found = truth_metrics(labels, truth)
    >>> found["achievable_accuracy"]
    0.75
    """
    table = contingency_table(labels, truth)
    metrics = {
        "undersegmentation_error_3d": undersegmentation_error_3d(table),
        "np_undersegmentation_error": np_undersegmentation_error(table),
        "achievable_accuracy": achievable_accuracy(table),
        "segmentation_accuracy_3d": segmentation_accuracy_3d(table),
    }
    found, true = find_boundary(labels), find_boundary(truth)
    for tolerance in (0, 1):
        metrics[f"boundary_recall_{tolerance}"] = share_near(true, found, tolerance)
        metrics[f"boundary_precision_{tolerance}"] = share_near(found, true, tolerance)
    return metrics


def region_metrics(labels: Tensor, volume: Tensor) -> dict[str, float]:
    """Measure a label map by itself.

    Parameters
    ----------
    labels : (T, H, W) int32
    volume : (C, T, H, W) float32 or float64
        The colours that regions should explain.

    Returns
    -------
    dict
        ``num_regions``, ``explained_variation``, ``compactness``, ``mean_duration_frames``,
        ``boundary_density``.

    Raises
    ------
    InputError
        Another shape or type, a volume of another size, NaN or infinities, or no voxel that has a region.
    """
    return {
        "num_regions": float(torch.unique(labels[labels >= 0]).numel()),
        "explained_variation": explained_variation(labels, volume),
        "compactness": compactness(labels),
        "mean_duration_frames": mean_duration_frames(labels),
        "boundary_density": float(find_boundary(labels).float().mean()),
    }


def contingency_table(labels: Tensor, truth: Tensor) -> Table:
    """Voxels that each region shares with each true segment: (S, G) int64 from two (T, H, W) int32 maps.

    Regions and segments that share no voxel with any have no row and no column.
    """
    where = "contingency_table"
    _check_labels(where, "labels", labels)
    _check_labels(where, "truth", truth)
    if labels.shape != truth.shape:
        fact = f"shape {tuple(truth.shape)}"
        raise InputError(expected(where, "truth", f"of shape {tuple(labels.shape)}, as labels", fact))
    counts = [max(0, int(regions.max()) + 1) for regions in (labels, truth)]
    table: Table = region_overlap(labels[None], truth[None], *counts)[0].numpy()
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    if table.size == 0:
        raise InputError(expected(where, "labels and truth", "to share a voxel that has a region", "none"))
    return table


def undersegmentation_error_3d(table: Table) -> float:
    """Mean over true segments of the voxels by which the regions that touch one exceed it, per voxel of it.

    ``mean_i (sum over s that meet G_i of |s| - |G_i|) / |G_i|``; 0 is best.

    Parameters
    ----------
    table : (S, G) int64
        From `contingency_table`, without empty rows and columns.

    References
    ----------
    Xu and Corso, Evaluation of super-voxel methods for early video processing, CVPR 2012.
    """
    sizes, segments = table.sum(axis=1), table.sum(axis=0)
    touching = ((table > 0) * sizes[:, None]).sum(axis=0)
    return float(((touching - segments) / segments).mean())


def np_undersegmentation_error(table: Table) -> float:
    """Share of voxels in the smaller of each region's parts inside and outside a segment.

    ``1/N sum_i sum_s min(|s & G_i|, |s - G_i|)``; 0 is best.

    Parameters
    ----------
    table : (S, G) int64
        From `contingency_table`.

    References
    ----------
    Neubert and Protzel, Superpixel benchmark and comparison, Forum Bildverarbeitung 2012.
    """
    outside = table.sum(axis=1, keepdims=True) - table
    return float(np.minimum(table, outside).sum() / table.sum())


def achievable_accuracy(table: Table) -> float:
    """Share of voxels that are right where each region takes the segment it overlaps most.

    ``1/N sum_s max_i |s & G_i|`` (achievable segmentation accuracy, ASA); 1 is best.

    Parameters
    ----------
    table : (S, G) int64
        From `contingency_table`.

    References
    ----------
    Liu, Tuzel, Ramalingam and Chellappa, Entropy rate superpixel segmentation, CVPR 2011.
    """
    return float(table.max(axis=1).sum() / table.sum())


def segmentation_accuracy_3d(table: Table) -> float:
    """Mean over true segments of the share that lies in regions of which it holds at least half.

    ``mean_i (sum over s with |s & G_i| >= |s - G_i| of |s & G_i|) / |G_i|``; 1 is best.

    Parameters
    ----------
    table : (S, G) int64
        From `contingency_table`, without empty columns.

    References
    ----------
    Xu and Corso, Evaluation of super-voxel methods for early video processing, CVPR 2012.
    """
    mostly = 2 * table >= table.sum(axis=1, keepdims=True)
    return float(((table * mostly).sum(axis=0) / table.sum(axis=0)).mean())


def find_boundary(labels: Tensor) -> Tensor:
    """Voxels of which a 6-neighbour has another label: (T, H, W) bool from a (T, H, W) int32 map."""
    _check_labels("find_boundary", "labels", labels)
    boundary = torch.zeros(labels.shape, dtype=torch.bool)
    for axis in range(3):
        size = labels.shape[axis]
        differ = labels.narrow(axis, 1, size - 1) != labels.narrow(axis, 0, size - 1)
        boundary.narrow(axis, 1, size - 1).logical_or_(differ)
        boundary.narrow(axis, 0, size - 1).logical_or_(differ)
    return boundary


def share_near(boundary: Tensor, other: Tensor, tolerance: int = 0) -> float:
    """Share of the voxels of one boundary that have one of another within ``tolerance`` along each axis.

    With the true boundary first it is the boundary recall ``|B_G & B_S| / |B_G|``, with it second the
    boundary precision; 1 is best. Recall rises with the number of boundary voxels: report their density too.

    Parameters
    ----------
    boundary, other : (T, H, W) bool
        From `find_boundary`.
    tolerance : int
        In voxels; 0 asks for the same voxel.

    Returns
    -------
    float
        1 where there is no boundary: none of it is missed.

    References
    ----------
    Martin, Fowlkes and Malik, Learning to detect natural image boundaries using local brightness, color, and
    texture cues, TPAMI 2004; in 3D: Xu and Corso, CVPR 2012.
    """
    where = "share_near"
    for name, mask in (("boundary", boundary), ("other", other)):
        check_tensor(where, name, mask, dims=("T", "H", "W"), dtypes=(torch.bool,))
    check_count(where, "tolerance", tolerance, least=0)
    near = other.clone()
    for axis in range(3):
        size = near.shape[axis]
        line = near.clone()
        for shift in range(1, min(tolerance, size - 1) + 1):
            near.narrow(axis, shift, size - shift).logical_or_(line.narrow(axis, 0, size - shift))
            near.narrow(axis, 0, size - shift).logical_or_(line.narrow(axis, shift, size - shift))
    total = int(boundary.sum())
    return int((boundary & near).sum()) / total if total else 1.0


def explained_variation(labels: Tensor, volume: Tensor) -> float:
    """Share of the variance of colour that lies between the regions' means.

    ``sum_s |s| ||mu_s - mu||^2 / sum_x ||x - mu||^2``; 1 is best, and the value of a volume without variance.

    Parameters
    ----------
    labels : (T, H, W) int32
    volume : (C, T, H, W) float32 or float64

    References
    ----------
    Moore, Prince, Warrell, Mohammed and Jones, Superpixel lattices, CVPR 2008.
    """
    where = "explained_variation"
    _check_labels(where, "labels", labels)
    floats = (torch.float32, torch.float64)
    check_tensor(where, "volume", volume, dims=("C", "T", "H", "W"), dtypes=floats)
    if volume.shape[1:] != labels.shape:
        fact = f"shape {tuple(volume.shape)}"
        raise InputError(expected(where, "volume", f"of size {tuple(labels.shape)}, as labels", fact))
    check_finite(where, "volume", volume)
    inside = (labels >= 0).flatten()
    regions = labels.flatten()[inside].numpy()
    if not regions.size:
        raise InputError(expected(where, "labels", "to have a region", "none"))
    sizes = np.bincount(regions)
    between = total = 0.0
    for channel in volume.flatten(1):
        values = channel[inside].double().numpy()
        values = values - values.mean()
        sums = np.bincount(regions, values)
        between += float((sums**2 / np.maximum(sizes, 1)).sum())
        total += float((values**2).sum())
    return between / total if total > 0 else 1.0


def compactness(labels: Tensor) -> float:
    """Mean over voxels of how near the region of each is to a ball.

    ``sum_s |s| / N * 36 pi V_s^2 / A_s^3``, with the volume V in voxels and the surface A in voxel faces,
    those at the faces of the volume among them: a cube has pi / 6.

    Parameters
    ----------
    labels : (T, H, W) int32

    References
    ----------
    Schick, Fischer and Stiefelhagen, Measuring and evaluating the compactness of superpixels, ICPR 2012, with
    the isoperimetric quotient of three dimensions.
    """
    where = "compactness"
    _check_labels(where, "labels", labels)
    num_labels = int(labels.max()) + 1
    if num_labels < 1:
        raise InputError(expected(where, "labels", "to have a region", "none"))
    # Faces are 6 a voxel, less 2 for each pair of neighbours of one region.
    sizes = _count(labels, num_labels)
    faces = 6 * sizes
    for axis in range(3):
        size = labels.shape[axis]
        here, there = labels.narrow(axis, 0, size - 1), labels.narrow(axis, 1, size - 1)
        faces -= 2 * _count(here[here == there], num_labels)
    present = sizes > 0
    volumes, areas = sizes[present].astype(np.float64), faces[present].astype(np.float64)
    return float((volumes * 36 * math.pi * volumes**2 / areas**3).sum() / volumes.sum())


def mean_duration_frames(labels: Tensor) -> float:
    """Mean number of frames from a region's first to its last.

    Parameters
    ----------
    labels : (T, H, W) int32

    References
    ----------
    Xu and Corso, LIBSVX: a supervoxel library and benchmark for early video processing, IJCV 2016.
    """
    where = "mean_duration_frames"
    _check_labels(where, "labels", labels)
    num_labels = int(labels.max()) + 1
    if num_labels < 1:
        raise InputError(expected(where, "labels", "to have a region", "none"))
    first, last = np.full(num_labels, -1), np.full(num_labels, -1)
    for t, frame in enumerate(labels):
        shown = _count(frame, num_labels) > 0
        first[shown & (first < 0)] = t
        last[shown] = t
    present = first >= 0
    return float((last - first + 1)[present].mean())


def _count(labels: Tensor, num_labels: int) -> NDArray[np.int64]:
    """Voxels of each label."""
    regions = labels.flatten().numpy()
    sizes: NDArray[np.int64] = np.bincount(regions[regions >= 0], minlength=num_labels)
    return sizes


def _check_labels(where: str, name: str, labels: Tensor) -> None:
    check_tensor(where, name, labels, dims=("T", "H", "W"), dtypes=(torch.int32,))
    check_volume(where, name, labels)
