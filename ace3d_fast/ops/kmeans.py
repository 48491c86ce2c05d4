"""Steps of k-means for several starts at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_beside, check_count, check_number, check_tensor
from ace3d_fast.ops.region_pool import region_pool


@dataclass(frozen=True, slots=True)
class KmeansRuns:
    """What k-means comes to from each of B starts.

    Attributes
    ----------
    labels : (B, N) int32
        Cluster of each point.
    centers : (B, K, C) float32
        Means of the clusters; of an empty one, where its centre was last.
    inertia : (B,) float64
        Sum of the squared distances to the centres that the labels are nearest to.
    num_steps : int
        Steps that were taken.
    """

    labels: Tensor
    centers: Tensor
    inertia: Tensor
    num_steps: int


def _check_points(where: str, points: Tensor, centers: Tensor, *, least: int = 0) -> None:
    """Refuse what is no points (N, C) and centres (B, K, C) side by side, or fewer than ``least`` points."""
    check_tensor(where, "points", points, dims=("N", "C"), dtypes=(torch.float32,))
    check_tensor(where, "centers", centers, dims=("B", "K", "C"), dtypes=(torch.float32,))
    if points.shape[1] != centers.shape[2]:
        wanted = f"of {points.shape[1]} channels, as the points"
        raise InputError(expected(where, "centers", wanted, f"shape {tuple(centers.shape)}"))
    check_beside(where, "centers", centers, points)
    if points.shape[0] < least:
        raise InputError(expected(where, "points", f"of at least {least}", "none"))


def nearest_centers(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Find the nearest centre of every point, in each of B sets of centres.

    Parameters
    ----------
    points : (N, C) float32
    centers : (B, K, C) float32
        A centre that holds NaN is nearest to nothing.

    Returns
    -------
    labels : (B, N) int32
        The first of the nearest centres; -1 where no distance is below infinity. The same bits on every
        device, for any instruction set and number of threads.
    squares : (B, N) float32
        Squared Euclidean distances.

    Raises
    ------
    InputError
        Another shape or type.
    """
    _check_points("nearest_centers", points, centers)
    labels, squares = torch.ops.ace3d.nearest_centers(points.contiguous(), centers.contiguous())
    return labels, squares


def kmeans_step(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Assign every point and move every centre to the mean of its points, once in each of B runs.

    Parameters
    ----------
    points : (N, C) float32
        Read once for all runs in either half of the step.
    centers : (B, K, C) float32

    Returns
    -------
    centers : (B, K, C) float32
        Means; where no point is nearest, the centre as it was.
    labels : (B, N) int32
        Nearest of the centres that were given.
    squares : (B, N) float32
        Squared distances to those.

    Raises
    ------
    InputError
        Another shape or type, or no points.
    """
    _check_points("kmeans_step", points, centers, least=1)
    labels, squares = nearest_centers(points, centers)
    num_points, channels = points.shape
    grid = points.contiguous().view(1, 1, 1, num_points, channels).permute(0, 4, 1, 2, 3)
    maps = labels.view(1, -1, 1, 1, num_points)
    num_runs, num_clusters = centers.shape[:2]
    numbers = [num_clusters] * num_runs
    means = torch.cat(region_pool(grid, maps, numbers), dim=0)
    counts = torch.cat(region_pool(grid, maps, numbers, reduce="count"), dim=0)
    return torch.where(counts[..., None] > 0, means, centers), labels, squares


def kmeans(points: Tensor, centers: Tensor, *, num_steps: int = 300, tolerance: float = 1e-4) -> KmeansRuns:
    """Cluster points by Lloyd's k-means from each of B starts.

    Parameters
    ----------
    points : (N, C) float32
    centers : (B, K, C) float32
        Where each run starts.
    num_steps : int
        At most.
    tolerance : float
        Runs end when in all of them the centres move by less than this part of the mean variance of the
        channels, summed squares (scikit-learn's rule), or no label changes.

    Returns
    -------
    KmeansRuns

    Raises
    ------
    InputError
        Another shape or type, no points, steps below 1, or a tolerance below 0.

    References
    ----------
    Lloyd, Least squares quantization in PCM, IEEE Transactions on Information Theory, 1982.
    """
    _check_points("kmeans", points, centers, least=1)
    check_count("kmeans", "num_steps", num_steps, least=1)
    tolerance = check_number("kmeans", "tolerance", tolerance)
    if points.device.type == "meta":
        raise InputError(expected("kmeans", "points", "with data, to know when runs settle", "device meta"))
    labels = None
    least = tolerance * float(points.var(dim=0, correction=0).mean())
    taken, settled = 0, False
    while taken < num_steps and not settled:
        moved, found, _ = kmeans_step(points, centers)
        shift = float(((moved - centers) ** 2).sum(dim=(1, 2)).max()) if centers.numel() else 0.0
        settled = shift <= least or (labels is not None and torch.equal(labels, found))
        labels, centers, taken = found, moved, taken + 1
    labels, squares = nearest_centers(points, centers)
    return KmeansRuns(labels, centers, squares.double().sum(dim=1), taken)


@register_fake("nearest_centers")
def _(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    shape = (centers.shape[0], points.shape[0])
    return points.new_empty(shape, dtype=torch.int32), points.new_empty(shape)
