"""Nearest centres against a plain search, and k-means against scikit-learn's from the same starts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from instruction_sets import assert_instruction_sets_agree
from sklearn.cluster import KMeans

from ace3d_fast.errors import InputError
from ace3d_fast.ops import kmeans, kmeans_step, nearest_centers


def points_and_centers(num_points, channels, num_sets, num_centers, seed=0):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(num_points, channels, generator=generator)
    return points, torch.randn(num_sets, num_centers, channels, generator=generator)


@given(st.integers(0, 40), st.integers(1, 70), st.integers(1, 4), st.integers(1, 40), st.integers(0, 2**31))
def test_no_center_is_nearer(num_points, channels, num_sets, num_centers, seed):
    points, centers = points_and_centers(num_points, channels, num_sets, num_centers, seed)
    labels, squares = nearest_centers(points, centers)
    every = ((points[None, :, None].double() - centers[:, None].double()) ** 2).sum(-1)
    torch.testing.assert_close(squares.double(), every.amin(2), rtol=1e-5, atol=1e-6)
    chosen = every.gather(2, labels[..., None].long())[..., 0]
    torch.testing.assert_close(chosen, every.amin(2), rtol=1e-5, atol=1e-6)


def test_a_tie_goes_to_the_first():
    points = torch.zeros(3, 2)
    centers = torch.tensor([[[3.0, 4.0]] * 20, [[9.0, 9.0]] * 17 + [[0.0, 5.0]] * 3])
    labels, squares = nearest_centers(points, centers)
    assert labels.tolist() == [[0] * 3, [17] * 3]
    assert squares.eq(25).all()


def test_a_center_of_nan_takes_nothing():
    points, centers = points_and_centers(30, 5, 1, 9)
    centers[0, ::2] = float("nan")
    labels, _ = nearest_centers(points, centers)
    assert set(labels.flatten().tolist()) <= {1, 3, 5, 7}
    labels, squares = nearest_centers(points, torch.full_like(centers, float("nan")))
    assert labels.eq(-1).all()
    assert squares.isinf().all()


def test_instruction_sets_change_nothing(tmp_path):
    script = """
from ace3d_fast.ops import nearest_centers
generator = torch.Generator().manual_seed(0)
points, centers = torch.randn(83, 37, generator=generator), torch.randn(3, 21, 37, generator=generator)
results = list(nearest_centers(points, centers))
"""
    assert_instruction_sets_agree(script, tmp_path)


def test_threads_change_nothing():
    points, centers = points_and_centers(500, 37, 3, 21)
    expected = nearest_centers(points, centers)
    torch.set_num_threads(3)
    try:
        threaded = nearest_centers(points, centers)
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(threaded, expected, strict=True))


def test_a_step_moves_each_center_to_its_mean_and_leaves_one_without_points():
    points, centers = points_and_centers(60, 4, 2, 5)
    centers[1, 3] = 1e6
    moved, labels, squares = kmeans_step(points, centers)
    for run in range(2):
        for k in range(5):
            mine = points[labels[run] == k]
            expected = mine.mean(0) if len(mine) else centers[run, k]
            torch.testing.assert_close(moved[run, k], expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(moved[1, 3], centers[1, 3])
    assert torch.equal(squares, nearest_centers(points, centers)[1])


def test_runs_come_to_what_scikit_learn_comes_to():
    generator = np.random.default_rng(3)
    blobs = generator.normal(size=(6, 12)) * 4
    rows = (blobs[generator.integers(6, size=400)] + generator.normal(size=(400, 12))).astype(np.float32)
    starts = torch.from_numpy(np.stack([rows[i : i + 6] for i in (0, 17, 101)]))
    runs = kmeans(torch.from_numpy(rows), starts, tolerance=0.0)
    for run, start in enumerate(starts.numpy()):
        expected = KMeans(6, init=start, n_init=1, tol=0.0).fit(rows)
        assert np.array_equal(runs.labels[run].numpy(), expected.labels_)
        np.testing.assert_allclose(runs.centers[run].numpy(), expected.cluster_centers_, rtol=1e-4, atol=1e-5)
        assert float(runs.inertia[run]) == pytest.approx(expected.inertia_, rel=1e-5)


def test_more_steps_than_needed_are_not_taken():
    points = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    assert kmeans(points, points[[0, 2]][None], num_steps=50).num_steps <= 3


@pytest.mark.parametrize(
    ("points", "centers", "message"),
    [
        (torch.zeros(3), torch.zeros(1, 2, 1), "points"),
        (torch.zeros(3, 2), torch.zeros(2, 2), "centers"),
        (torch.zeros(3, 2), torch.zeros(1, 2, 3), "of 2 channels"),
        (torch.zeros(3, 2, dtype=torch.float64), torch.zeros(1, 2, 2), "float32"),
        (torch.zeros(0, 2), torch.zeros(1, 2, 2), "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(points, centers, message):
    with pytest.raises(InputError, match=message):
        kmeans_step(points, centers)
    with pytest.raises(InputError, match=message):
        kmeans(points, centers)


@pytest.mark.parametrize(("option", "value"), [("num_steps", 0), ("tolerance", -1.0), ("tolerance", "x")])
def test_options_of_runs_are_checked(option, value):
    with pytest.raises(InputError, match=option):
        kmeans(torch.zeros(3, 2), torch.zeros(1, 2, 2), **{option: value})
