import numpy as np
import pytest

from ace3d_fast.errors import InputError
from ace3d_fast.learn.fidelity import mu_fidelity, random_subsets, sobol_masks, sobol_total


def test_subsets_hold_a_fifth_of_the_parts():
    subsets = random_subsets(20, 50, seed=0)
    assert (subsets.sum(axis=1) == 4).all()
    assert subsets.any(axis=0).all()
    assert random_subsets(2, 5, seed=0).sum(axis=1).tolist() == [1] * 5


def test_attributions_of_a_sum_are_faithful_and_their_opposite_is_not():
    weights = np.arange(10.0)
    subsets = random_subsets(10, 60, share=0.3, seed=1)
    drop = subsets @ weights
    assert mu_fidelity(weights, subsets, drop) == pytest.approx(1)
    assert mu_fidelity(-weights, subsets, drop) == pytest.approx(-1)
    assert abs(mu_fidelity(np.random.default_rng(0).permutation(weights), subsets, drop)) < 0.9
    assert np.isnan(mu_fidelity(np.ones(10), subsets, drop))


def test_shapes_that_do_not_fit_are_said():
    with pytest.raises(InputError, match=r"\(3, 2\) for 4 parts"):
        mu_fidelity(np.zeros(4), np.zeros((3, 2), dtype=bool), np.zeros(3))


def test_each_mask_draws_one_part_anew():
    masks = sobol_masks(4, 500, seed=0)
    assert masks.shape == (5, 500, 4)
    for part in range(4):
        changed = masks[part + 1] != masks[0]
        assert not np.delete(changed, part, axis=1).any()
        assert 0.4 < changed[:, part].mean() < 0.6


def test_indices_of_a_sum_and_of_an_interaction():
    masks = sobol_masks(3, 20_000, seed=0).astype(float)
    linear = 3 * masks[..., 0] + masks[..., 1]  # variances 9/4 and 1/4
    np.testing.assert_allclose(sobol_total(linear), [0.9, 0.1, 0], atol=0.02)
    both = masks[..., 0] * masks[..., 1]  # variance 3/16; either part changes it in half the cases by 1/4
    np.testing.assert_allclose(sobol_total(both), [2 / 3, 2 / 3, 0], atol=0.02)
    assert np.isnan(sobol_total(np.ones((4, 5)))).all()
