import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from ace3d_fast.errors import InputError
from ace3d_fast.learn.cavs import cross_fit_directions, fit_cavs, fit_cavs_batched
from ace3d_fast.learn.linear import fit_direction

METHODS = ("fast", "lda", "sgd")


def planted(num_pos=60, num_neg=300, columns=24, effect=3.0, seed=0):
    """Positives stand out along the first axis; noise is 3 along the second and 1 elsewhere."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(num_pos + num_neg, columns))
    noise[:, 1] *= 3
    noise[:num_pos, 0] += effect
    return noise[:num_pos], noise[num_pos:]


def test_the_fast_direction_points_from_the_mean_of_one_class_to_the_other():
    positives = np.array([[3.0, 4.0], [5.0, 6.0]])  # mean (4, 5)
    negatives = np.array([[1.0, 1.0]] * 4)  # whatever set is drawn, mean (1, 1)
    cav = fit_cavs(positives, negatives, seed=0, num_random_sets=3, num_permutations=0)
    np.testing.assert_allclose(cav.directions, [[0.6, 0.8]] * 3, rtol=1e-6)
    # half-way between (4, 5) and (1, 1) lies (2.5, 3): .6 * 2.5 + .8 * 3 = 3.9
    np.testing.assert_allclose(cav.biases, [-3.9] * 3, rtol=1e-6)
    np.testing.assert_allclose(cav.mean_direction, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_planted_axis(method):
    cav = fit_cavs(*planted(), method=method, seed=0, num_permutations=19)
    assert cav.directions.shape == (20, 24)
    assert cav.directions.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(cav.directions, axis=1), 1, atol=1e-5)
    assert cav.mean_direction[0] > (0.6 if method == "sgd" else 0.9)
    assert cav.accuracy > 0.8
    assert cav.accuracy_p == 0.05  # 1 / (19 + 1)


def test_lda_ignores_the_noisy_axis_that_misleads_the_difference_of_means():
    rng = np.random.default_rng(0)
    mixing = np.array([[1.0, 0.0], [4.0, 1.0]])  # the second axis spreads along (4, 1)
    positives = rng.normal(size=(200, 2)) @ mixing + [2.0, 0.0]
    negatives = rng.normal(size=(400, 2)) @ mixing
    covariance = mixing.T @ mixing
    best = np.linalg.solve(covariance, [2.0, 0.0])
    best /= np.linalg.norm(best)
    found = {m: fit_cavs(positives, negatives, method=m, seed=0, num_permutations=0) for m in ("fast", "lda")}
    assert found["lda"].mean_direction @ best > 0.99
    assert found["fast"].mean_direction @ best < 0.6


def test_lda_agrees_with_the_inverse_of_the_shrunk_covariance():
    from sklearn.covariance import ledoit_wolf

    from ace3d_fast.learn.linear import fit_direction

    for columns in (4, 40):  # fewer and more columns than rows
        rng = np.random.default_rng(columns)
        positives, negatives = rng.normal(size=(9, columns)) + 1, rng.normal(size=(12, columns))
        residuals = np.concatenate([positives - positives.mean(0), negatives - negatives.mean(0)])
        covariance, _ = ledoit_wolf(residuals, assume_centered=True)
        wanted = np.linalg.solve(covariance, positives.mean(0) - negatives.mean(0))
        direction, bias = fit_direction(positives, negatives, "lda", 0)
        np.testing.assert_allclose(direction, wanted / np.linalg.norm(wanted), rtol=1e-8)
        middle = (positives.mean(0) + negatives.mean(0)) / 2
        assert middle @ direction + bias == pytest.approx(0)


def test_one_matrix_product_gives_what_the_loop_over_sets_gives():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 6))
    members = np.zeros((3, 50), dtype=np.int8)
    members[0, :7], members[1, 5:20], members[2, 30:33] = 1, 1, 1
    directions, biases = fit_cavs_batched(x, members, members == 0, num_random_sets=4, seed=9)
    assert directions.shape == (3, 4, 6)
    assert biases.shape == (3, 4)
    alone = fit_cavs(x[:7], x[7:], num_random_sets=4, seed=9, num_permutations=0)
    np.testing.assert_array_equal(directions[0], alone.directions)
    np.testing.assert_array_equal(biases[0], alone.biases)
    for k in (1, 2):
        pool = np.flatnonzero(members[k] == 0)
        size = min(members[k].sum(), -(-len(pool) // 2))
        draws = np.random.default_rng([9, k])
        for r in range(4):
            chosen = pool[np.sort(draws.choice(len(pool), size, replace=False))]
            difference = x[members[k] == 1].mean(axis=0) - x[chosen].mean(axis=0)
            wanted = difference / np.linalg.norm(difference)
            np.testing.assert_allclose(directions[k, r], wanted, rtol=1e-5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_fast_directions_ignore_scale_and_origin_of_the_features(seed, scale, shift):
    positives, negatives = planted(8, 20, 5, seed=seed)
    plain = fit_cavs(positives, negatives, seed=seed, num_random_sets=3, num_permutations=0)
    moved = fit_cavs(
        positives * scale + shift, negatives * scale + shift, seed=seed, num_random_sets=3, num_permutations=0
    )
    np.testing.assert_allclose(plain.directions, moved.directions, atol=1e-4)
    assert plain.accuracy == moved.accuracy


def test_random_sets_differ_even_when_the_pool_is_as_small_as_the_concept():
    cav = fit_cavs(*planted(20, 20), seed=0, num_permutations=0)
    assert len(np.unique(cav.directions[:, 0])) > 10


@pytest.mark.parametrize("method", METHODS)
def test_cavs_do_not_depend_on_the_number_of_threads(method):
    results = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            results.append(fit_cavs(*planted(300, 900, 64), method=method, num_random_sets=3, seed=1))
    assert np.array_equal(results[0].directions, results[1].directions)
    assert results[0].accuracy_p == results[1].accuracy_p


@pytest.mark.parametrize("method", METHODS)
def test_a_direction_that_scores_a_video_has_not_seen_it(method):
    positives, negatives = planted(30, 60)
    groups_pos, groups_neg = np.repeat(list("abc"), 10), np.repeat(list("cde"), 20)
    before = cross_fit_directions(positives, negatives, groups_pos, groups_neg, method=method, seed=0)
    assert sorted(before) == list("abcde")
    changed_pos, changed_neg = positives.copy(), negatives.copy()
    changed_pos[groups_pos == "c"] = 1e3
    changed_neg[groups_neg == "c"] = -1e3
    after = cross_fit_directions(changed_pos, changed_neg, groups_pos, groups_neg, method=method, seed=0)
    assert np.array_equal(before["c"], after["c"])
    assert not np.array_equal(before["a"], after["a"])
    assert before["c"][0] > 0.8


def test_a_video_without_a_member_is_scored_by_all_and_the_only_one_by_none():
    positives, negatives = planted(5, 60)
    found = cross_fit_directions(positives, negatives, ["a"] * 5, ["b"] * 60, seed=0)
    assert found["elsewhere"][0] > 0.8
    assert not found["a"].any()
    assert not found["b"].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_cavs(np.ones((2, 3)), np.ones((4, 2)), seed=0), "as many columns, got 3 and 2"),
        (
            lambda: fit_cavs(np.ones((2, 3)), np.ones((4, 3)), method="svm", seed=0),
            "fast, lda or sgd, got 'svm'",
        ),
        (lambda: fit_cavs(np.ones((0, 3)), np.ones((4, 3)), seed=0), "positives to have at least 1 rows"),
        (
            lambda: fit_cavs(np.ones((2, 3)), np.ones((1, 3)), seed=0),
            "negatives to have at least 2 rows, got 1",
        ),
        (
            lambda: fit_cavs_batched(np.ones((4, 3)), np.eye(2, 4), np.eye(4)[3], seed=0),
            "at least 1 and 2 rows, got 1 and 1 for concept 0",
        ),
        (
            lambda: fit_cavs_batched(np.ones((4, 3)), np.ones((1, 5)), np.ones(4), seed=0),
            "masks over 4 rows",
        ),
        (
            lambda: cross_fit_directions(np.ones((2, 3)), np.ones((2, 3)), ["a"], ["b", "c"], seed=0),
            "groups_positive to hold 2 entries",
        ),
    ],
)
def test_what_has_no_direction_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("shape", [(10, 5), (30, 200), (200, 30), (4, 3)], ids=str)
def test_lda_solves_with_the_shrunk_covariance_of_scikit_learn(shape):
    from sklearn.covariance import ledoit_wolf

    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(shape[1], shape[1]))
    positives, negatives = (rng.normal(size=shape) @ mixing + shift for shift in (0.5, 0.0))
    difference = positives.mean(axis=0) - negatives.mean(axis=0)
    residuals = np.concatenate([rows - rows.mean(axis=0) for rows in (positives, negatives)])
    covariance, _ = ledoit_wolf(residuals, assume_centered=True)
    expected = np.linalg.solve(covariance, difference)
    direction, _ = fit_direction(positives, negatives, "lda", 0)
    np.testing.assert_allclose(direction, expected / np.linalg.norm(expected), atol=1e-9)
