import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from ace3d_fast.errors import InputError
from ace3d_fast.learn.clusters import fit_clusters, fit_kmeans


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


@pytest.mark.parametrize("method", ["agglomerative", "hdbscan", "nmf"])
def test_far_blobs_are_found_by_every_method(method):
    x, truth = blobs(4, distance=12.0)
    found = fit_clusters(x, 4, method=method, seed=0, min_size=10)
    assert adjusted_rand_score(truth, found.labels) > 0.95
    for k in range(len(found.centers)):
        np.testing.assert_allclose(x[found.labels == k].mean(axis=0), found.centers[k], rtol=1e-5)


@pytest.mark.parametrize("method", ["agglomerative", "hdbscan", "nmf"])
def test_the_largest_cluster_comes_first_by_every_method(method):
    x, truth = blobs(3, distance=12.0)
    uneven = x[np.concatenate([np.flatnonzero(truth == k)[:size] for k, size in enumerate((12, 40, 25))])]
    found = fit_clusters(uneven, 3, method=method, seed=0, min_size=5)
    assert np.bincount(found.labels[found.labels >= 0]).tolist() == [40, 25, 12]


def test_a_row_belongs_to_the_factor_that_adds_most_to_it():
    x = np.concatenate([np.tile([10.0, 0.0], (20, 1)), np.tile([0.0, 1.0], (20, 1)), [[2.0, 1.0]]])
    found = fit_clusters(x, 2, method="nmf", seed=0)
    assert found.labels[-1] == found.labels[0] != found.labels[20]


def test_rows_between_dense_groups_belong_to_none():
    x, truth = blobs(2, distance=10.0)
    lonely = np.vstack([x, np.full((1, 8), 300.0, dtype=np.float32)])
    found = fit_clusters(lonely, 0, method="hdbscan", seed=0, min_size=10)
    assert found.labels[-1] == -1
    assert (found.labels[: len(truth)] >= 0).mean() > 0.8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_kmeans(np.zeros((2, 3)), 3, seed=0), "num_clusters between 1 and 2"),
        (lambda: fit_kmeans(np.zeros(5), 1, seed=0), r"shape \(rows, C\), got shape \(5,\)"),
        (lambda: fit_kmeans([[0.0], [np.nan]], 1, seed=0), "NaN or infinity in 1 of 2 rows, first in row 1"),
        (lambda: fit_clusters(np.zeros((2, 3)), 3, method="nmf", seed=0), "num_clusters between 1 and 2"),
        (
            lambda: fit_clusters(np.eye(6) * 9, 0, method="hdbscan", seed=0),
            "dense groups among the rows, got none",
        ),
    ],
)
def test_what_cannot_be_clustered_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call()
