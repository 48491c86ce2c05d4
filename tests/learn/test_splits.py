import pytest
from hypothesis import given
from hypothesis import strategies as st

from ace3d_fast.errors import InputError
from ace3d_fast.learn.splits import cross_fit, split_thirds, split_videos

TWELVE = [f"serve/{i:02}.mp4" for i in range(12)]


def test_twelve_videos_are_dealt_into_three_fours():
    thirds = split_thirds(TWELVE, TWELVE, seed=0)
    assert sorted(thirds) == ["discover", "score", "train"]
    assert [len(third) for third in thirds.values()] == [4, 4, 4]
    assert set().union(*thirds.values()) == set(TWELVE)
    assert thirds != split_thirds(TWELVE, TWELVE, seed=1)


def test_the_largest_source_is_dealt_first_so_that_the_small_ones_even_out():
    groups = ["match"] * 4 + TWELVE[4:]
    for seed in range(10):
        assert [len(third) for third in split_thirds(TWELVE, groups, seed).values()] == [4, 4, 4]


@given(st.lists(st.integers(0, 9), min_size=3, max_size=60), st.integers(0, 99))
def test_thirds_are_disjoint_by_group_complete_and_balanced(codes, seed):
    ids = [f"v{i}" for i in range(len(codes))]
    groups = [f"g{code}" for code in codes]
    if len(set(groups)) < 3:
        return
    thirds = split_thirds(ids, groups, seed)
    group_of = dict(zip(ids, groups, strict=True))
    assert sorted(v for third in thirds.values() for v in third) == sorted(ids)
    roles = [{group_of[v] for v in third} for third in thirds.values()]
    assert sum(len(role) for role in roles) == len(set(groups))
    sizes = [len(third) for third in thirds.values()]
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= max(groups.count(g) for g in groups)
    backwards = split_thirds(ids[::-1], groups[::-1], seed)
    assert backwards == thirds


def test_twelve_sources_give_disjoint_roles():
    split = split_videos(TWELVE, TWELVE, seed=0)
    assert not split.leave_one_out
    assert not split.discover & (split.train | split.score)
    assert not split.train & split.score
    assert split.discover | split.train | split.score == set(TWELVE)


def test_eleven_sources_discover_train_and_score_all_videos():
    ids = TWELVE
    groups = ["match", "match", *TWELVE[2:]]  # twelve videos, eleven sources
    split = split_videos(ids, groups, seed=0)
    assert split.leave_one_out
    assert split.discover == split.train == split.score == set(TWELVE)


@pytest.mark.parametrize(
    ("ids", "groups", "fact"),
    [
        (["a", "b"], ["a", "b"], "got 2 videos from 2 sources"),
        (["a"], ["a"], "got 1 video from 1 source"),
        (["a", "b", "c", "d"], ["x", "x", "y", "y"], "got 4 videos from 2 sources"),
    ],
)
def test_too_few_videos_are_said_with_what_to_do(ids, groups, fact):
    for split in (cross_fit, lambda i, g: split_videos(i, g, seed=0)):
        with pytest.raises(InputError, match="to have at least 3 videos of different sources") as error:
            split(ids, groups)
        assert fact in str(error.value)
        assert "; add videos of the class" in str(error.value)


def test_odd_lists_are_named():
    with pytest.raises(InputError, match="one for each of 2 videos, got 1"):
        split_thirds(["a", "b"], ["x"], seed=0)
    with pytest.raises(InputError, match="all different, got a repeated id"):
        split_videos(["a", "a", "b"], ["x", "y", "z"], seed=0)
    with pytest.raises(InputError, match="at least 3 different sources, got 2"):
        split_thirds(["a", "b"], ["x", "y"], seed=0)
