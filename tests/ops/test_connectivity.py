import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import slic
from torch.library import opcheck
from volumes import SHAPES, label_map, smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import clips_to_lab, enforce_connectivity, reference, slic3d
from ace3d_fast.ops.seeds import seed_grid


def line(*labels):
    return torch.tensor(labels, dtype=torch.int32).reshape(1, 1, 1, 1, -1)


def connected(labels, least, most):
    out, count = enforce_connectivity(labels, [least], [most])
    return out.flatten().tolist(), count.item()


def test_a_region_in_two_parts_becomes_two_regions():
    assert connected(line(5, 5, 2, 2, 5, 5), 1, 99) == ([0, 0, 1, 1, 2, 2], 3)


def test_a_small_part_joins_the_neighbour_that_already_has_a_label():
    assert connected(line(5, 5, 2, 5, 5), 2, 99) == ([0, 0, 0, 1, 1], 2)


def test_a_small_part_without_such_a_neighbour_is_region_zero():
    assert connected(line(7, 5, 5, 5), 2, 99) == ([0, 0, 0, 0], 1)


def test_a_large_part_is_cut():
    assert connected(line(3, 3, 3, 3, 3), 1, 2) == ([0, 0, 1, 1, 2], 3)


def test_a_part_that_is_cut_and_small_joins_what_it_met_before_the_cut():
    assert connected(line(1, 1, 3, 3, 3), 2, 1) == ([0, 0, 0, 0, 0], 0)
    assert connected(line(1, 1, 1, 3, 3), 3, 2) == ([0, 0, 0, 0, 0], 0)


def test_background_stays_and_separates():
    assert connected(line(4, -1, 4, -3, -3), 1, 99) == ([0, -1, 1, -1, -1], 2)


@settings(max_examples=80)
@given(
    SHAPES,
    st.integers(1, 5),
    st.integers(-1, 0),
    st.integers(0, 12),
    st.sampled_from([1, 2, 5, 40, 10_000]),
    st.integers(0, 3),
)
def test_the_reference_gives_the_same(shape, num_labels, low, least, most, seed):
    labels = label_map((2, 1, *shape), num_labels, seed, low=low)
    out, counts = enforce_connectivity(labels, [least], [most])
    expected_out, expected_counts = reference.enforce_connectivity(labels, [least], [most])
    assert torch.equal(out, expected_out)
    assert torch.equal(counts, expected_counts)


@given(SHAPES, st.integers(1, 4), st.integers(0, 3))
def test_without_a_least_size_regions_are_the_components(shape, num_labels, seed):
    labels = label_map((1, 1, *shape), num_labels, seed)
    out, counts = enforce_connectivity(labels, [0], [2**31])
    found = sum(ndimage.label(labels[0, 0].numpy() == label)[1] for label in range(num_labels))
    assert counts.item() == found
    assert out.max().item() == found - 1


@pytest.mark.parametrize(("count", "compactness"), [(15, 20.0), (80, 10.0), (400, 3.0), (2000, 20.0)])
def test_the_merge_is_that_of_scikit_image(count, compactness):
    volume = clips_to_lab(smooth_clip((12, 60, 70))).double()
    volume = (volume - volume.min()) / (volume.max() - volume.min())
    labels = slic3d(volume, [count], compactness=compactness / 100)
    size = labels.numel() / seed_grid(labels.shape[2:], count).num_centers(labels.shape[2:])
    out, counts = enforce_connectivity(labels, [int(0.5 * size)], [int(3 * size)])
    expected = slic(
        np.moveaxis(volume[0].numpy(), 0, -1),
        count,
        compactness / 100,
        convert2lab=False,
        start_label=0,
        channel_axis=-1,
    )
    assert np.array_equal(out[0, 0].numpy(), expected)
    assert counts.item() == expected.max() + 1


def test_maps_have_their_own_sizes():
    labels = line(1, 1, 2, 1, 1).expand(1, 2, 1, 1, 5)
    out, counts = enforce_connectivity(labels, [1, 2], [99, 99])
    assert out.reshape(2, 5).tolist() == [[0, 0, 1, 2, 2], [0, 0, 0, 1, 1]]
    assert counts.tolist() == [[3, 2]]


def test_threads_change_nothing():
    labels = label_map((2, 3, 8, 32, 32), 4)
    serial = enforce_connectivity(labels, [3] * 3, [500] * 3)
    torch.set_num_threads(3)
    try:
        parallel = enforce_connectivity(labels, [3] * 3, [500] * 3)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(serial[0], parallel[0])
    assert torch.equal(serial[1], parallel[1])


def test_opcheck():
    opcheck(torch.ops.ace3d.enforce_connectivity.default, (label_map((1, 2, 2, 5, 6), 3), [2, 2], [9, 9]))


def test_errors_name_the_argument():
    labels = line(1, 2)
    with pytest.raises(InputError, match="enforce_connectivity: expected labels of type int32, got int64"):
        enforce_connectivity(labels.long(), [1], [9])
    with pytest.raises(InputError, match="expected min_sizes of 1 values, got 2"):
        enforce_connectivity(labels, [1, 1], [9])
    with pytest.raises(InputError, match=r"expected max_sizes a list of integers of at least 1, got \[0\]"):
        enforce_connectivity(labels, [1], [0])
