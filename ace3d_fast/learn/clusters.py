"""K-means over region features, and the number of clusters by stability."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.checks import FloatMatrix, Labels, check_matrix, group_codes, one_thread

SUBSAMPLE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Clusters:
    """A partition of rows, largest cluster first.

    Attributes
    ----------
    labels : (rows,) int64
        Cluster of each row.
    centers : (num_clusters, C), dtype of the rows
        Mean of each cluster.
    distances : (rows,), dtype of the rows
        Euclidean distance of each row to the centre of its own cluster.
    """

    labels: NDArray[np.int64]
    centers: FloatMatrix
    distances: FloatMatrix


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """A number of clusters and what it was chosen from.

    Attributes
    ----------
    num_clusters : int
    candidates : tuple of int
        Numbers that were tried, ascending.
    stability : (len(candidates),) float64
        Mean adjusted Rand index between clusterings of different subsamples; 1 is perfect.
    """

    num_clusters: int
    candidates: tuple[int, ...]
    stability: NDArray[np.float64]


def fit_kmeans(x: ArrayLike, num_clusters: int, *, seed: int, num_starts: int = 5) -> Clusters:
    """Cluster rows by Lloyd's k-means, the best of ``num_starts`` k-means++ starts.

    Parameters
    ----------
    x : (rows, C) float32 or float64
    num_clusters : int
        Between 1 and rows.
    seed : int
        Same seed, same result, for any number of threads.
    num_starts : int

    Returns
    -------
    Clusters
        Numbered by size, largest first. Where ``x`` has fewer distinct rows than
        ``num_clusters``, the last clusters are empty.

    Raises
    ------
    InputError
        ``x`` is no finite matrix or has fewer rows than clusters.

    Notes
    -----
    scikit-learn's `KMeans` (Lloyd 1982; Arthur and Vassilvitskii 2007).
    """
    matrix = check_matrix("fit_kmeans", "x", x)
    if not 1 <= num_clusters <= matrix.shape[0]:
        requirement = f"between 1 and {matrix.shape[0]} (the rows of x)"
        raise InputError(expected("fit_kmeans", "num_clusters", requirement, num_clusters))
    centers, labels = _lloyd(matrix, num_clusters, seed, num_starts)
    sizes = np.bincount(labels, minlength=num_clusters)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(num_clusters)
    labels, centers = rank[labels], centers[order]
    distances = np.linalg.norm(matrix - centers[labels], axis=1)
    return Clusters(labels.astype(np.int64), centers, distances)


def choose_num_clusters(
    x: ArrayLike,
    candidates: Sequence[int],
    *,
    seed: int,
    groups: Labels | None = None,
    num_fits: int = 5,
    num_starts: int = 3,
    tolerance: float = 0.02,
    max_rows: int = 4000,
) -> ClusterChoice:
    """Choose the largest number of clusters that comes out alike on different subsamples.

    For each candidate, ``num_fits`` subsamples of 80 % of the groups (rows, without groups; always
    at least one group less than all) are clustered; the centres of each fit partition all rows, and
    the stability is the mean adjusted Rand index over pairs of fits. The largest candidate whose
    stability is within ``tolerance`` of the best is chosen.

    Parameters
    ----------
    x : (rows, C) float32 or float64
    candidates : sequence of int
        Numbers of clusters; those above half the rows are skipped.
    seed : int
    groups : (rows,), optional
        Video of each row: subsamples hold whole videos.
    num_fits, num_starts : int
        Subsamples for each candidate, and k-means++ starts for each of them.
    tolerance : float
    max_rows : int
        With more rows, a random selection of as many decides.

    Returns
    -------
    ClusterChoice

    Raises
    ------
    InputError
        No candidate is left, ``num_fits`` is below 2, or ``x`` is no finite matrix.

    Notes
    -----
    Stability over subsamples: Ben-Hur, Elisseeff and Guyon, PSB 2002.
    """
    where = "choose_num_clusters"
    matrix = check_matrix(where, "x", x, min_rows=2)
    num_rows = matrix.shape[0]
    codes = group_codes(where, "groups", groups, num_rows)
    if num_fits < 2:
        raise InputError(expected(where, "num_fits", "of at least 2 to compare fits", num_fits))
    tried = tuple(sorted({int(k) for k in candidates if 2 <= k <= num_rows // 2}))
    if not tried:
        requirement = f"to hold a number between 2 and {num_rows // 2} (half the {num_rows} regions)"
        todo = "give more videos, or set the number of clusters"
        raise InputError(expected(where, "candidates", requirement, list(candidates), todo))
    rng = np.random.default_rng(seed)
    if num_rows > max_rows:
        chosen = np.sort(rng.choice(num_rows, max_rows, replace=False))
        matrix, codes = matrix[chosen], np.unique(codes[chosen], return_inverse=True)[1]
    subsamples = [_subsample(codes, rng) for _ in range(num_fits)]
    seeds = rng.integers(2**31, size=num_fits)
    stability = np.array([_stability(matrix, k, subsamples, seeds, num_starts) for k in tried])
    best = int(np.flatnonzero(stability >= stability.max() - tolerance)[-1])
    return ClusterChoice(tried[best], tried, stability)


def _lloyd(
    matrix: FloatMatrix, num_clusters: int, seed: int, num_starts: int
) -> tuple[FloatMatrix, NDArray[np.int64]]:
    """Return the centres and labels of scikit-learn's k-means."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    learner = KMeans(num_clusters, n_init=num_starts, random_state=int(seed), algorithm="lloyd")
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
        learner.fit(matrix)
    return learner.cluster_centers_, learner.labels_.astype(np.int64)


def _subsample(codes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of a random 80 % of the groups, leaving out at least one where there are several."""
    num_groups = int(codes.max()) + 1
    num_kept = max(1, min(num_groups - 1, int(np.ceil(SUBSAMPLE_SHARE * num_groups))))
    kept = rng.choice(num_groups, num_kept, replace=False)
    return np.flatnonzero(np.isin(codes, kept))


def _stability(
    matrix: FloatMatrix,
    num_clusters: int,
    subsamples: Sequence[NDArray[np.int64]],
    seeds: NDArray[np.int64],
    num_starts: int,
) -> float:
    """Mean adjusted Rand index of all rows, over pairs of subsamples."""
    from sklearn.metrics import adjusted_rand_score

    partitions = []
    for rows, seed in zip(subsamples, seeds, strict=True):
        sample = matrix[rows]
        centers, _ = _lloyd(sample, min(num_clusters, len(rows)), int(seed), num_starts)
        partitions.append(_nearest(matrix, centers))
    return float(np.mean([adjusted_rand_score(a, b) for a, b in combinations(partitions, 2)]))


def _nearest(matrix: FloatMatrix, centers: FloatMatrix) -> NDArray[np.int64]:
    """Index of the nearest centre of each row; ties go to the lower index."""
    with one_thread():
        cost = (centers**2).sum(axis=1) - 2 * matrix @ centers.T
    nearest: NDArray[np.int64] = cost.argmin(axis=1).astype(np.int64)
    return nearest
