import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control as scipy_bh
from scipy.stats import kstest, norm, spearmanr, ttest_rel

from ace3d_fast.errors import InputError
from ace3d_fast.learn.significance import (
    _expanded_tail,
    benjamini_hochberg,
    bootstrap_mean,
    bootstrap_spearman,
    lowest_p,
    mcnemar_p,
    mean_pairwise_cosine,
    paired_bootstrap,
    paired_t_p,
    permutation_p,
    saturation,
)

UNIT = st.floats(0, 1)


def test_p_counts_the_null_values_at_least_as_extreme_and_the_observed_one():
    null = [0.0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert permutation_p(7, null, "greater") == 0.3  # 7, 8 and the observed one, of ten
    assert permutation_p(9, null, "greater") == lowest_p(9) == 0.1
    # the mean of all ten is 4.3: 0, 1, 8, 7 and the observed 7 lie at least 2.7 from it
    assert permutation_p(7, null) == 0.5


def test_two_sided_p_measures_from_the_mean_of_all_values_and_not_from_zero():
    null = [10.0, 11, 12, 13, 14]
    assert permutation_p(12, null) == 1.0
    assert permutation_p(0, null) == pytest.approx(1 / 6)
    assert permutation_p(0, null, "greater") == 1.0


def test_p_of_many_concepts_at_once_leaves_nans_out():
    p = permutation_p([1.0, np.nan, 1.0], [[0.0, 2.0], [0.0, 0.0], [0.0, np.nan]], "greater")
    np.testing.assert_array_equal(p, [2 / 3, np.nan, 1 / 2])
    assert np.isnan(permutation_p(1.0, [np.nan]))


def test_values_that_differ_by_rounding_are_equal():
    assert permutation_p(0.3, [0.1 + 0.2 - 1e-16, 0.0, 0.0], "greater") == 0.5


def test_p_values_of_nulls_are_uniform():
    rng = np.random.default_rng(0)
    p = permutation_p(rng.normal(size=2000), rng.normal(size=(2000, 199)))
    assert kstest(p, "uniform").pvalue > 0.01
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() == pytest.approx(level, abs=2.6 * np.sqrt(level * (1 - level) / 2000))


def test_p_values_of_a_skewed_null_with_few_draws_stay_valid():
    rng = np.random.default_rng(0)
    p = permutation_p(rng.exponential(size=4000), rng.exponential(size=(4000, 19)))
    assert (p <= 0.05).mean() <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 4000)


def test_adjusted_p_values_of_a_family_of_four():
    # 4/1 * .01, 4/2 * .02, 4/3 * .03, 4/4 * .5, each at most the next: .04, .04, .04, .5
    np.testing.assert_allclose(benjamini_hochberg([0.5, 0.01, 0.03, 0.02]), [0.5, 0.04, 0.04, 0.04])


def test_a_test_that_was_not_made_is_not_counted():
    q = benjamini_hochberg([[0.01, np.nan], [0.02, np.nan]])
    np.testing.assert_array_equal(q, [[0.02, np.nan], [0.02, np.nan]])
    assert np.isnan(benjamini_hochberg([np.nan])).all()


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 40), elements=UNIT))
def test_adjusted_p_values_are_scipys_and_keep_the_order(p):
    q = benjamini_hochberg(p)
    np.testing.assert_array_equal(q, scipy_bh(p, method="bh"))
    assert (q >= p).all()
    assert (np.diff(q[np.argsort(p, kind="stable")]) >= 0).all()


def test_few_false_discoveries_and_most_true_ones():
    rng = np.random.default_rng(0)
    false_shares, powers = [], []
    for _ in range(60):
        real = np.arange(60) < 15
        observed = rng.normal(size=60) + 4.5 * real
        found = benjamini_hochberg(permutation_p(observed, rng.normal(size=(60, 999)))) <= 0.05
        false_shares.append((found & ~real).sum() / max(1, found.sum()))
        powers.append(found[real].mean())
    assert np.mean(false_shares) <= 0.055
    assert np.mean(powers) >= 0.9


def test_paired_t_test_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 12))
    assert paired_t_p(a, b) == pytest.approx(ttest_rel(a, b).pvalue)
    assert paired_t_p([*a, np.nan], [*b, 1.0]) == pytest.approx(paired_t_p(a, b))


@pytest.mark.parametrize(("b", "p"), [([1.0, 2, 3], 1.0), ([0.0, 1, 2], 0.0)])
def test_paired_t_test_of_equal_differences_is_decided_by_their_value(b, p):
    assert paired_t_p([1.0, 2, 3], b) == p
    assert np.isnan(paired_t_p([1.0], [2.0]))


def test_a_video_counts_once_however_many_regions_it_has():
    mean, low, high = bootstrap_mean({"a": [0.0] * 50, "b": [1.0, 3.0, np.nan], "c": [np.nan]}, seed=0)
    assert mean == 1.0
    assert (low, high) == (0.0, 2.0)  # all a, all b


def test_one_video_has_a_mean_but_no_interval():
    mean, low, high = bootstrap_mean([[1.0, 2.0]], seed=0)
    assert mean == 1.5
    assert np.isnan([low, high]).all()
    assert np.isnan(bootstrap_mean({}, seed=0)).all()


def test_the_interval_of_many_videos_is_the_mean_and_two_standard_errors():
    x = np.random.default_rng(0).normal(size=400)
    found = paired_bootstrap(x, seed=0)
    error = x.std(ddof=1) / 20
    assert found.mean == pytest.approx(x.mean())
    assert found.low == pytest.approx(x.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(x.mean() + 1.96 * error, abs=0.1 * error)


def test_percentiles_are_widened_as_published():
    """Hesterberg 2015: the normal quantile is sqrt(n / (n - 1)) times Student's, 2.4469 for n = 7."""
    assert _expanded_tail(7, 0.95) == pytest.approx(norm.sf(math.sqrt(7 / 6) * 2.4469), rel=1e-4)


@pytest.mark.parametrize(("num_videos", "least"), [(5, 0.86), (7, 0.9), (20, 0.91)])
def test_intervals_of_few_videos_cover_the_truth(num_videos, least):
    covered = []
    for seed in range(200):
        x = np.random.default_rng(seed).normal(size=num_videos)
        found = paired_bootstrap(x, num_draws=400, seed=seed)
        covered.append(found.low <= 0 <= found.high)
    assert least <= np.mean(covered) <= 0.985


def test_draws_in_blocks_are_as_good_as_those_in_one_piece(monkeypatch):
    values = np.random.default_rng(0).normal(size=(30, 3))
    whole = paired_bootstrap(values, num_draws=4000, seed=1)
    monkeypatch.setattr("ace3d_fast.learn.significance.MAX_DRAWN", 30_000)
    blocks = paired_bootstrap(values, num_draws=4000, seed=1)
    np.testing.assert_array_equal(blocks.mean, whole.mean)
    for one, other in zip(whole[1:], blocks[1:], strict=True):
        assert 0 < np.abs(one - other).max() < 0.03


def test_points_of_a_curve_share_their_draws():
    x = np.random.default_rng(0).normal(size=(9, 1, 1))
    curves = x + np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    found = paired_bootstrap(curves, num_draws=200, seed=0)
    assert found.low.shape == (2, 3)
    np.testing.assert_allclose(found.low - found.low[0, 0], [[0, 1, 2], [3, 4, 5]])
    alone = paired_bootstrap(curves[:, 1, 2], num_draws=200, seed=0)
    assert (found.low[1, 2], found.high[1, 2]) == pytest.approx((alone.low, alone.high))


def test_a_video_missing_from_one_point_is_left_out_there_only():
    x = np.array([[1.0, 1.0], [2.0, np.nan], [3.0, np.nan]])
    found = paired_bootstrap(x, num_draws=100, seed=0)
    np.testing.assert_array_equal(found.mean, [2.0, 1.0])
    assert np.isfinite(found.low[0])
    assert np.isnan(found.low[1])
    same = paired_bootstrap([[4.0], [4.0], [np.nan]], num_draws=100, seed=0)
    assert (same.low, same.high) == (4.0, 4.0)


def test_saturated_null_sets_are_those_at_exactly_0_or_1():
    assert saturation([0.0, 1.0, 0.5, 1 / 3, np.nan]) == 0.5
    assert np.isnan(saturation([]))


def test_gradients_of_a_linear_head_have_cosine_1_and_opposite_ones_minus_1():
    assert mean_pairwise_cosine([[1.0, 2], [2, 4], [3, 6]]) == pytest.approx(1)
    assert mean_pairwise_cosine([[1.0, 0], [-2, 0]]) == pytest.approx(-1)
    assert mean_pairwise_cosine([[1.0, 0], [0, 5], [0, 0]]) == pytest.approx(0)
    assert np.isnan(mean_pairwise_cosine([[1.0, 0]]))


@given(arrays(np.float64, (4, 3), elements=st.floats(-5, 5).map(lambda v: round(v, 3))))
def test_mean_cosine_is_the_mean_over_pairs(rows):
    rows = rows[np.linalg.norm(rows, axis=1) > 0]
    pairs = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for i, a in enumerate(rows) for b in rows[:i]]
    found = mean_pairwise_cosine(rows)
    assert (np.isnan(found) and not pairs) or found == pytest.approx(np.mean(pairs), abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: permutation_p(1.0, [1.0], "less"), "two-sided or greater, got 'less'"),
        (lambda: permutation_p([1.0, 2.0], np.zeros((3, 5))), r"null of shape \(..., B\)"),
        (lambda: benjamini_hochberg([0.5, 1.5]), "p between 0 and 1, got 0.5 to 1.5"),
        (lambda: paired_bootstrap(np.zeros((0, 3)), seed=0), r"\(groups, ...\), got shape \(0, 3\)"),
    ],
)
def test_what_cannot_be_tested_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_mcnemar_counts_the_pairs_that_differ():
    a = np.array([True] * 10 + [False] * 5)
    b = np.array([True] * 4 + [False] * 11)  # six clips only a gets right, none only b
    assert mcnemar_p(a, b) == pytest.approx(2 * 0.5**6)
    assert mcnemar_p(b, a) == mcnemar_p(a, b)
    assert mcnemar_p(a, a) == 1


def test_rank_correlation_is_scipys_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 12))
    pairs = np.stack([x, x + rng.normal(size=(8, 12))], axis=1)
    found = bootstrap_spearman(list(pairs), num_draws=500, seed=0)
    assert found.mean == pytest.approx(spearmanr(*pairs.swapaxes(0, 1).reshape(2, -1)).statistic)
    assert found.low < found.mean < found.high
    assert found.high - found.low < 0.5
    assert np.isnan(bootstrap_spearman([np.ones((2, 5))] * 3, num_draws=10, seed=0).mean)


def test_what_ranks_owe_to_a_third_row_is_left_out():
    rng = np.random.default_rng(0)
    size = rng.normal(size=300)
    a, b = size + 0.3 * rng.normal(size=(2, 300))
    groups = np.split(np.stack([a, b, size]), 10, axis=1)
    assert bootstrap_spearman([part[:2] for part in groups], num_draws=10, seed=0).mean > 0.85
    assert abs(bootstrap_spearman(groups, num_draws=10, seed=0).mean) < 0.15
    first = [np.stack([part[0], part[0], part[2]]) for part in groups]
    assert bootstrap_spearman(first, num_draws=10, seed=0).mean == pytest.approx(1)
    only_size = [np.stack([part[2], part[1], part[2]]) for part in groups]
    assert np.isnan(bootstrap_spearman(only_size, num_draws=10, seed=0).mean)  # nothing is left of it


def test_intervals_of_correlations_need_two_groups():
    pairs = np.random.default_rng(0).normal(size=(2, 2, 9))
    assert np.isnan(bootstrap_spearman([pairs[0]], num_draws=10, seed=0).low)
