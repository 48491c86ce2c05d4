import numpy as np
import pytest

from ace3d_fast.errors import InputError
from ace3d_fast.learn import recurrence
from ace3d_fast.learn.clusters import Clusters, fit_clusters
from ace3d_fast.learn.recurrence import Recurrence, choose_num_clusters, measure_recurrence


def blobs(num_clusters, *, per_cluster=40, distance=6.0, columns=8, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(num_clusters), per_cluster)
    centers = rng.normal(size=(num_clusters, columns)) * distance
    return centers[truth] + rng.normal(size=(len(truth), columns)), truth


@pytest.mark.parametrize("method", ["kmeans", "agglomerative"])
def test_the_true_number_of_clusters_has_most_that_recur(method):
    x, _ = blobs(6)
    choice = choose_num_clusters(x, (3, 4, 6, 8, 10), seed=0, method=method)
    assert choice.num_clusters == 6
    assert choice.candidates == (3, 4, 6, 8, 10)
    assert choice.num_recurring[2] == 6
    assert choice.num_recurring.max() == 6


def test_a_small_cluster_counts_beside_a_large_cloud():
    # 600 rows of one shapeless cloud, and three blobs of 20: an index of whole partitions sees the cloud only
    rng = np.random.default_rng(0)
    small, _ = blobs(3, per_cluster=20, distance=12.0)
    x = np.concatenate([rng.normal(size=(600, 8)) * 2, small])
    choice = choose_num_clusters(x, (2, 4), seed=0)
    clusters = fit_clusters(x, choice.num_clusters, seed=0)
    assert choice.num_clusters == 4
    assert sorted(np.bincount(clusters.labels))[:3] == [20, 20, 20]


def test_many_fragments_of_which_few_recur_are_not_chosen(monkeypatch):
    counts = {4: 4, 8: 5, 40: 9}

    def fake(_x, clusters, **_options):
        k = len(clusters.centers)
        return Recurrence(np.where(np.arange(k) < counts[k], 1.0, 0.0), 1.0)

    monkeypatch.setattr(recurrence, "measure_recurrence", fake)
    x, _ = blobs(2, per_cluster=100)
    choice = choose_num_clusters(x, (4, 8, 40), seed=0, min_size=1)
    assert choice.num_recurring.tolist() == [4, 5, 9]
    assert choice.num_clusters == 8


def test_the_search_ends_among_fragments_once_something_recurred(monkeypatch):
    counts = {3: 1, 4: 1, 5: 4, 6: 2, 8: 5, 9: 1, 10: 2, 12: 12}

    def fake(_x, clusters, **_options):
        k = len(clusters.centers)
        return Recurrence(np.where(np.arange(k) < counts[k], 1.0, 0.0), 1.0)

    monkeypatch.setattr(recurrence, "measure_recurrence", fake)
    x, _ = blobs(2, per_cluster=100)
    choice = choose_num_clusters(x, tuple(counts), seed=0, min_size=1)
    assert choice.candidates == (
        3,
        4,
        5,
        6,
        8,
        9,
        10,
    )  # not before 5, as nothing had recurred; not after 6 alone
    assert choice.num_recurring.tolist() == [1, 1, 4, 2, 5, 1, 2]
    assert choice.num_clusters == 8


def test_true_clusters_recur_and_halves_of_one_do_not():
    x, truth = blobs(3, distance=10.0)
    halves = truth.copy()
    halves[::2][truth[::2] == 0] = 3  # the first blob cut in two at random
    cut = Clusters(halves, np.stack([x[halves == k].mean(axis=0) for k in range(4)]), np.zeros(len(x)))
    found = measure_recurrence(x, cut, seed=0).of_cluster
    assert found[1:3].min() > 0.8  # now and then one of these is cut instead
    assert max(found[0], found[3]) < 0.75


def test_the_same_partition_everywhere_has_an_ami_of_one():
    x, _ = blobs(4, distance=15.0)
    assert measure_recurrence(x, fit_clusters(x, 4, seed=0), seed=0).ami == pytest.approx(1.0)
    noise = np.random.default_rng(0).normal(size=(160, 8))
    assert measure_recurrence(noise, fit_clusters(noise, 4, seed=0), seed=0).ami < 0.6


def test_clusters_of_single_videos_do_not_recur_without_them():
    rng = np.random.default_rng(1)
    videos = np.repeat(np.arange(4), 40)
    x = 10 * np.eye(4, 6)[videos] + rng.normal(size=(160, 6))
    clusters = fit_clusters(x, 4, seed=0)
    by_video = measure_recurrence(x, clusters, seed=0, groups=videos)
    by_row = measure_recurrence(x, clusters, seed=0)
    assert by_row.of_cluster.min() > 0.95
    assert by_video.of_cluster.max() < 0.9  # gone where the video is left out


def test_candidates_above_half_the_rows_are_skipped():
    x, _ = blobs(3, per_cluster=4)
    assert choose_num_clusters(x, (40, 3, 6, 7, 3), seed=0).candidates == (3, 6)


def test_many_rows_are_thinned_and_still_give_the_answer():
    x, _ = blobs(5, per_cluster=100)
    assert choose_num_clusters(x, (3, 5, 8), seed=0, max_rows=100).num_clusters == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: choose_num_clusters(np.zeros((6, 1)), (5, 6), seed=0),
            "between 2 and 3 .half the 6 regions.*give more videos",
        ),
        (lambda: choose_num_clusters(np.zeros((9, 1)), (2,), seed=0, num_fits=1), "num_fits of at least 2"),
        (lambda: choose_num_clusters(np.zeros((9, 1)), (2,), seed=0, groups=["a"]), "hold 9 entries"),
    ],
)
def test_what_cannot_be_counted_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call()
