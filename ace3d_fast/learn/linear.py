"""Linear classifiers of two classes, each as a unit direction and a bias."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ace3d_fast.config import CavMethod
from ace3d_fast.learn.checks import one_thread

FloatArray = NDArray[np.float64]


def fit_direction(
    positives: FloatArray, negatives: FloatArray, method: CavMethod, seed: int
) -> tuple[FloatArray, float]:
    """Separate (P, C) from (N, C) float64 rows: ``x @ direction + bias > 0`` on the positives' side.

    ``seed`` matters for ``sgd`` only. The direction is zero where nothing separates the classes.
    """
    if method == "sgd":
        return _fit_sgd(positives, negatives, seed)
    mean_pos, mean_neg = positives.mean(axis=0), negatives.mean(axis=0)
    direction = None
    if method == "lda":
        residuals = np.concatenate([positives - mean_pos, negatives - mean_neg])
        direction = _solve_within(residuals, mean_pos - mean_neg)
    return between_means(mean_pos, mean_neg, direction)


def between_means(
    mean_pos: FloatArray, mean_neg: FloatArray, direction: FloatArray | None = None
) -> tuple[FloatArray, float]:
    """The unit of ``direction``, by default the difference of the means (C,), and the bias half-way."""
    if direction is None:
        direction = mean_pos - mean_neg
    norm = float(np.linalg.norm(direction))
    direction = direction / norm if norm > 0 else direction
    return direction, -float(direction @ (mean_pos + mean_neg)) / 2


def _solve_within(residuals: FloatArray, difference: FloatArray) -> FloatArray:
    """(S + lambda I)^-1 difference, S + lambda I the Ledoit-Wolf estimate from ``residuals``.

    Of the products of all rows and those of all features only the fewer are made: S by Woodbury's identity
    where features are more.
    """
    num_rows, num_features = residuals.shape
    with one_thread():
        wide = num_features > num_rows
        products = residuals @ residuals.T if wide else residuals.T @ residuals
        squares = np.einsum("rc,rc->r", residuals, residuals)
        scale = float(squares.sum()) / residuals.size  # mean variance
        if scale == 0:
            return difference
        shrinkage = _ledoit_wolf(squares, float(np.square(products).sum()), num_features)
        floor, kept = max(shrinkage, 1e-6) * scale, (1 - shrinkage) / num_rows
        inner = kept * products + floor * np.eye(len(products))
        solution: FloatArray
        if wide:
            along = kept * np.linalg.solve(inner, residuals @ difference)
            solution = (difference - residuals.T @ along) / floor
        else:
            solution = np.linalg.solve(inner, difference)
    return solution


def _ledoit_wolf(squares: FloatArray, norm: float, num_features: int) -> float:
    """Shrinkage of a covariance towards its mean variance.

    From the squared lengths of the centred rows and the squared norm of all products of features (which is
    that of all products of rows). Ledoit and Wolf, A well-conditioned estimator for large-dimensional
    covariance matrices, Journal of Multivariate Analysis 88 (2004); scikit-learn's `ledoit_wolf_shrinkage`.
    """
    num_rows = len(squares)
    mean_variance = squares.sum() / num_rows / num_features
    norm = norm / num_rows**2
    distance = norm / num_features - mean_variance**2
    error = (np.square(squares).sum() / num_rows - norm) / num_rows / num_features
    return float(min(error, distance) / distance) if distance > 0 and error > 0 else 0.0


def _fit_sgd(positives: FloatArray, negatives: FloatArray, seed: int) -> tuple[FloatArray, float]:
    """Hinge loss, alpha .01, tol 1e-3, on two thirds of each class (arXiv 2206.05275)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import SGDClassifier

    rng = np.random.default_rng(seed)
    parts = [rows[rng.permutation(len(rows))[: -(-2 * len(rows) // 3)]] for rows in (positives, negatives)]
    x = np.concatenate(parts)
    y = np.repeat([1, 0], [len(parts[0]), len(parts[1])])
    learner = SGDClassifier(
        loss="hinge", alpha=0.01, tol=1e-3, max_iter=1000, class_weight="balanced", random_state=seed
    )
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 1,000 passes are the recipe's limit
        learner.fit(x, y)
    norm = float(np.linalg.norm(learner.coef_))
    scale = 1 / norm if norm > 0 else 0.0
    direction: FloatArray = learner.coef_[0] * scale
    return direction, float(learner.intercept_[0]) * scale
