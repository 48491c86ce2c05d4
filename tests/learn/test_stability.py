import numpy as np
import pytest

from ace3d_fast.errors import InputError
from ace3d_fast.learn.stability import match_directions


def test_rows_in_another_order_and_length_are_the_same():
    rows = np.random.default_rng(0).normal(size=(6, 4))
    cosine, order = match_directions(rows, 3 * rows[[2, 0, 1, 5, 4, 3]])
    np.testing.assert_allclose(cosine, 1)
    assert order.tolist() == [1, 2, 0, 5, 4, 3]


def test_the_sum_counts_not_the_first_come():
    a = np.array([[1.0, 0.0], [1.0, 0.2]])
    b = np.array([[1.0, 0.1], [0.0, 1.0]])  # both rows of a are nearest to the first
    cosine, order = match_directions(a, b)
    assert order.tolist() == [0, 1]  # the other way gives 0.995 + 0, this one more
    assert cosine.sum() > 1.1


def test_unequal_shapes_are_said():
    with pytest.raises(InputError, match=r"one shape, got \(2, 2\) and \(3, 2\)"):
        match_directions(np.eye(2), np.ones((3, 2)))
