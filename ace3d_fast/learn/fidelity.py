"""How well attributions foretell what a network does, and how much of it each part decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from ace3d_fast.errors import InputError, expected

Bits = NDArray[np.bool_]


def random_subsets(num_parts: int, num_subsets: int, *, share: float = 0.2, seed: int) -> Bits:
    """(num_subsets, num_parts) bool: subsets of ``share`` of the parts, at least one and not all of them."""
    size = min(max(1, round(share * num_parts)), max(num_parts - 1, 1))
    rng = np.random.default_rng(seed)
    ranks = np.argsort(rng.random((num_subsets, num_parts)), axis=1)
    subsets = np.zeros((num_subsets, num_parts), dtype=np.bool_)
    np.put_along_axis(subsets, ranks[:, :size], True, axis=1)
    return subsets


def mu_fidelity(attribution: ArrayLike, subsets: ArrayLike, drop: ArrayLike) -> float:
    """Spearman correlation of what attributions foretell and what the network loses.

    Parameters
    ----------
    attribution : (R,) float
        Of each part.
    subsets : (S, R) bool
        Parts that were removed together.
    drop : (S,) float
        Output lost without each subset.

    Returns
    -------
    float
        NaN where either side is constant.

    Raises
    ------
    InputError
        Shapes that do not fit.

    Notes
    -----
    Bhatt, Weller and Moura, Evaluating and aggregating feature-based model explanations (IJCAI 2020).
    """
    values, removed = np.asarray(attribution, dtype=np.float64), np.asarray(subsets, dtype=bool)
    lost = np.asarray(drop, dtype=np.float64)
    if removed.shape != (lost.size, values.size):
        fact = f"{removed.shape} for {values.size} parts and {lost.size} drops"
        raise InputError(expected("mu_fidelity", "subsets", "of shape (drops, parts)", fact))
    foretold = removed @ values
    if len(lost) < 2 or np.ptp(foretold) == 0 or np.ptp(lost) == 0:
        return float("nan")
    return float(spearmanr(foretold, lost).statistic)


def sobol_masks(num_parts: int, num_draws: int, *, seed: int) -> Bits:
    """Masks for `sobol_total`: (num_parts + 1, num_draws, num_parts) bool, each part kept or not, evenly.

    Mask 0 is drawn at random; in mask ``1 + i`` part i is drawn anew and the others stay.
    """
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, num_draws, num_parts)) < 0.5
    masks = np.repeat(first[None], num_parts + 1, axis=0)
    for part in range(num_parts):
        masks[part + 1, :, part] = second[:, part]
    return masks


def sobol_total(output: ArrayLike) -> NDArray[np.float64]:
    """Total Sobol index of each part: the share of the output's variance in which it has a hand.

    Parameters
    ----------
    output : (num_parts + 1, num_draws) float
        For the masks of `sobol_masks`.

    Returns
    -------
    (num_parts,) float64
        NaN where the output never changes.

    Notes
    -----
    Jansen's estimator (Computer Physics Communications 117, 1999), as Fel et al. use it for images
    (arXiv 2111.04138).
    """
    values = np.asarray(output, dtype=np.float64)
    variance = float(values.var())
    if variance == 0:
        return np.full(len(values) - 1, np.nan)
    found: NDArray[np.float64] = ((values[0] - values[1:]) ** 2).mean(axis=1) / (2 * variance)
    return found
