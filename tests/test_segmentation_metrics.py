import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from volumes import SHAPES, label_map

from ace3d_fast import segmentation_metrics as metrics
from ace3d_fast.errors import InputError


def volume_of(*rows):
    """One frame of labels."""
    return torch.tensor([rows], dtype=torch.int32)


# Two segments of 4 voxels. Region 0 holds one whole and a quarter of the other.
LABELS = volume_of([0, 0, 0, 0, 0, 1, 1, 1])
TRUTH = volume_of([0, 0, 0, 0, 1, 1, 1, 1])


def test_a_region_that_leaks_by_one_voxel():
    table = metrics.contingency_table(LABELS, TRUTH)
    assert table.tolist() == [[4, 1], [0, 3]]
    assert metrics.undersegmentation_error_3d(table) == ((5 - 4) / 4 + (8 - 4) / 4) / 2
    assert metrics.np_undersegmentation_error(table) == (1 + 1 + 0) / 8
    assert metrics.achievable_accuracy(table) == 7 / 8
    assert metrics.segmentation_accuracy_3d(table) == (1 + 3 / 4) / 2


def test_a_region_half_in_each_segment_counts_for_both():
    table = metrics.contingency_table(volume_of([0, 0]), volume_of([0, 1]))
    assert metrics.segmentation_accuracy_3d(table) == 1
    assert metrics.achievable_accuracy(table) == 0.5


def test_the_boundary_is_on_both_sides():
    assert metrics.find_boundary(LABELS)[0, 0].tolist() == [False] * 4 + [True, True] + [False] * 2


def test_recall_and_precision_of_a_boundary_that_is_one_voxel_off():
    scores = metrics.truth_metrics(LABELS, TRUTH)  # at voxels 4 and 5, where the true one is at 3 and 4
    assert scores["boundary_recall_0"] == scores["boundary_precision_0"] == 0.5
    assert scores["boundary_recall_1"] == scores["boundary_precision_1"] == 1


def test_recall_and_precision_are_told_apart():
    scores = metrics.truth_metrics(volume_of([0, 0, 1, 2, 2]), volume_of([0, 0, 1, 1, 1]))
    assert scores["boundary_recall_0"] == 1
    assert scores["boundary_precision_0"] == 2 / 3


def test_where_there_is_no_boundary_none_is_missed():
    none = torch.zeros(1, 1, 4, dtype=torch.bool)
    assert metrics.share_near(none, ~none) == 1
    assert metrics.share_near(~none, none) == 0


def test_explained_variation_of_two_halves():
    volume = torch.tensor([0.0, 2, 4, 6]).reshape(1, 1, 1, 4)
    between, total = 2 * 2**2 * 2, 2 * (3**2 + 1**2)  # region means 1 and 5 about 3
    assert metrics.explained_variation(volume_of([0, 0, 1, 1]), volume) == between / total
    assert metrics.explained_variation(volume_of([0, 1, 2, 3]), volume) == 1
    assert metrics.explained_variation(volume_of([0, 0, 0, 0]), volume) == 0
    assert metrics.explained_variation(volume_of([0, 0, 1, 1]), volume * 0) == 1


def test_a_cube_has_the_compactness_of_a_cube():
    assert metrics.compactness(torch.zeros(5, 5, 5, dtype=torch.int32)) == pytest.approx(math.pi / 6)
    # The larger of the two is 1 by 1 by 2: 10 faces.
    two_and_one = (2 * 36 * math.pi * 4 / 1000 + 1 * 36 * math.pi / 216) / 3
    assert metrics.compactness(volume_of([0, 0, 3])) == pytest.approx(two_and_one)


def test_the_duration_of_a_region_ends_with_its_last_frame():
    labels = torch.tensor([[0, 1], [1, 1], [0, 2]], dtype=torch.int32).reshape(3, 1, 2)
    assert metrics.mean_duration_frames(labels) == (3 + 2 + 1) / 3


def test_background_counts_nowhere():
    labels, truth = volume_of([-1, 0, 0, 2]), volume_of([0, 0, -5, 1])
    assert metrics.contingency_table(labels, truth).tolist() == [[1, 0], [0, 1]]
    assert metrics.mean_duration_frames(labels) == 1
    volume = torch.tensor([9.0, 1, 1, 3]).reshape(1, 1, 1, 4)
    assert metrics.explained_variation(labels, volume) == 1
    assert metrics.region_metrics(labels, volume)["num_regions"] == 2


def by_counting(labels, truth):
    """The formulas, set by set."""
    labels, truth = labels.flatten().tolist(), truth.flatten().tolist()
    voxels = [(s, g) for s, g in zip(labels, truth, strict=True) if s >= 0 and g >= 0]
    n = len(voxels)
    regions = {s: {i for i, v in enumerate(voxels) if v[0] == s} for s, _ in voxels}
    segments = {g: {i for i, v in enumerate(voxels) if v[1] == g} for _, g in voxels}
    pairs = list(itertools.product(segments.values(), regions.values()))
    touching = [sum(len(s) for s in regions.values() if s & g) for g in segments.values()]
    mostly = [
        sum(len(s & g) for s in regions.values() if len(s & g) >= len(s - g)) for g in segments.values()
    ]
    sizes = [len(g) for g in segments.values()]
    return {
        "undersegmentation_error_3d": np.mean([(a - b) / b for a, b in zip(touching, sizes, strict=True)]),
        "np_undersegmentation_error": sum(min(len(s & g), len(s - g)) for g, s in pairs) / n,
        "achievable_accuracy": sum(
            max(len(s & g) for g in segments.values()) for s in regions.values()
        ) / n,
        "segmentation_accuracy_3d": np.mean([a / b for a, b in zip(mostly, sizes, strict=True)]),
    }  # fmt: skip


@given(SHAPES, st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_the_table_gives_what_counting_sets_gives(shape, num_labels, num_segments, seed):
    labels = label_map(shape, num_labels, seed)
    truth = label_map(shape, num_segments, seed + 9, low=-1)
    if not (truth >= 0).any():
        return
    found, expected = metrics.truth_metrics(labels, truth), by_counting(labels, truth)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@given(SHAPES, st.integers(1, 5), st.integers(0, 2), st.integers(0, 3))
def test_boundaries_are_those_of_scipys_filters(shape, num_labels, tolerance, seed):
    labels, truth = label_map(shape, num_labels, seed), label_map(shape, num_labels, seed + 9)
    window = {"footprint": ndimage.generate_binary_structure(3, 1), "mode": "nearest"}
    masks = [
        ndimage.maximum_filter(m, **window) != ndimage.minimum_filter(m, **window)
        for m in (labels.numpy(), truth.numpy())
    ]
    boundary, other = (metrics.find_boundary(m) for m in (labels, truth))
    assert np.array_equal(boundary.numpy(), masks[0])
    near = ndimage.maximum_filter(masks[1], 2 * tolerance + 1, mode="constant")
    expected = (masks[0] & near).sum() / masks[0].sum() if masks[0].any() else 1
    assert metrics.share_near(boundary, other, tolerance) == pytest.approx(expected)


@given(SHAPES, st.integers(1, 5), st.integers(0, 3))
def test_measures_of_single_regions_are_those_of_each_region_alone(shape, num_labels, seed):
    labels = label_map(shape, num_labels, seed, low=-1)
    if not (labels >= 0).any():
        return
    volume = torch.randn(2, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    present = [labels == s for s in labels.unique().tolist() if s >= 0]
    inside = volume[:, labels >= 0]
    mean = inside.mean(dim=1)
    between = sum(float(((volume[:, m].mean(dim=1) - mean) ** 2).sum()) * int(m.sum()) for m in present)
    total = float(((inside - mean[:, None]) ** 2).sum())
    durations, shares = [], []
    for mask in (m.numpy() for m in present):
        frames = np.flatnonzero(mask.any(axis=(1, 2)))
        durations.append(frames[-1] - frames[0] + 1)
        outside = np.pad(mask, 1).astype(int)
        faces = sum(np.abs(np.diff(outside, axis=axis)).sum() for axis in range(3))
        shares.append((mask.sum(), 36 * math.pi * mask.sum() ** 2 / faces**3))
    sizes, balls = np.array(shares).T
    assert metrics.explained_variation(labels, volume) == pytest.approx(between / total if total else 1)
    assert metrics.mean_duration_frames(labels) == pytest.approx(np.mean(durations))
    assert metrics.compactness(labels) == pytest.approx((sizes * balls).sum() / sizes.sum())


def test_errors_name_the_argument():
    with pytest.raises(InputError, match="contingency_table: expected labels of type int32, got int64"):
        metrics.truth_metrics(LABELS.long(), TRUTH)
    with pytest.raises(InputError, match=r"expected truth of shape \(1, 1, 8\), as labels, got shape"):
        metrics.truth_metrics(LABELS, TRUTH[..., 1:])
    with pytest.raises(InputError, match="to share a voxel that has a region, got none"):
        metrics.truth_metrics(LABELS, TRUTH * 0 - 1)
    with pytest.raises(InputError, match=r"expected volume of size \(1, 1, 8\), as labels"):
        metrics.explained_variation(LABELS, torch.zeros(3, 1, 1, 7))
    with pytest.raises(InputError, match="expected volume free of NaN and infinities, got 1 of them"):
        metrics.explained_variation(LABELS, torch.tensor([0.0] * 7 + [math.nan]).reshape(1, 1, 1, 8))
    for measure in (metrics.compactness, metrics.mean_duration_frames):
        with pytest.raises(InputError, match="expected labels to have a region, got none"):
            measure(TRUTH * 0 - 1)
