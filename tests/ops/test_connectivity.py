import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from instruction_sets import assert_instruction_sets_agree
from scipy import ndimage
from skimage.segmentation import slic
from skimage.segmentation._slic import _enforce_label_connectivity_cython
from torch.library import opcheck
from volumes import SHAPES, label_map, smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import (
    clips_to_lab,
    enforce_connectivity,
    enforce_connectivity_,
    reference,
    slic3d,
)
from ace3d_fast.ops.seeds import seed_grid


def line(*labels):
    return torch.tensor(labels, dtype=torch.int32).reshape(1, 1, 1, 1, -1)


def connected(labels, least, most, repair=True):
    out, count = enforce_connectivity(labels, [least], [most], repair=repair)
    return out.flatten().tolist(), count.item()


def by_skimage(labels, least, most):
    """What scikit-image makes of an (N, S, T, H, W) map; it marks masked voxels with ``start_label - 1``."""
    maps = labels.clamp(min=-1).long().numpy().reshape(-1, *labels.shape[2:])
    return [
        _enforce_label_connectivity_cython(np.ascontiguousarray(m), least, most, start_label=0) for m in maps
    ]


def test_a_region_in_two_parts_becomes_two_regions():
    assert connected(line(5, 5, 2, 2, 5, 5), 1, 99) == ([0, 0, 1, 1, 2, 2], 3)


def test_a_small_part_joins_the_neighbour_that_already_has_a_label():
    assert connected(line(5, 5, 2, 5, 5), 2, 99) == ([0, 0, 0, 1, 1], 2)


def test_a_small_part_without_such_a_neighbour_joins_what_it_touches():
    assert connected(line(7, 5, 5, 5), 2, 99) == ([0, 0, 0, 0], 1)
    # The 7 joins the 9, since those that the 7 touches come in this order: 9, then 5.
    labels = torch.tensor([[7, 9, 9], [5, 9, 9], [5, 5, 5]], dtype=torch.int32)[None, None, None]
    assert connected(labels, 2, 99) == ([0, 0, 0, 1, 0, 0, 1, 1, 1], 2)
    # The 8 joins the 7, which touches nothing else; the 8 touches the 5.
    assert connected(line(7, 8, 5, 5, 5), 2, 99) == ([0, 0, 0, 0, 0], 1)


def test_a_small_part_that_touches_nothing_is_a_region():
    assert connected(line(1, 1, -1, 2, -1, 3, 3), 2, 99) == ([0, 0, -1, 1, -1, 2, 2], 3)
    assert connected(line(7, 8, -1, 5, 5), 2, 99) == ([0, 0, -1, 1, 1], 2)


def test_a_group_of_small_parts_joins_as_a_whole():
    # The 0 above and the 3 meet nothing. The 1 joins the 0, the 2 the 3; then each group joins a 0.
    labels = torch.tensor([[-1, 0, -1, -1, 3], [0, 1, 0, 0, 2]], dtype=torch.int32)[None, None, None]
    assert connected(labels, 2, 99) == ([-1, 0, -1, -1, 1, 0, 0, 1, 1, 1], 2)


def test_without_repair_it_shares_the_label_of_the_next_region_wherever_that_is():
    assert connected(line(7, 5, 5, 5), 2, 99, repair=False) == ([0, 0, 0, 0], 1)
    assert connected(line(1, 1, -1, 2, -1, 3, 3), 2, 99, repair=False) == ([0, 0, -1, 1, -1, 1, 1], 2)


def test_without_repair_a_part_that_waits_for_its_label_does_not_count_as_a_neighbour():
    # The 7 meets the 8 last, which has no label of its own yet, and before it the 1.
    labels = torch.tensor([[1, 1, -1], [1, 1, -1], [8, 7, -1]], dtype=torch.int32)[None, None, None]
    labels[0, 0, 0, 1, 0] = -1  # the 8 meets nothing before it
    out, _ = enforce_connectivity(labels, [2], [99], repair=False)
    assert out[0, 0, 0].tolist() == by_skimage(labels, 2, 99)[0][0].tolist()
    assert out[0, 0, 0].tolist() == [[0, 0, -1], [-1, 0, -1], [1, 0, -1]]


def test_a_large_part_is_cut():
    assert connected(line(3, 3, 3, 3, 3), 1, 2) == ([0, 0, 1, 1, 2], 3)


def test_a_part_that_is_cut_and_small_joins_what_it_met_before_the_cut():
    assert connected(line(1, 1, 3, 3, 3), 2, 1, repair=False) == ([0, 0, 0, 0, 0], 1)
    assert connected(line(1, 1, 1, 3, 3), 3, 2, repair=False) == ([0, 0, 0, 0, 0], 1)


def test_background_stays_and_separates():
    assert connected(line(4, -1, 4, -3, -3), 1, 99) == ([0, -1, 1, -1, -1], 2)


@settings(max_examples=80)
@given(
    SHAPES,
    st.integers(1, 5),
    st.integers(-1, 0),
    st.integers(0, 12),
    st.sampled_from([1, 2, 5, 40, 10_000]),
    st.booleans(),
    st.integers(0, 3),
)
def test_the_reference_gives_the_same(shape, num_labels, low, least, most, repair, seed):
    labels = label_map((2, 1, *shape), num_labels, seed, low=low)
    out, counts = enforce_connectivity(labels, [least], [most], repair=repair)
    expected_out, expected_counts = reference.enforce_connectivity(labels, [least], [most], repair=repair)
    assert torch.equal(out, expected_out)
    assert torch.equal(counts, expected_counts)
    in_place = labels.clone()
    assert torch.equal(enforce_connectivity_(in_place, [least], [most], repair=repair), counts)
    assert torch.equal(in_place, out)


@settings(max_examples=80)
@given(
    SHAPES,
    st.integers(1, 5),
    st.integers(-2, 0),
    st.integers(1, 12),
    st.sampled_from([12, 40, 10_000]),
    st.integers(0, 3),
)
def test_without_repair_it_is_scikit_image_masks_and_all(shape, num_labels, low, least, most, seed):
    labels = label_map((2, 1, *shape), num_labels, seed, low=low)
    out, _ = enforce_connectivity(labels, [least], [most], repair=False)
    for ours, theirs in zip(out[:, 0].numpy(), by_skimage(labels, least, most), strict=True):
        assert np.array_equal(ours, theirs)


@given(SHAPES, st.integers(1, 4), st.integers(-2, 0), st.integers(0, 12), st.integers(0, 3))
def test_with_repair_every_region_is_one_piece(shape, num_labels, low, least, seed):
    labels = label_map((1, 1, *shape), num_labels, seed, low=low)
    out, counts = enforce_connectivity(labels, [least], [2**31])
    for region in range(counts.item()):
        assert ndimage.label(out[0, 0].numpy() == region)[1] == 1


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
    out, counts = enforce_connectivity(labels, [int(0.5 * size)], [int(3 * size)], repair=False)
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


@pytest.mark.parametrize("num_maps", [1, 3])
def test_threads_change_nothing(num_maps):
    labels = label_map((1, num_maps, 12, 120, 130), 4)  # enough of each for several threads
    serial = enforce_connectivity(labels, [30] * num_maps, [5000] * num_maps)
    torch.set_num_threads(3)
    try:
        parallel = enforce_connectivity(labels, [30] * num_maps, [5000] * num_maps)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(serial[0], parallel[0])
    assert torch.equal(serial[1], parallel[1])


def test_instruction_sets_change_nothing(tmp_path):
    script = (
        "from volumes import label_map\n"
        "from ace3d_fast.ops import enforce_connectivity\n"
        "maps = [label_map((1, 1, 5, 9, width), 3, low=-1) for width in (1, 63, 64, 65, 200)]\n"
        "results = [enforce_connectivity(labels, [5], [60])[0] for labels in maps]\n"
    )
    assert_instruction_sets_agree(script, tmp_path)


@pytest.mark.parametrize("width", [63, 64, 65, 127, 130, 200])
def test_rows_of_more_than_a_word(width):
    labels = label_map((1, 1, 2, 3, width), 3, low=-1)
    out, counts = enforce_connectivity(labels, [4], [50])
    expected_out, expected_counts = reference.enforce_connectivity(labels, [4], [50])
    assert torch.equal(out, expected_out)
    assert torch.equal(counts, expected_counts)


def test_opcheck():
    arguments = (label_map((1, 2, 2, 5, 6), 3), [2, 2], [9, 9], True)
    opcheck(torch.ops.ace3d.enforce_connectivity.default, arguments)
    opcheck(torch.ops.ace3d.enforce_connectivity_.default, arguments)


def test_errors_name_the_argument():
    labels = line(1, 2)
    with pytest.raises(InputError, match="enforce_connectivity: expected labels of type int32, got int64"):
        enforce_connectivity(labels.long(), [1], [9])
    with pytest.raises(InputError, match="expected min_sizes of 1 values, got 2"):
        enforce_connectivity(labels, [1, 1], [9])
    with pytest.raises(InputError, match=r"expected max_sizes a list of integers of at least 1, got \[0\]"):
        enforce_connectivity(labels, [1], [0])
    with pytest.raises(InputError, match="enforce_connectivity_: expected labels to be contiguous"):
        enforce_connectivity_(label_map((1, 1, 2, 3, 4), 2).mT, [1], [9])
