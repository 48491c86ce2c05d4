"""Concept activation vectors: directions from random counterexamples to a concept."""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.config import CavMethod
from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.cav_accuracy import cav_accuracy
from ace3d_fast.learn.checks import Labels, check_matrix, check_pair, group_codes, one_thread
from ace3d_fast.learn.linear import fit_direction
from ace3d_fast.types import Cav

__all__ = [
    "CrossFit",
    "cav_accuracy",
    "cross_fit_directions",
    "fit_cavs",
    "fit_cavs_batched",
]

FloatArray = NDArray[np.float64]
CROSS_FIT_SETS = 5


class CrossFit(dict[str, NDArray[np.float32]]):
    """Unit directions (C,) float32 by the group they have not seen.

    A group that held no row gets the direction of all rows, which has not seen it either; where
    nothing is left to fit a direction, it is zero.
    """

    def __init__(self, whole: NDArray[np.float32]) -> None:
        super().__init__()
        self.whole = whole

    def __missing__(self, group: str) -> NDArray[np.float32]:
        return self.whole


def fit_cavs(
    positives: ArrayLike,
    negatives: ArrayLike,
    *,
    method: CavMethod = "fast",
    num_random_sets: int = 20,
    seed: int,
    groups_positive: Labels | None = None,
    groups_negative: Labels | None = None,
    num_permutations: int = 199,
) -> Cav:
    """Fit directions to a concept from random sets of one shared pool of counterexamples.

    Parameters
    ----------
    positives : (P, C) float
        Features of the concept's members.
    negatives : (N, C) float
        The pool. Each random set holds min(P, ceil(N / 2)) of its rows, without repetition.
    method : {"fast", "lda", "sgd"}
        ``fast``: difference of the means, the bias half-way. ``lda``: whitened by the Ledoit-Wolf
        estimate of the covariance within the classes. ``sgd``: linear SVM fitted on a random two
        thirds of the rows by stochastic gradient descent (hinge, alpha .01, tol 1e-3), as published
        in arXiv 2206.05275.
    num_random_sets : int
    seed : int
    groups_positive, groups_negative : (P,) and (N,), optional
        Video of each row, for the accuracy; without them each row stands for itself.
    num_permutations : int
        Label permutations behind ``accuracy_p``; see `cav_accuracy`.

    Returns
    -------
    Cav

    Raises
    ------
    InputError
        No positive or fewer than two negatives, unequal widths, NaN, an unknown method.
    """
    _check_method("fit_cavs", method)
    pos, neg = check_pair("fit_cavs", positives, negatives, min_negatives=2)
    if method == "fast":
        x = np.concatenate([pos, neg])
        member = np.arange(len(x)) < len(pos)
        all_directions, all_biases = fit_cavs_batched(
            x, member[None], ~member[None], num_random_sets=num_random_sets, seed=seed
        )
        directions, biases = all_directions[0], all_biases[0]
    else:
        rng = np.random.default_rng([seed, 0])
        fits = [
            fit_direction(pos, neg[rows], method, int(rng.integers(2**31)))
            for rows in _random_sets(len(pos), len(neg), num_random_sets, rng)
        ]
        directions = np.stack([direction for direction, _ in fits]).astype(np.float32)
        biases = np.array([bias for _, bias in fits], dtype=np.float32)
    accuracy, p = cav_accuracy(
        pos,
        neg,
        groups_positive,
        groups_negative,
        method=method,
        seed=seed,
        num_permutations=num_permutations,
    )
    return Cav(directions, biases, accuracy, p)


def fit_cavs_batched(
    x: ArrayLike, members: ArrayLike, pool: ArrayLike, *, num_random_sets: int = 20, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit the ``fast`` directions of many concepts in one sparse matrix product.

    Parameters
    ----------
    x : (rows, C) float
        Features of all regions.
    members : (K, rows) bool or 0/1
        Rows of each concept.
    pool : (K, rows) or (rows,) bool or 0/1
        Rows that serve as counterexamples, of each concept or of all.
    num_random_sets : int
    seed : int
        Concept 0 draws the sets that `fit_cavs` draws.

    Returns
    -------
    directions : (K, num_random_sets, C) float32
        Unit vectors; zero where both means agree.
    biases : (K, num_random_sets) float32

    Raises
    ------
    InputError
        A mask of another shape, or a concept without member or with fewer than two counterexamples.
    """
    from scipy.sparse import csr_matrix

    where = "fit_cavs_batched"
    matrix = check_matrix(where, "x", x).astype(np.float64)
    member_masks = np.atleast_2d(np.asarray(members)).astype(bool)
    num_concepts, num_rows = len(member_masks), len(matrix)
    pools = np.asarray(pool).astype(bool)
    if member_masks.shape[1] != num_rows or pools.shape not in ((num_rows,), member_masks.shape):
        fact = f"{member_masks.shape} and {pools.shape}"
        raise InputError(expected(where, "members and pool", f"masks over {num_rows} rows", fact))
    pools = np.broadcast_to(pools, member_masks.shape)
    for k in range(num_concepts):
        if not member_masks[k].any() or pools[k].sum() < 2:
            fact = f"{member_masks[k].sum()} and {pools[k].sum()} for concept {k}"
            requirement = "at least 1 and 2 rows"
            raise InputError(expected(where, "members and counterexamples", requirement, fact))
    columns: list[NDArray[np.int64]] = []
    counts: list[int] = []
    for k in range(num_concepts):
        rng = np.random.default_rng([seed, k])
        rows = np.flatnonzero(pools[k])
        sets = _random_sets(int(member_masks[k].sum()), rows.size, num_random_sets, rng)
        columns.extend(rows[chosen] for chosen in sets)
        counts.extend(len(chosen) for chosen in sets)
    ends = np.concatenate([[0], np.cumsum(counts)])
    sets_matrix = csr_matrix(
        (np.ones(ends[-1]), np.concatenate(columns), ends), shape=(len(columns), num_rows)
    )
    with one_thread():
        negative_means = (sets_matrix @ matrix) / np.array(counts)[:, None]
        positive_means = (csr_matrix(member_masks.astype(np.float64)) @ matrix) / member_masks.sum(1)[:, None]
    negative_means = negative_means.reshape(num_concepts, num_random_sets, -1)
    # mean(P) - mean(P and N, balanced) = (mean(P) - mean(N)) / 2: the same direction
    difference = positive_means[:, None] - negative_means
    middle = (positive_means[:, None] + negative_means) / 2
    norms = np.linalg.norm(difference, axis=-1, keepdims=True)
    directions = difference / np.where(norms > 0, norms, 1.0)
    biases = -(directions * middle).sum(axis=-1)
    return directions.astype(np.float32), biases.astype(np.float32)


def cross_fit_directions(
    positives: ArrayLike,
    negatives: ArrayLike,
    groups_positive: Labels,
    groups_negative: Labels,
    *,
    method: CavMethod = "fast",
    seed: int,
) -> CrossFit:
    """Fit, for each group, a direction that has not seen the group: to score it fairly.

    Parameters
    ----------
    positives, negatives : (P, C) and (N, C) float
    groups_positive, groups_negative : (P,) and (N,)
        Video (or source) of each row.
    method : {"fast", "lda", "sgd"}
        ``fast`` takes the whole pool, the mean of all random sets; the others average five sets.
    seed : int

    Returns
    -------
    CrossFit
        A dict of group to (C,) float32, which also answers for groups that hold no row.

    Raises
    ------
    InputError
        As `fit_cavs`.
    """
    where = "cross_fit_directions"
    _check_method(where, method)
    pos, neg = check_pair(where, positives, negatives)
    names_pos, names_neg = np.asarray(groups_positive), np.asarray(groups_negative)
    group_codes(where, "groups_positive", names_pos, len(pos))
    group_codes(where, "groups_negative", names_neg, len(neg))
    whole = _mean_direction(pos, neg, method, np.random.default_rng(seed))
    directions = CrossFit(whole.astype(np.float32))
    for position, name in enumerate(np.unique(np.concatenate([names_pos, names_neg]))):
        kept_pos, kept_neg = pos[names_pos != name], neg[names_neg != name]
        if len(kept_pos) == 0 or len(kept_neg) == 0:
            directions[str(name)] = np.zeros_like(directions.whole)
            continue
        direction = _mean_direction(kept_pos, kept_neg, method, np.random.default_rng([seed, position]))
        directions[str(name)] = direction.astype(np.float32)
    return directions


def _mean_direction(
    pos: FloatArray, neg: FloatArray, method: CavMethod, rng: np.random.Generator
) -> FloatArray:
    """Unit mean of directions over random sets; of the whole pool for ``fast``."""
    if method == "fast" or len(neg) < 2:
        return fit_direction(pos, neg, "fast", 0)[0]
    sets = _random_sets(len(pos), len(neg), CROSS_FIT_SETS, rng)
    fits = [fit_direction(pos, neg[rows], method, int(rng.integers(2**31)))[0] for rows in sets]
    mean: FloatArray = np.mean(fits, axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def _random_sets(
    num_positives: int, num_negatives: int, num_sets: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Rows of the pool in each random set; at most half of it, so that sets differ."""
    size = min(num_positives, -(-num_negatives // 2))
    return [np.sort(rng.choice(num_negatives, size, replace=False)) for _ in range(num_sets)]


def _check_method(where: str, method: str) -> None:
    if method not in get_args(CavMethod):
        raise InputError(expected(where, "method", "fast, lda or sgd", repr(method)))
