"""Does a direction tell a concept from counterexamples in videos it has not seen?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.config import CavMethod
from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.checks import Labels, check_pair, one_thread
from ace3d_fast.learn.linear import fit_direction
from ace3d_fast.learn.significance import permutation_p

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MAX_FOLDS = 5
MAX_BLOCKS = 25


def cav_accuracy(
    positives: ArrayLike,
    negatives: ArrayLike,
    groups_positive: Labels | None = None,
    groups_negative: Labels | None = None,
    *,
    method: CavMethod = "fast",
    seed: int,
    num_permutations: int = 199,
) -> tuple[float, float]:
    """Measure how well a direction separates the classes in held-out videos.

    Parameters
    ----------
    positives, negatives : (P, C) and (N, C) float
        At most max(4 P, 200) of the negatives are used, drawn at random.
    groups_positive, groups_negative : (P,) and (N,), optional
        Video of each row, comparable between both; without them each row is its own.
    method : {"fast", "lda", "sgd"}
    seed : int
    num_permutations : int

    Returns
    -------
    accuracy : float
        Balanced accuracy over at most 5 folds of whole videos: the mean of both classes' rates of
        correct rows, a rate being averaged within each video first. NaN where one class comes
        from a single video.
    p : float
        Share of label permutations that do as well, itself included. What is exchanged is
        the label of whole videos, each with its share of positives, and within a mixed video
        of single rows: rows of one video are no independent evidence. Blocks of videos (one each up
        to 25) are held out in turn, and both the observed and the permuted labels are judged by
        the ``fast`` direction. Labellings that leave one class without a row, as they may where videos differ
        much in size, are left out. 1 where the accuracy is NaN, or none is left.

    Raises
    ------
    InputError
        Unequal widths, no rows, NaN, groups of another length.
    """
    pos, neg = check_pair("cav_accuracy", positives, negatives)
    rng = np.random.default_rng(seed)
    groups = _joint_groups(groups_positive, groups_negative, len(pos), len(neg))
    limit = max(4 * len(pos), 200)
    if len(neg) > limit:
        chosen = np.sort(rng.choice(len(neg), limit, replace=False))
        neg = neg[chosen]
        groups = np.concatenate([groups[: len(pos)], groups[len(pos) + chosen]])
    groups = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    x = np.concatenate([pos, neg])
    is_positive = np.arange(len(x)) < len(pos)
    if min(np.unique(groups[is_positive]).size, np.unique(groups[~is_positive]).size) < 2:
        return float("nan"), 1.0
    accuracy = _held_out_accuracy(x, is_positive, groups, method, rng)
    if num_permutations == 0:
        return accuracy, 1.0
    num_groups = int(groups.max()) + 1
    blocks = rng.permutation(num_groups)[groups] % min(num_groups, MAX_BLOCKS)
    labels = np.concatenate([is_positive[None], _permute_labels(is_positive, groups, num_permutations, rng)])
    values = _fast_accuracies(x, labels, groups, blocks)
    p = float(permutation_p(values[0], values[1:], "greater"))
    return accuracy, 1.0 if np.isnan(p) else p


def _held_out_accuracy(
    x: FloatArray,
    is_positive: NDArray[np.bool_],
    groups: IntArray,
    method: CavMethod,
    rng: np.random.Generator,
) -> float:
    """Balanced accuracy of rows judged by a direction fitted on the other folds."""
    folds = assign_folds(is_positive, groups, MAX_FOLDS, rng)
    correct = np.full(len(x), np.nan)
    for fold in np.unique(folds):
        train, held = folds != fold, folds == fold
        train_pos, train_neg = x[train & is_positive], x[train & ~is_positive]
        if len(train_pos) and len(train_neg):
            direction, bias = fit_direction(train_pos, train_neg, method, int(rng.integers(2**31)))
            correct[held] = (x[held] @ direction + bias > 0) == is_positive[held]
    judged = ~np.isnan(correct)
    rates = []
    for side in (is_positive & judged, ~is_positive & judged):
        weights = _video_weights(side[None], groups)[0]
        rates.append(float(weights @ np.nan_to_num(correct) / weights.sum()) if side.any() else np.nan)
    return float(np.mean(rates))


def assign_folds(
    is_positive: NDArray[np.bool_], groups: IntArray, num_folds: int, rng: np.random.Generator
) -> IntArray:
    """Deal whole groups into folds with about equal shares of the positives and of the negatives.

    Parameters
    ----------
    is_positive : (rows,) bool
    groups : (rows,) int64
        Numbered from 0.
    num_folds : int
        Upper limit; no more than the groups of the rarer class.
    rng : numpy.random.Generator
        Decides between equals.

    Returns
    -------
    (rows,) int64
        Fold of each row.
    """
    num_groups = int(groups.max()) + 1
    counts = np.stack(
        [np.bincount(groups[side], minlength=num_groups) for side in (is_positive, ~is_positive)]
    )
    num_folds = min(num_folds, *(counts > 0).sum(axis=1))
    shares = counts / counts.sum(axis=1, keepdims=True)
    order = rng.permutation(num_groups)
    order = order[np.argsort(-shares[:, order].sum(axis=0), kind="stable")]
    loads = np.zeros((2, num_folds))
    fold_of_group = np.empty(num_groups, dtype=np.int64)
    for group in order:
        # the fold whose sum of squared loads grows least
        gains = np.square(loads + shares[:, group, None]).sum(axis=0) - np.square(loads).sum(axis=0)
        fold = int(gains.argmin())
        loads[:, fold] += shares[:, group]
        fold_of_group[group] = fold
    return fold_of_group[groups]


def _permute_labels(
    is_positive: NDArray[np.bool_], groups: IntArray, num_permutations: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(num_permutations, rows): shares of positives exchanged between groups, then rows within."""
    num_groups = int(groups.max()) + 1
    sizes = np.bincount(groups, minlength=num_groups)
    shares = np.bincount(groups[is_positive], minlength=num_groups) / sizes
    permuted = rng.permuted(np.tile(shares, (num_permutations, 1)), axis=1)
    quotas = np.round(permuted * sizes).astype(np.int64)
    # rank of each row within its group under random keys; the first ``quota`` become positive
    keys = rng.random((num_permutations, len(groups))) + groups
    order = np.argsort(keys, axis=1)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(len(groups)), order.shape), axis=1)
    ranks -= starts[groups]
    positive: NDArray[np.bool_] = ranks < quotas[:, groups]
    return positive


def _fast_accuracies(
    x: FloatArray, labels: NDArray[np.bool_], groups: IntArray, blocks: IntArray
) -> FloatArray:
    """Balanced held-out accuracy of the ``fast`` direction under each of (B, rows) labellings.

    Every video counts the same, in the means and in the rates: were large ones to count more, labels
    could not be exchanged between videos of different size. Holding out a block subtracts its sums from
    those of all rows, so that every labelling and block costs a few matrix products. A row whose
    block leaves no positive or no negative counts half; NaN where the labelling itself has none.
    """
    correct = np.zeros((2, len(labels)))
    with one_thread():
        weights = np.stack([_video_weights(side, groups) for side in (labels, ~labels)])
        sums, counts = weights @ x, weights.sum(axis=2)
        for block in np.unique(blocks):
            held = blocks == block
            held_weights, held_x = weights[:, :, held], x[held]
            left = counts - held_weights.sum(axis=2)
            usable = (left > 0.5).all(axis=0)  # weights of a video add up to 1
            means = (sums - held_weights @ held_x) / np.maximum(left, 0.5)[:, :, None]
            direction = means[0] - means[1]
            middle = (means.sum(axis=0) * direction).sum(axis=1) / 2
            positive = (direction @ held_x.T > middle[:, None]).astype(np.float64)
            positive[~usable] = 0.5
            correct[0] += (held_weights[0] * positive).sum(axis=1)
            correct[1] += (held_weights[1] * (1 - positive)).sum(axis=1)
    rates: FloatArray = (correct / np.maximum(counts, 1e-12)).mean(axis=0)
    rates[(counts == 0).any(axis=0)] = np.nan
    return rates


def _video_weights(chosen: NDArray[np.bool_], groups: IntArray) -> FloatArray:
    """(B, rows): one over the number of chosen rows of the same video, 0 for rows not chosen."""
    indicator = np.eye(int(groups.max()) + 1)[groups]
    counts = chosen.astype(np.float64) @ indicator
    return np.where(chosen, 1 / np.maximum(counts, 1)[:, groups], 0.0)


def _joint_groups(
    groups_positive: Labels | None, groups_negative: Labels | None, num_pos: int, num_neg: int
) -> IntArray:
    """Number the groups of both classes together."""
    if groups_positive is None and groups_negative is None:
        return np.arange(num_pos + num_neg, dtype=np.int64)
    where, names = "cav_accuracy", []
    for name, groups, size in (
        ("groups_positive", groups_positive, num_pos),
        ("groups_negative", groups_negative, num_neg),
    ):
        array = np.asarray(groups) if groups is not None else np.asarray([f"{name} {i}" for i in range(size)])
        if array.shape != (size,):
            raise InputError(expected(where, name, f"to hold {size} entries", f"shape {array.shape}"))
        names.append(array)
    return np.unique(np.concatenate(names), return_inverse=True)[1].astype(np.int64)
