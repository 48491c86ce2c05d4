import numpy as np
import pytest

from ace3d_fast.learn.matching import null_sets
from ace3d_fast.learn.scores import Score, average_gradients, score_directions, score_effect, score_raw
from ace3d_fast.rows import draw_rows

REPEATS = {"num_permutations": 199, "num_bootstrap": 200, "seed": 0}


def names(*values):
    return np.array(values, dtype=object)


def test_gradients_are_averaged_within_a_video_first():
    clips = np.array([[2.0, 0], [4, 0], [0, 3]], dtype=np.float32)
    found = average_gradients(clips, names("b", "b", "a"), names("B", "B", "A"))
    assert found.videos.tolist() == ["a", "b"]
    assert found.groups.tolist() == ["A", "B"]
    assert found.mean.tolist() == [[0.0, 3.0], [3.0, 0.0]]
    assert found.cosine == pytest.approx(1 / 3)  # pairs: 1, 0, 0


def test_an_effect_is_the_mean_over_videos_and_not_over_regions():
    effect = np.array([1.0, 1, 1, 5, 0, 0, 0, 0], dtype=np.float32)
    video = names("a", "a", "a", "b", "a", "a", "a", "b")
    size = np.full(8, 7, dtype=np.int32)
    found = score_effect({"e": effect}, video, size, np.arange(4), np.arange(8), **REPEATS)
    assert found["e"].value == 3.0
    assert (found["e"].low, found["e"].high) == (1.0, 5.0)


def planted_effects(seed, effect):
    rng = np.random.default_rng(seed)
    video = np.repeat(names(*"abcde"), 40)
    size = np.exp(rng.normal(6, 1, size=200)).astype(np.int32) + 1
    values = np.log(size) * 0.3 + 3 * rng.normal(size=5)[np.repeat(np.arange(5), 40)] + rng.normal(size=200)
    # the concept is in three of five videos
    rows = np.sort(rng.choice(120, 30, replace=False))
    values[rows] += effect
    return {"e": values.astype(np.float32)}, video, size, rows, np.arange(200)


@pytest.mark.parametrize(("effect", "least", "most"), [(0.0, 0.0, 0.1), (1.5, 0.95, 1.0)])
def test_regions_that_matter_are_told_from_others_of_their_size_and_video(effect, least, most):
    p = [score_effect(*planted_effects(seed, effect), **REPEATS)["e"].p_value for seed in range(100)]
    assert least <= np.mean(np.array(p) <= 0.05) <= most


def test_a_concept_below_its_null_sets_is_no_cause():
    effects, video, size, rows, pool = planted_effects(0, 1.5)
    effects = {"e": -effects["e"]}
    assert score_effect(effects, video, size, rows, pool, **REPEATS)["e"].p_value > 0.9


def test_the_raw_score_is_the_slope_from_the_counterexamples_to_the_concept():
    features = np.array([[3.0, 1], [5, 1], [1, 1], [1, 1]], dtype=np.float32)
    gradients = average_gradients(
        np.array([[2.0, 9], [4, 9]], dtype=np.float32), names("a", "b"), names("a", "b")
    )
    score, _ = score_raw(
        features,
        np.ones(4, dtype=np.int32),
        np.arange(2),
        np.arange(4),
        np.array([2, 3]),
        gradients,
        **REPEATS,
    )
    assert score.value == (4 - 1) * (2 + 4) / 2
    assert (score.low, score.high) == (6.0, 12.0)


def test_a_large_pool_is_tested_by_a_selection_and_scored_whole(monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 2)).astype(np.float32)
    features[:100, 0] += 1
    gradients = average_gradients(np.ones((2, 2), np.float32), names("a", "b"), names("a", "b"))
    given = (features, np.ones(400, np.int32), np.arange(100), np.arange(400), np.arange(200, 400), gradients)
    whole, _ = score_raw(*given, **REPEATS)
    sizes = []

    def told(member_sizes, pool_sizes, **more):
        sizes.append((len(member_sizes), len(pool_sizes)))
        return null_sets(member_sizes, pool_sizes, **more)

    monkeypatch.setattr("ace3d_fast.learn.scores.null_sets", told)
    monkeypatch.setattr("ace3d_fast.learn.scores.MAX_NULL_POOL", 200)
    some, saturation = score_raw(*given, **REPEATS)
    ((num_members, num_pool),) = sizes
    assert num_pool == 200
    assert 30 < num_members < 70
    assert (some.value, some.low, some.high) == (whole.value, whole.low, whole.high)
    assert some.p_value == whole.p_value == 1 / (REPEATS["num_permutations"] + 1)
    assert 0 <= saturation <= 1


def test_a_selection_without_a_region_of_the_concept_tests_nothing(monkeypatch):
    monkeypatch.setattr("ace3d_fast.learn.scores.MAX_NULL_POOL", 1)
    gradients = average_gradients(np.ones((2, 1), np.float32), names("a", "b"), names("a", "b"))
    features = np.arange(50, dtype=np.float32)[:, None]
    rows = np.array([int(row) for row in range(50) if row != draw_rows(50, 1, 0)[0]][:2])
    given = (features, np.ones(50, np.int32), rows, np.arange(50), np.arange(40, 50), gradients)
    score, saturation = score_raw(*given, **{**REPEATS, "seed": 0})
    assert np.isfinite(score.value)
    assert np.isnan(score.p_value)
    assert np.isnan(saturation)


def test_sign_and_magnitude_over_videos_and_directions():
    directions = [np.array([[1.0, 0], [0, 1]], dtype=np.float32)] * 2
    gradients = average_gradients(
        np.array([[2.0, -1], [4, 3]], dtype=np.float32), names("a", "b"), names("a", "b")
    )
    scores, signs = score_directions(directions, gradients, num_bootstrap=50, seed=0)
    assert scores["tcav_sign"].value == 0.75  # 2, 4 and 3 of 2, -1, 4, 3
    assert scores["tcav_magnitude"].value == 2.0
    assert signs.tolist() == [1.0, 0.5]


def test_a_concept_without_a_region_has_no_effect():
    effect, video, size, _, pool = planted_effects(0, 0.0)
    assert np.isnan(
        score_effect(effect, video, size, np.zeros(0, dtype=np.int64), pool, **REPEATS)["e"].value
    )


def test_an_interval_stays_in_order_when_it_is_scaled():
    scaled = Score(-2.0, -3.0, -1.0, 0.01).times(-0.5)
    assert (scaled.value, scaled.low, scaled.high) == (1.0, 0.5, 1.5)
    assert np.isnan(scaled.p_value)
