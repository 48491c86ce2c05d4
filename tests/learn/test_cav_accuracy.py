import numpy as np
import pytest

from ace3d_fast.errors import InputError
from ace3d_fast.learn.cav_accuracy import _fast_accuracies, assign_folds, cav_accuracy


def videos(seed, *, effect=0.0, spread=1.0, num_pos=5, num_neg=13, uneven=False, columns=16):
    """Regions of ``num_pos`` videos with a concept and ``num_neg`` without; each video has its own offset."""
    rng = np.random.default_rng(seed)
    num = num_pos + num_neg
    sizes = rng.integers(2, 30, size=num) if uneven else np.full(num, 8)
    groups = np.repeat(np.arange(num), sizes)
    x = spread * rng.normal(size=(num, columns))[groups] + rng.normal(size=(len(groups), columns))
    positive = groups < num_pos
    x[positive, 0] += effect
    return x[positive], x[~positive], groups[positive], groups[~positive]


def test_classes_that_lie_apart_are_always_told_apart():
    rng = np.random.default_rng(0)
    positives, negatives = rng.normal(size=(40, 3)) + 50, rng.normal(size=(60, 3))
    accuracy, p = cav_accuracy(positives, negatives, np.arange(40) % 8, 100 + np.arange(60) % 8, seed=0)
    assert accuracy == 1.0
    assert p == 1 / 200


@pytest.mark.parametrize("method", ["fast", "lda", "sgd"])
def test_classes_that_differ_in_nothing_are_at_chance(method):
    found = [cav_accuracy(*videos(s), method=method, seed=s, num_permutations=0)[0] for s in range(40)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_accuracy_counts_every_video_the_same():
    # videos 0 to 2 show the concept at +1; video 3, as large as all others, has it at -1, wrongly
    sizes = [2, 2, 2, 6]
    groups = np.repeat(np.arange(4), sizes)
    positives = np.where(groups < 3, 1.0, -1.0)[:, None]
    negatives = np.full((12, 1), -1.0)
    accuracy, _ = cav_accuracy(
        positives, negatives, groups, 10 + np.arange(12) % 6, seed=0, num_permutations=0
    )
    assert accuracy == pytest.approx((3 / 4 + 1) / 2)


@pytest.mark.parametrize("uneven", [False, True])
def test_p_values_of_nothing_are_uniform_although_regions_of_a_video_are_alike(uneven):
    p = np.array(
        [cav_accuracy(*videos(s, uneven=uneven), seed=s, num_permutations=39)[1] for s in range(300)]
    )
    # 300 tests: 2.6 standard errors above .05 and .2
    assert (p <= 0.05).mean() <= 0.083
    assert (p <= 0.2).mean() <= 0.26
    assert (p <= 0.5).mean() >= 0.4


def test_labellings_without_a_positive_speak_for_no_concept():
    """A fourth of a large video's rows is often none of a small one's: most labellings have no positive."""
    sizes = [8] * 3 + [1] * 60
    groups = np.repeat(np.arange(63), sizes)
    positive = (groups < 3) & (np.arange(len(groups)) % 8 < 2)
    p = []
    for s in range(40):
        x = np.random.default_rng(s).normal(size=(len(groups), 6))
        sides = (x[positive], x[~positive], groups[positive], groups[~positive])
        p.append(cav_accuracy(*sides, seed=s, num_permutations=99)[1])
    assert (np.array(p) <= 0.2).mean() <= 0.26


def test_regions_taken_for_independent_find_something_in_nothing():
    p = [cav_accuracy(*videos(s)[:2], seed=s, num_permutations=39)[1] for s in range(40)]
    assert np.mean(np.array(p) <= 0.05) > 0.5  # why videos, not regions, are exchanged


def test_p_values_of_nothing_are_uniform_where_each_video_holds_both_classes():
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(5), 12)
        x = rng.normal(size=(5, 8))[groups] + rng.normal(size=(60, 8))
        positive = rng.random(60) < 0.4
        found.append(
            cav_accuracy(
                x[positive], x[~positive], groups[positive], groups[~positive], seed=seed, num_permutations=39
            )[1]
        )
    assert (np.array(found) <= 0.05).mean() <= 0.09
    assert (np.array(found) <= 0.5).mean() >= 0.35


def test_a_planted_concept_is_found():
    p = [cav_accuracy(*videos(s, effect=4.0), seed=s, num_permutations=99)[1] for s in range(40)]
    assert np.mean(np.array(p) <= 0.05) >= 0.9


def test_matrix_products_give_what_fitting_without_each_block_gives():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), [1, 4, 2, 5, 3, 3])
    blocks = groups % 3
    x = rng.normal(size=(18, 2))
    labels = rng.random((4, 18)) < 0.5
    labels[3] = blocks == 1  # without block 1 no positive is left
    found = _fast_accuracies(x, labels, groups, blocks)
    for positive, accuracy in zip(labels, found, strict=True):
        right = np.full(18, 0.5)
        for block in range(3):
            means = []
            for side in (positive, ~positive):
                of_videos = [
                    x[side & (groups == g)].mean(axis=0) for g in set(groups[side & (blocks != block)])
                ]
                means.append(np.mean(of_videos, axis=0) if of_videos else None)
            if means[0] is None or means[1] is None:
                continue
            nearer = np.linalg.norm(x - means[0], axis=1) < np.linalg.norm(x - means[1], axis=1)
            right[blocks == block] = (nearer == positive)[blocks == block]
        rates = [
            np.mean([right[s & (groups == g)].mean() for g in set(groups[s])]) for s in (positive, ~positive)
        ]
        assert accuracy == pytest.approx(np.mean(rates))


def test_folds_hold_whole_videos_and_like_shares_of_both_classes():
    groups = np.repeat(np.arange(17), 6)
    is_positive = groups < 5
    folds = assign_folds(is_positive, groups, 5, np.random.default_rng(0))
    assert all(len(set(folds[groups == g])) == 1 for g in range(17))
    assert np.bincount(folds[is_positive]).tolist() == [6] * 5
    assert sorted(np.bincount(folds[~is_positive]) // 6) == [2, 2, 2, 3, 3]


def test_a_large_pool_is_thinned_to_four_for_each_positive():
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(5000, 4))
    pool[0] = 1e9  # one row that would spoil every mean it is part of
    accuracy, _ = cav_accuracy(rng.normal(size=(60, 4)) + 5, pool, seed=1, num_permutations=0)
    assert accuracy > 0.95


def test_a_class_from_one_video_cannot_be_held_out():
    accuracy, p = cav_accuracy(np.ones((5, 2)), np.zeros((6, 2)), [0] * 5, [1, 2, 3] * 2, seed=0)
    assert np.isnan(accuracy)
    assert p == 1.0


def test_groups_of_another_length_are_named():
    with pytest.raises(InputError, match=r"groups_negative to hold 6 entries, got shape \(2,\)"):
        cav_accuracy(np.ones((5, 2)), np.zeros((6, 2)), [0] * 5, [1, 2], seed=0)
