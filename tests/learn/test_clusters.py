import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from ace3d_fast.errors import InputError
from ace3d_fast.learn.clusters import choose_num_clusters, fit_kmeans

CANDIDATES = (3, 4, 5, 6, 8, 10)


def blobs(num_clusters, *, per_cluster=40, distance=6.0, columns=8, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(num_clusters), per_cluster)
    centers = rng.normal(size=(num_clusters, columns)) * distance
    return (centers[truth] + rng.normal(size=(len(truth), columns))).astype(np.float32), truth


def test_two_heaps_are_two_clusters_the_larger_first():
    x = np.array([[0.0, 0], [10, 0], [0, 2], [10, 3], [10, 6]])
    found = fit_kmeans(x, 2, seed=0)
    assert found.labels.tolist() == [1, 0, 1, 0, 0]
    assert found.centers.tolist() == [[10.0, 3.0], [0.0, 1.0]]
    assert found.distances.tolist() == [1.0, 3.0, 1.0, 0.0, 3.0]


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(2, 40), num_clusters=st.integers(1, 6), seed=st.integers(0, 2**31 - 1))
def test_every_center_is_the_mean_of_its_rows_and_the_nearest_to_them(rows, num_clusters, seed):
    x = np.random.default_rng(seed).normal(size=(rows, 3))
    num_clusters = min(num_clusters, rows)
    found = fit_kmeans(x, num_clusters, seed=seed)
    sizes = np.bincount(found.labels, minlength=num_clusters)
    assert sizes.sum() == rows
    assert (np.diff(sizes) <= 0).all()
    for k in range(num_clusters):
        np.testing.assert_allclose(x[found.labels == k].mean(axis=0), found.centers[k], atol=1e-9)
    to_all = np.linalg.norm(x[:, None] - found.centers, axis=2)
    np.testing.assert_allclose(found.distances, to_all.min(axis=1), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clusters_do_not_depend_on_the_number_of_threads(dtype):
    x = np.random.default_rng(0).normal(size=(700, 24)).astype(dtype)
    results = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            results.append(fit_kmeans(x, 9, seed=3))
    assert np.array_equal(results[0].labels, results[1].labels)
    assert np.array_equal(results[0].centers, results[1].centers)
    assert results[0].centers.dtype == dtype


def test_copies_of_two_rows_leave_the_third_cluster_empty():
    found = fit_kmeans(np.repeat([[0.0], [1.0]], [3, 2], axis=0), 3, seed=0)
    assert np.bincount(found.labels, minlength=3).tolist() == [3, 2, 0]


def test_the_true_number_of_clusters_is_the_largest_stable_one():
    x, _ = blobs(6)
    choice = choose_num_clusters(x, CANDIDATES, seed=0)
    assert choice.num_clusters == 6
    assert choice.candidates == CANDIDATES
    assert choice.stability[CANDIDATES.index(6)] == 1.0
    assert choice.stability[-1] < 0.98


def test_clusters_that_single_videos_decide_are_unstable():
    # four groups of regions in every video, and a fifth that only one of four videos shows
    rng = np.random.default_rng(1)
    centers = rng.normal(size=(12, 6)) * 8
    videos = np.repeat(np.arange(4), 80)
    shown = np.where(np.arange(320) % 80 < 60, np.arange(320) % 4, 4 + 2 * videos + np.arange(320) % 2)
    x = centers[shown] + rng.normal(size=(320, 6))
    by_video = choose_num_clusters(x, (4, 12), seed=0, groups=videos)
    by_row = choose_num_clusters(x, (4, 12), seed=0)
    assert by_row.stability[1] > by_video.stability[1] + 0.05


def test_candidates_above_half_the_rows_are_skipped():
    x, _ = blobs(3, per_cluster=4)
    assert choose_num_clusters(x, (40, 3, 6, 7, 3), seed=0).candidates == (3, 6)


def test_many_rows_are_thinned_and_still_give_the_answer():
    x, _ = blobs(5, per_cluster=100)
    assert choose_num_clusters(x, (3, 5, 8), seed=0, max_rows=100).num_clusters == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_kmeans(np.zeros((2, 3)), 3, seed=0), "num_clusters between 1 and 2"),
        (lambda: fit_kmeans(np.zeros(5), 1, seed=0), r"shape \(rows, C\), got shape \(5,\)"),
        (lambda: fit_kmeans([[0.0], [np.nan]], 1, seed=0), "NaN or infinity in 1 of 2 rows, first in row 1"),
        (
            lambda: choose_num_clusters(np.zeros((6, 1)), (5, 6), seed=0),
            "between 2 and 3 .half the 6 regions.*give more videos",
        ),
        (lambda: choose_num_clusters(np.zeros((9, 1)), (2,), seed=0, num_fits=1), "num_fits of at least 2"),
        (lambda: choose_num_clusters(np.zeros((9, 1)), (2,), seed=0, groups=["a"]), "hold 9 entries"),
    ],
)
def test_what_cannot_be_clustered_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call()
