"""Clusters of region features: k-means, agglomerative, HDBSCAN, and a dictionary by NMF."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.config import ClusterMethod
from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.checks import FloatMatrix, check_matrix, one_thread

# k-means of (rows, C) float: rows, number of clusters, seed and number of starts to centres and labels.
Lloyd = Callable[[FloatMatrix, int, int, int], tuple[FloatMatrix, NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class Clusters:
    """A partition of rows, largest cluster first.

    Attributes
    ----------
    labels : (rows,) int64
        Cluster of each row; -1: none.
    centers : (num_clusters, C), dtype of the rows
        Mean of each cluster.
    distances : (rows,), dtype of the rows
        Euclidean distance of each row to the centre of its own cluster.
    """

    labels: NDArray[np.int64]
    centers: FloatMatrix
    distances: FloatMatrix


def fit_clusters(
    x: ArrayLike,
    num_clusters: int,
    *,
    method: ClusterMethod = "kmeans",
    seed: int,
    min_size: int = 5,
    lloyd: Lloyd | None = None,
) -> Clusters:
    """Cluster rows.

    Parameters
    ----------
    x : (rows, C) float32 or float64
    num_clusters : int
        Between 1 and rows; ``hdbscan`` finds its own number.
    method : {"kmeans", "agglomerative", "hdbscan", "nmf"}
        ``agglomerative``: Ward's criterion. ``hdbscan``: dense groups of at least ``min_size`` rows; the
        others belong to none. ``nmf``: non-negative factors of the positive and negative parts of ``x``;
        a row belongs to the factor that contributes most to it.
    seed : int
    min_size : int
    lloyd : Lloyd, optional
        Computes k-means, by default scikit-learn.

    Returns
    -------
    Clusters
        Numbered by size, largest first; label -1 for rows of no cluster.

    Raises
    ------
    InputError
        ``x`` is no finite matrix, has fewer rows than clusters, or ``hdbscan`` finds no cluster.

    Notes
    -----
    scikit-learn's `AgglomerativeClustering` (Ward 1963), `HDBSCAN` (Campello et al. 2013) and `NMF`
    (Lee and Seung 1999; as concepts: Fel et al., CRAFT, CVPR 2023).
    """
    if method == "kmeans":
        return fit_kmeans(x, num_clusters, seed=seed, lloyd=lloyd)
    matrix = check_matrix("fit_clusters", "x", x)
    if method != "hdbscan" and not 1 <= num_clusters <= matrix.shape[0]:
        requirement = f"between 1 and {matrix.shape[0]} (the rows of x)"
        raise InputError(expected("fit_clusters", "num_clusters", requirement, num_clusters))
    with one_thread():
        labels = _OTHER_METHODS[method](matrix, num_clusters, seed, min_size)
    sizes = np.bincount(labels + 1)[1:]
    if not sizes.size:
        todo = "choose another method, or give more videos"
        raise InputError(expected("fit_clusters", "dense groups", "among the rows", "none", todo))
    order = np.argsort(-sizes, kind="stable")
    rank = np.append(np.empty_like(order), -1)
    rank[order] = np.arange(len(order))
    labels = rank[labels]
    centers = np.stack([matrix[labels == k].mean(axis=0) for k in range(len(order))])
    return Clusters(labels, centers, np.linalg.norm(matrix - centers[labels], axis=1))


def fit_kmeans(
    x: ArrayLike, num_clusters: int, *, seed: int, num_starts: int = 5, lloyd: Lloyd | None = None
) -> Clusters:
    """Cluster rows by Lloyd's k-means, the best of ``num_starts`` k-means++ starts.

    Parameters
    ----------
    x : (rows, C) float32 or float64
    num_clusters : int
        Between 1 and rows.
    seed : int
        Same seed, same result, for any number of threads.
    num_starts : int
    lloyd : Lloyd, optional
        By default scikit-learn.

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
    centers, labels = (lloyd or _lloyd)(matrix, num_clusters, seed, num_starts)
    sizes = np.bincount(labels, minlength=num_clusters)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(num_clusters)
    labels, centers = rank[labels], centers[order]
    distances = np.linalg.norm(matrix - centers[labels], axis=1)
    return Clusters(labels.astype(np.int64), centers, distances)


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


def _ward(matrix: FloatMatrix, num_clusters: int, _seed: int, _min_size: int) -> NDArray[np.int64]:
    from sklearn.cluster import AgglomerativeClustering

    labels: NDArray[np.int64] = AgglomerativeClustering(num_clusters).fit_predict(matrix).astype(np.int64)
    return labels


def _dense(matrix: FloatMatrix, _num_clusters: int, _seed: int, min_size: int) -> NDArray[np.int64]:
    from sklearn.cluster import HDBSCAN

    learner = HDBSCAN(min_cluster_size=max(min_size, 2), copy=True)
    labels: NDArray[np.int64] = learner.fit_predict(matrix).astype(np.int64)
    return labels


def _dictionary(matrix: FloatMatrix, num_clusters: int, seed: int, _min_size: int) -> NDArray[np.int64]:
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    parts = np.concatenate([np.maximum(matrix, 0), np.maximum(-matrix, 0)], axis=1)
    learner = NMF(num_clusters, init="nndsvda", random_state=seed, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weights = learner.fit_transform(parts)
    weights = weights * np.linalg.norm(learner.components_, axis=1)
    # a factor that wins no row is no cluster
    return np.unique(weights.argmax(axis=1), return_inverse=True)[1].astype(np.int64)


_OTHER_METHODS: dict[str, Callable[[FloatMatrix, int, int, int], NDArray[np.int64]]] = {
    "agglomerative": _ward,
    "hdbscan": _dense,
    "nmf": _dictionary,
}
