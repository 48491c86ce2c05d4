"""Do clusters come back on other videos? The number of clusters is chosen so that most of them do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.config import ClusterMethod
from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.checks import Labels, check_matrix, group_codes
from ace3d_fast.learn.clusters import Clusters, Lloyd, fit_clusters

SUBSAMPLE_SHARE = 0.8
FRAGMENTED = 2  # candidates in a row of which fewer than half the clusters recur end the search
MIN_RECURRENCE = 0.75  # Hennig: from .75 on a cluster is valid and stable

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How clusters come back on subsamples.

    Attributes
    ----------
    of_cluster : (num_clusters,) float64
        Mean over subsamples of the Jaccard index of a cluster with the most similar one found there.
    ami : float
        Adjusted mutual information between one subsample's partition and the next one's, of the rows that
        both hold; mean.
    """

    of_cluster: NDArray[np.float64]
    ami: float


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """A number of clusters and what it was chosen from.

    Attributes
    ----------
    num_clusters : int
    candidates : tuple of int
        Numbers that were tried, ascending.
    num_recurring : (len(candidates),) int64
        Clusters of enough rows whose recurrence is at least .75.
    """

    num_clusters: int
    candidates: tuple[int, ...]
    num_recurring: IntArray


def measure_recurrence(
    x: ArrayLike,
    clusters: Clusters,
    *,
    method: ClusterMethod = "kmeans",
    seed: int,
    groups: Labels | None = None,
    num_fits: int = 10,
    min_size: int = 5,
    lloyd: Lloyd | None = None,
) -> Recurrence:
    """Cluster subsamples again and look for each cluster among what is found.

    Parameters
    ----------
    x : (rows, C) float
    clusters : Clusters
        Of these rows.
    method, seed, min_size, lloyd
        As in `fit_clusters`.
    groups : (rows,), optional
        Video of each row: a subsample holds 80 % of the videos (rows, without groups), always at least one
        less than all.
    num_fits : int
        Subsamples.

    Raises
    ------
    InputError
        ``num_fits`` is below 2, or ``x`` is no finite matrix.

    Notes
    -----
    Hennig, Cluster-wise assessment of cluster stability, Computational Statistics & Data Analysis 52 (2007).
    """
    where = "measure_recurrence"
    matrix = check_matrix(where, "x", x, min_rows=2)
    codes = group_codes(where, "groups", groups, len(matrix))
    if num_fits < 2:
        raise InputError(expected(where, "num_fits", "of at least 2 to compare fits", num_fits))
    rng = np.random.default_rng(seed)
    num_clusters = len(clusters.centers)
    found, similar = [], []
    for _ in range(num_fits):
        rows = _subsample(codes, rng)
        k = min(num_clusters, len(rows))
        try:
            again = fit_clusters(
                matrix[rows],
                k,
                method=method,
                seed=int(rng.integers(2**31)),
                min_size=min_size,
                lloyd=lloyd,
            ).labels
        except InputError:  # no dense group in this subsample
            again = np.full(len(rows), -1)
        similar.append(_best_jaccard(clusters.labels[rows], again, num_clusters))
        labels = np.full(len(matrix), -2)
        labels[rows] = again
        found.append(labels)
    return Recurrence(np.mean(similar, axis=0), _mean_ami(found))


def choose_num_clusters(
    x: ArrayLike,
    candidates: Sequence[int],
    *,
    method: ClusterMethod = "kmeans",
    seed: int,
    groups: Labels | None = None,
    num_fits: int = 10,
    min_size: int = 5,
    max_rows: int = 4000,
    lloyd: Lloyd | None = None,
) -> ClusterChoice:
    """Choose the number of clusters that has the most recurring ones, where at least half of them recur.

    An index over the whole partition, like Rand's, is ruled by the few large clusters of background and
    asks for too few clusters; counting those that recur lets a small one speak for itself. Where no candidate
    has half of its clusters recur, the one with the largest share is chosen. Once one had, the search
    ends where two candidates in a row have not: more clusters are only more fragments, and take the longest.

    Parameters
    ----------
    x : (rows, C) float
    candidates : sequence of int
        Numbers of clusters, tried in ascending order; those above half the rows are skipped. Of equals the
        lowest is chosen.
    method, seed, groups, num_fits, lloyd
        As in `measure_recurrence`.
    min_size : int
        Rows that a cluster needs to be counted.
    max_rows : int
        With more rows, a random selection of as many decides.

    Raises
    ------
    InputError
        No candidate is left, ``num_fits`` is below 2, or ``x`` is no finite matrix.
    """
    where = "choose_num_clusters"
    matrix = check_matrix(where, "x", x, min_rows=2)
    num_rows = matrix.shape[0]
    codes = group_codes(where, "groups", groups, num_rows)
    tried = tuple(sorted({int(k) for k in candidates if 2 <= k <= num_rows // 2}))
    if not tried:
        requirement = f"to hold a number between 2 and {num_rows // 2} (half the {num_rows} regions)"
        todo = "give more videos, or set the number of clusters"
        raise InputError(expected(where, "candidates", requirement, list(candidates), todo))
    if num_rows > max_rows:
        chosen = np.sort(np.random.default_rng(seed).choice(num_rows, max_rows, replace=False))
        matrix, codes = matrix[chosen], np.unique(codes[chosen], return_inverse=True)[1]
    counts: list[int] = []
    for k in tried:
        usable = [2 * count >= number for count, number in zip(counts, tried, strict=False)]
        if any(usable) and not any(usable[-FRAGMENTED:]):
            break
        clusters = fit_clusters(matrix, k, method=method, seed=seed, min_size=min_size, lloyd=lloyd)
        found = measure_recurrence(
            matrix,
            clusters,
            method=method,
            seed=seed,
            groups=codes,
            num_fits=num_fits,
            min_size=min_size,
            lloyd=lloyd,
        )
        sizes = np.bincount(clusters.labels + 1, minlength=len(clusters.centers) + 1)[1:]
        counts.append(int(((found.of_cluster >= MIN_RECURRENCE) & (sizes >= min_size)).sum()))
    tried, num_recurring = tried[: len(counts)], np.array(counts)
    share = num_recurring / np.array(tried)
    usable = share >= min(0.5, float(share.max()))
    return ClusterChoice(tried[int(np.where(usable, num_recurring, -1).argmax())], tried, num_recurring)


def _subsample(codes: IntArray, rng: np.random.Generator) -> IntArray:
    """Rows of a random 80 % of the groups, leaving out at least one where there are several."""
    num_groups = int(codes.max()) + 1
    num_kept = max(1, min(num_groups - 1, int(np.ceil(SUBSAMPLE_SHARE * num_groups))))
    kept = rng.choice(num_groups, num_kept, replace=False)
    return np.flatnonzero(np.isin(codes, kept))


def _best_jaccard(labels: IntArray, again: IntArray, num_clusters: int) -> NDArray[np.float64]:
    """Jaccard index of each cluster with the most similar one of ``again``; 0 where a subsample lacks it."""
    mine = labels[:, None] == np.arange(num_clusters)
    theirs = again[:, None] == np.arange(max(int(again.max()) + 1, 1))
    shared = mine.T.astype(np.float64) @ theirs.astype(np.float64)
    union = mine.sum(axis=0)[:, None] + theirs.sum(axis=0)[None] - shared
    best: NDArray[np.float64] = (shared / np.maximum(union, 1)).max(axis=1)
    return best


def _mean_ami(found: Sequence[IntArray]) -> float:
    from sklearn.metrics import adjusted_mutual_info_score

    values = []
    for a, b in pairwise(found):
        both = (a > -2) & (b > -2)
        if both.any():
            values.append(adjusted_mutual_info_score(a[both], b[both]))
    return float(np.mean(values)) if values else float("nan")
