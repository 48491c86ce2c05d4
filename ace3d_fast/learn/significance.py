"""p-values, families of tests, and intervals over videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.checks import one_thread

MAX_DRAWN = 2**22  # numbers in a block of bootstrap draws
FloatArray = NDArray[np.float64]
Alternative = Literal["two-sided", "greater"]


class Interval(NamedTuple):
    """A mean and the ends of its interval: floats, or arrays of one shape."""

    mean: Any
    low: Any
    high: Any


def permutation_p(observed: ArrayLike, null: ArrayLike, alternative: Alternative = "two-sided") -> FloatArray:
    """Share of values at least as extreme as ``observed``, itself included: (1 + count) / (B + 1).

    Parameters
    ----------
    observed : (...) float
    null : (..., B) float
        Values under the null hypothesis along the last axis; leading axes broadcast against
        ``observed``. NaNs are left out.
    alternative : {"two-sided", "greater"}
        Two-sided: distance from the mean of the null values and the observed one together, which
        treats all of them alike and so keeps the test exact for any B.

    Returns
    -------
    (...) float64
        NaN where ``observed`` is NaN or no null value is left; a 0-d result is a NumPy float.

    Raises
    ------
    InputError
        The shapes do not match or ``alternative`` is unknown.

    Notes
    -----
    Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9 (2010).
    """
    if alternative not in ("two-sided", "greater"):
        fact = repr(alternative)
        raise InputError(expected("permutation_p", "alternative", "two-sided or greater", fact))
    value = np.asarray(observed, dtype=np.float64)[..., None]
    values = np.asarray(null, dtype=np.float64)
    try:
        values = np.broadcast_to(values, np.broadcast_shapes(values.shape, (*value.shape[:-1], 1)))
    except ValueError:
        fact = f"{values.shape} for {value.shape[:-1]}"
        raise InputError(expected("permutation_p", "null", "of shape (..., B)", fact)) from None
    usable = np.isfinite(values)
    count = usable.sum(axis=-1)
    if alternative == "two-sided":
        total = np.where(usable, values, 0.0).sum(axis=-1) + value[..., 0]
        center = (total / (count + 1))[..., None]
        value, values = np.abs(value - center), np.abs(values - center)
    slack = 1e-12 * np.abs(value)  # equal but for rounding is as extreme
    extreme = (usable & (values >= value - slack)).sum(axis=-1)
    p = (1 + extreme) / (count + 1)
    undefined = np.isnan(value[..., 0]) | (count == 0)
    result: FloatArray = np.where(undefined, np.nan, p)[()]
    return result


def lowest_p(num_permutations: int) -> float:
    """Smallest p-value that ``num_permutations`` null values can give."""
    return 1.0 / (num_permutations + 1)


def benjamini_hochberg(p: ArrayLike) -> FloatArray:
    """Adjust p-values of one family so that q <= level bounds the false discovery rate.

    Parameters
    ----------
    p : (...) float
        All tests of the family; NaN is no test: it stays NaN and is not counted.

    Returns
    -------
    (...) float64

    Raises
    ------
    InputError
        A value outside [0, 1].

    Notes
    -----
    Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).

    Examples
    --------
    >>> from ace3d_fast.learn.significance import benjamini_hochberg
    >>> benjamini_hochberg([0.01, 0.02, 0.9]).round(3).tolist()
    [0.03, 0.03, 0.9]
    """
    from scipy.stats import false_discovery_control

    values = np.array(p, dtype=np.float64)
    tested = ~np.isnan(values)
    family = values[tested]
    if family.size == 0:
        return values
    if family.min() < 0 or family.max() > 1:
        fact = f"{family.min():g} to {family.max():g}"
        raise InputError(expected("benjamini_hochberg", "p", "between 0 and 1", fact))
    values[tested] = false_discovery_control(family, method="bh")
    return values


def paired_t_p(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p-value of the paired t-test of ``a`` against ``b``, both (n,) float.

    NaN below two pairs; where all differences are equal, 1 if they are zero and 0 otherwise.
    """
    from scipy.stats import t

    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    difference = difference[~np.isnan(difference)]
    n = difference.size
    if n < 2:
        return float("nan")
    mean, spread = float(difference.mean()), float(difference.std(ddof=1))
    scale = float(np.abs(difference).max())
    if spread <= 1e-12 * scale:
        return 1.0 if scale == 0 else 0.0
    return float(2 * t.sf(abs(mean) / (spread / np.sqrt(n)), n - 1))


def mcnemar_p(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided exact p-value of McNemar's test: are ``a`` and ``b``, (n,) bool, right equally often?

    Only the pairs that differ count; each is as likely to favour either (McNemar, Psychometrika 12, 1947).
    1 where all pairs agree.
    """
    from scipy.stats import binomtest

    first, second = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def bootstrap_mean(
    values_by_group: Mapping[Any, ArrayLike] | Sequence[ArrayLike],
    *,
    num_draws: int = 10_000,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Mean over groups of each group's mean, with a bootstrap interval over groups.

    Parameters
    ----------
    values_by_group : mapping or sequence of (n_g,) float
        Values of each group (video); NaNs are left out, and so are groups without values.
    num_draws, seed, level
        As in `paired_bootstrap`.

    Returns
    -------
    Interval of floats
        ``low`` and ``high`` are NaN below two groups.
    """
    entries = values_by_group.values() if isinstance(values_by_group, Mapping) else values_by_group
    arrays = [np.asarray(entry, dtype=np.float64).ravel() for entry in entries]
    finite = [array[~np.isnan(array)] for array in arrays]
    means = np.array([array.mean() for array in finite if array.size])
    if means.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    interval = paired_bootstrap(means, num_draws=num_draws, seed=seed, level=level)
    return Interval(*(float(end) for end in interval))


def bootstrap_spearman(pairs_by_group: Sequence[ArrayLike], *, num_draws: int, seed: int) -> Interval:
    """Spearman correlation of pairs, with a 95 % bootstrap interval over groups.

    Parameters
    ----------
    pairs_by_group : sequence of (2, n_g) or (3, n_g) float
        Pairs of each group (video), which is drawn as a whole. With a third row the correlation is partial:
        what both ranks owe to those of the third row is left out.
    num_draws, seed : int

    Returns
    -------
    Interval of floats
        NaN where the ranks of a side are constant; ``low`` and ``high`` also below two groups.
    """
    from scipy.stats import rankdata

    groups = [np.asarray(pairs, dtype=np.float64) for pairs in pairs_by_group]

    def correlate(parts: list[FloatArray]) -> float:
        ranks = rankdata(np.concatenate(parts, axis=1), axis=1)
        ranks -= ranks.mean(axis=1, keepdims=True)
        for given in ranks[2:]:
            ranks[:2] -= np.outer(ranks[:2] @ given, given) / max(float(given @ given), 1e-12)
        scale = float(np.sqrt((ranks[:2] ** 2).sum(axis=1).prod()))
        return float((ranks[0] * ranks[1]).sum()) / scale if scale > 1e-6 else float("nan")

    if not groups:
        return Interval(float("nan"), float("nan"), float("nan"))
    observed = correlate(groups)
    if len(groups) < 2:
        return Interval(observed, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(groups), size=(num_draws, len(groups)))
    found = np.array([correlate([groups[i] for i in draw]) for draw in draws])
    tail = _expanded_tail(len(groups), 0.95)
    if not np.isfinite(found).any():
        return Interval(observed, float("nan"), float("nan"))
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return Interval(observed, float(low), float(high))


def paired_bootstrap(
    differences: ArrayLike, *, num_draws: int = 10_000, seed: int, level: float = 0.95
) -> Interval:
    """Mean over groups and its percentile interval, the groups drawn with replacement.

    Every trailing element uses the same draws, so that curves stay comparable.

    Parameters
    ----------
    differences : (groups, ...) float
        One value a group (video); NaN: the group has none for this element.
    num_draws : int
    seed : int
    level : float
        Coverage. The percentiles are widened for the small number of groups (Hesterberg's expanded
        percentile interval, The American Statistician 69, 2015): plain ones cover 88 % with 7 groups.

    Returns
    -------
    Interval of (...) float64
        ``low`` and ``high`` are NaN where fewer than two groups have a value.

    Raises
    ------
    InputError
        ``differences`` has no group.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim == 0 or values.shape[0] == 0:
        fact = f"shape {values.shape}"
        raise InputError(expected("paired_bootstrap", "differences", "of shape (groups, ...)", fact))
    num_groups, shape = values.shape[0], values.shape[1:]
    flat = values.reshape(num_groups, -1)
    present = (~np.isnan(flat)).astype(np.float64)
    filled = np.where(present > 0, flat, 0.0)
    resampled = np.empty((num_draws, flat.shape[1]))
    block = max(1, MAX_DRAWN // num_groups)
    with one_thread(), np.errstate(invalid="ignore", divide="ignore"):
        for i, start in enumerate(range(0, num_draws, block)):
            here = resampled[start : start + block]
            weights = _draw_groups(num_groups, len(here), (seed, i))
            here[:] = (weights @ filled) / (weights @ present)
        mean = filled.sum(axis=0) / present.sum(axis=0)
    low, high = np.full(flat.shape[1], np.nan), np.full(flat.shape[1], np.nan)
    counts = present.sum(axis=0).astype(int)
    for count in np.unique(counts[counts >= 2]):
        columns = counts == count
        tail = _expanded_tail(int(count), level)
        ends = np.nanquantile(resampled[:, columns], [tail, 1 - tail], axis=0)
        low[columns], high[columns] = ends
    return Interval(mean.reshape(shape)[()], low.reshape(shape)[()], high.reshape(shape)[()])


def saturation(null_signs: ArrayLike) -> float:
    """Share of null sets whose TCAV sign score, (B,) float in [0, 1], is exactly 0 or 1."""
    signs = np.asarray(null_signs, dtype=np.float64).ravel()
    signs = signs[~np.isnan(signs)]
    return float(((signs == 0) | (signs == 1)).mean()) if signs.size else float("nan")


def mean_pairwise_cosine(gradients: ArrayLike) -> float:
    """Mean cosine over pairs of different rows of ``gradients``, (clips, C) float.

    Rows of zeros have no direction and are left out; NaN below two others.
    """
    rows = np.asarray(gradients, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1)
    unit = rows[norms > 0] / norms[norms > 0, None]
    n = unit.shape[0]
    if n < 2:
        return float("nan")
    return float((np.square(unit.sum(axis=0)).sum() - n) / (n * (n - 1)))


@lru_cache(maxsize=2)
def _draw_groups(num_groups: int, num_draws: int, seed: tuple[int, int]) -> FloatArray:
    """How often each group is drawn, (num_draws, num_groups); of many scores of the same videos made once."""
    share = np.full(num_groups, 1 / num_groups)
    drawn = np.random.default_rng(seed).multinomial(num_groups, share, size=num_draws).astype(np.float64)
    drawn.flags.writeable = False
    return drawn


def _expanded_tail(num_groups: int, level: float) -> float:
    """Tail probability whose normal quantile equals the t quantile times sqrt(n / (n - 1))."""
    from scipy.stats import norm, t

    quantile = t.ppf((1 + level) / 2, num_groups - 1)
    return float(norm.sf(np.sqrt(num_groups / (num_groups - 1)) * quantile))
