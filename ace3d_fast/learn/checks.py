"""Checks and helpers that the learners share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.errors import InputError, expected

FloatMatrix = NDArray[np.floating[Any]]
Labels = Sequence[Any] | NDArray[Any]


def check_matrix(where: str, name: str, x: ArrayLike, *, min_rows: int = 1) -> FloatMatrix:
    """Return ``x`` as a finite (rows, C) float32 or float64 matrix, or raise `InputError`."""
    matrix = np.asarray(x)
    if matrix.ndim != 2:
        raise InputError(expected(where, name, "to have shape (rows, C)", f"shape {matrix.shape}"))
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float64)
    if matrix.shape[0] < min_rows:
        raise InputError(expected(where, name, f"to have at least {min_rows} rows", matrix.shape[0]))
    if not np.isfinite(matrix).all():
        rows = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        fact = f"NaN or infinity in {rows.size} of {matrix.shape[0]} rows, first in row {rows[0]}"
        raise InputError(expected(where, name, "to be finite", fact))
    return np.ascontiguousarray(matrix)


def check_pair(
    where: str, positives: ArrayLike, negatives: ArrayLike, *, min_negatives: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check two matrices of equal width and return them as float64."""
    first = check_matrix(where, "positives", positives)
    second = check_matrix(where, "negatives", negatives, min_rows=min_negatives)
    if first.shape[1] != second.shape[1]:
        fact = f"{first.shape[1]} and {second.shape[1]}"
        raise InputError(expected(where, "positives and negatives", "to have as many columns", fact))
    return first.astype(np.float64), second.astype(np.float64)


def group_codes(where: str, name: str, groups: Labels | None, num_rows: int) -> NDArray[np.int64]:
    """Number the groups of rows from 0, in sorted order; without groups every row is its own."""
    if groups is None:
        return np.arange(num_rows, dtype=np.int64)
    names = np.asarray(groups)
    if names.shape != (num_rows,):
        raise InputError(expected(where, name, f"to hold {num_rows} entries", f"shape {names.shape}"))
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


@cache
def _thread_pools() -> Any:
    """The libraries with threads of their own; to look for them takes longer than many a fit."""
    import sklearn.cluster  # noqa: F401 - with it BLAS and OpenMP are loaded
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Run BLAS and OpenMP on one thread, so that sums are added in the same order everywhere."""
    with _thread_pools().limit(limits=1):
        yield
