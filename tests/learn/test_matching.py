import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from ace3d_fast.errors import InputError
from ace3d_fast.learn.matching import match_sizes, null_sets
from ace3d_fast.learn.significance import permutation_p


def test_counterexamples_have_the_sizes_of_the_concept():
    assert match_sizes([100, 100, 1000], [10, 101, 99, 5000, 990, 1], num=3, seed=0).tolist() == [1, 2, 4]


def test_sizes_of_a_large_pool_are_distributed_like_the_targets():
    rng = np.random.default_rng(0)
    targets, pool = np.exp(rng.normal(7, 0.5, size=80)), np.exp(rng.normal(6, 1.5, size=5000))
    chosen = match_sizes(targets, pool, num=400, seed=0)
    assert len(set(chosen.tolist())) == 400
    assert ks_2samp(np.log(targets), np.log(pool[chosen])).statistic < 0.1
    assert ks_2samp(np.log(targets), np.log(pool)).statistic > 0.4


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=30),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=60),
    st.integers(0, 80),
)
def test_as_many_different_regions_as_asked_for_or_all(targets, pool, num):
    chosen = match_sizes(targets, pool, num=num, seed=1)
    assert len(set(chosen.tolist())) == len(chosen) == min(num, len(pool))
    assert chosen.tolist() == match_sizes(targets, pool, num=num, seed=1).tolist()


def test_null_sets_take_as_many_regions_of_each_size_as_the_concept_has():
    pool = np.repeat([10, 100, 1000], 8)
    sets = null_sets([1000, 10, 10], pool, num_sets=50, seed=0)
    assert sets.shape == (50, 3)
    assert (pool[sets] == [1000, 10, 10]).all()
    assert (sets[:, 1] != sets[:, 2]).all()
    assert len(np.unique(sets[:, 0])) == 8


def test_a_concept_that_holds_all_the_large_regions_is_compared_with_the_next_smaller_ones():
    sizes = np.arange(1.0, 25.0)
    drawn = sizes[null_sets(sizes[-6:], sizes, num_sets=200, seed=0)]
    assert set(drawn.ravel()) == set(range(16, 25))  # nine regions for six members


def test_the_smallest_regions_join_the_stratum_above():
    sizes = np.arange(1.0, 15.0)  # 14 to 9, 8 to 3, and two that are left
    assert set(sizes[null_sets([1.0, 2.0], sizes, num_sets=200, seed=0)].ravel()) == set(range(1, 9))


def test_members_are_matched_in_their_own_video():
    pool_groups = np.repeat(["a", "b", "c"], 20)
    sets = null_sets(
        [5.0, 5, 5],
        np.full(60, 5.0),
        num_sets=30,
        seed=0,
        member_groups=["c", "a", "c"],
        pool_groups=pool_groups,
    )
    assert (pool_groups[sets] == ["c", "a", "c"]).all()


def test_members_of_unknown_videos_stay_together_in_other_videos():
    pool_groups = np.repeat(["a", "b", "c", "d"], 20)
    sets = null_sets(
        np.full(5, 5.0),
        np.full(80, 5.0),
        num_sets=200,
        seed=0,
        member_groups=["x", "x", "y", "y", "a"],
        pool_groups=pool_groups,
    )
    hosts = pool_groups[sets]
    assert (hosts[:, 0] == hosts[:, 1]).all()
    assert (hosts[:, 2] == hosts[:, 3]).all()
    assert (hosts[:, 0] != hosts[:, 2]).all()
    assert (hosts[:, 4] == "a").all()
    assert set(hosts[:, 0]) == {"b", "c", "d"}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 25),
    st.integers(1, 60),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 1000),
    st.booleans(),
)
def test_a_set_repeats_no_region_while_the_pool_holds_the_members(n, others, videos, ties, seed, grouped):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4 if ties else 10**6, size=n + others).astype(float)
    video = rng.integers(videos, size=n + others)
    groups = {"member_groups": video[:n], "pool_groups": video} if grouped else {}
    sets = null_sets(sizes[:n], sizes, num_sets=9, seed=seed, **groups)
    assert all(len(set(row)) == n for row in sets.tolist())
    assert np.array_equal(sets, null_sets(sizes[:n], sizes, num_sets=9, seed=seed, **groups))


def test_a_pool_smaller_than_the_concept_is_used_evenly():
    sets = null_sets(np.full(6, 9.0), [9.0, 9.0, 9.0], num_sets=5, seed=0)
    assert [np.bincount(row).tolist() for row in sets] == [[2, 2, 2]] * 5


def concept_of_large_regions(seed, effect):
    """Six videos; scores grow with size and differ between videos; large regions are members more often."""
    rng = np.random.default_rng(seed)
    video = np.repeat(np.arange(6), 60)
    size = np.exp(rng.normal(6, 1.2, size=360))
    score = 0.8 * np.log(size) + 1.5 * rng.normal(size=6)[video] + rng.normal(size=360)
    chance = size**0.7 * (1 + 2 * (video % 3))
    members = rng.choice(360, 40, replace=False, p=chance / chance.sum())
    score[members] += effect
    return video, size, score, members


def p_against_null_sets(seed, effect):
    video, size, score, members = concept_of_large_regions(seed, effect)
    sets = null_sets(
        size[members], size, num_sets=99, seed=seed, member_groups=video[members], pool_groups=video
    )
    return permutation_p(score[members].mean(), score[sets].mean(axis=1))


def test_size_and_video_alone_make_no_concept_significant():
    p = np.array([p_against_null_sets(seed, 0.0) for seed in range(300)])
    assert (p <= 0.05).mean() <= 0.083  # 2.6 standard errors
    assert (p <= 0.2).mean() <= 0.26
    assert (p <= 0.5).mean() >= 0.42


def test_an_effect_beyond_size_and_video_is_found():
    p = np.array([p_against_null_sets(seed, 1.0) for seed in range(40)])
    assert (p <= 0.05).mean() >= 0.95


def test_a_thousand_sets_of_two_hundred_from_twenty_thousand_take_under_a_second():
    sizes = np.exp(np.random.default_rng(0).normal(7, 1.5, size=20_000))
    start = time.perf_counter()
    sets = null_sets(sizes[:200], sizes, num_sets=999, seed=0)
    assert time.perf_counter() - start < 1.0
    assert np.abs(np.log(sizes[sets] / sizes[:200])).max() < 0.3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: match_sizes([1, 0], [1], num=1, seed=0), "target_sizes positive, got 0"),
        (lambda: match_sizes([1], [], num=1, seed=0), "pool_sizes one size for each region"),
        (lambda: null_sets([1], [1], num_sets=1, seed=0, pool_groups=["a"]), "both or neither"),
        (
            lambda: null_sets([1], [1], num_sets=1, seed=0, pool_groups=["a"], member_groups=["a", "b"]),
            "member_groups to hold 1 entries",
        ),
    ],
)
def test_what_cannot_be_matched_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call()
