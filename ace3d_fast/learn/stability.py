"""Are two sets of directions the same, up to their order?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.checks import check_matrix


def match_directions(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Pair each row of ``a`` with a row of ``b`` so that the cosines add up to the most.

    Parameters
    ----------
    a, b : (n, C) float
        As many rows in each.

    Returns
    -------
    cosine : (n,) float64
        Of each row of ``a`` with its partner; 0 where one of them is zero.
    order : (n,) int64
        The partner's row in ``b``.

    Raises
    ------
    InputError
        Unequal shapes, or no finite matrix.

    Notes
    -----
    The Hungarian algorithm, scipy's `linear_sum_assignment` (Kuhn, Naval Research Logistics 2, 1955).
    """
    from scipy.optimize import linear_sum_assignment

    first = check_matrix("match_directions", "a", a).astype(np.float64)
    second = check_matrix("match_directions", "b", b).astype(np.float64)
    if first.shape != second.shape:
        fact = f"{first.shape} and {second.shape}"
        raise InputError(expected("match_directions", "a and b", "to have one shape", fact))
    norms = [np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (first, second)]
    cosines = (first / norms[0]) @ (second / norms[1]).T
    rows, order = linear_sum_assignment(-cosines)
    return cosines[rows, order], order.astype(np.int64)
