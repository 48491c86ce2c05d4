"""How often concepts that mean nothing are called significant, and how often true ones are."""

import numpy as np
import pytest

from ace3d_fast.learn.scores import average_gradients, score_effect, score_raw
from ace3d_fast.learn.significance import benjamini_hochberg

NUM_NULLS = 240
NUM_VIDEOS = 8
PER_VIDEO = 40
SIZE = 16
REPEATS = {"num_permutations": 199, "num_bootstrap": 1}


@pytest.fixture(scope="module")
def world():
    """Regions whose effects depend on their video and their size, as those of real videos do."""
    rng = np.random.default_rng(3)
    video = np.repeat(np.array([f"v{i}" for i in range(NUM_VIDEOS)], dtype=object), PER_VIDEO)
    size = rng.integers(50, 2000, len(video)).astype(np.int32)
    effect = rng.standard_t(4, len(video)) + 0.001 * size + np.repeat(rng.normal(size=NUM_VIDEOS), PER_VIDEO)
    return rng, video, size, effect.astype(np.float32)


def draw(rng, video):
    some = rng.choice(np.unique(video), 5, replace=False)
    return np.sort(rng.choice(np.flatnonzero(np.isin(video, some)), SIZE, replace=False))


def effect_p(world, shift):
    rng, video, size, effect = world
    pool = np.arange(len(video))
    found = []
    for seed in range(NUM_NULLS):
        rows = draw(rng, video)
        values = effect.copy()
        values[rows] += shift
        scores = score_effect({"region_effect": values}, video, size, rows, pool, seed=seed, **REPEATS)
        found.append(scores["region_effect"].p_value)
    return np.array(found)


def test_region_effects_of_null_concepts_are_rarely_significant(world):
    p = effect_p(world, 0.0)
    assert 0.01 <= (p <= 0.05).mean() <= 0.08  # a test that never fires would show nothing
    assert (benjamini_hochberg(p) <= 0.05).mean() <= 0.01


def test_a_true_effect_of_two_deviations_is_found(world):
    p = effect_p(world, 2 * world[3].std())
    assert (benjamini_hochberg(p) <= 0.05).mean() >= 0.9


def test_raw_scores_of_null_concepts_are_rarely_significant(world):
    rng, video, size, _ = world
    features = rng.normal(size=(len(video), 12)).astype(np.float32)
    names = np.unique(video)
    gradients = average_gradients(rng.normal(1.0, 1.0, (NUM_VIDEOS, 12)).astype(np.float32), names, names)
    negatives, pool = np.arange(0, len(video), 4), np.arange(len(video))
    p = []
    for seed in range(NUM_NULLS):
        score, _ = score_raw(
            features, size, draw(rng, video), pool, negatives, gradients, seed=seed, **REPEATS
        )
        p.append(score.p_value)
    p = np.array(p)
    assert 0.01 <= (p <= 0.05).mean() <= 0.08
    assert (benjamini_hochberg(p) <= 0.05).mean() <= 0.01
