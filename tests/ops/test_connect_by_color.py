import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.library import opcheck
from volumes import SHAPES, label_map, smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import clips_to_lab, connect_by_color, reference, slic3d


def connected(labels, colors, least):
    """One row of labels and grey values."""
    out, count = connect_by_color(
        torch.tensor(labels, dtype=torch.int32).reshape(1, 1, 1, 1, -1),
        torch.tensor(colors, dtype=torch.uint8).reshape(1, 1, 1, -1, 1),
        [least],
    )
    return out.flatten().tolist(), count.item()


def test_a_small_part_joins_the_neighbour_most_like_it():
    assert connected([5, 5, 2, 7, 7], [0, 0, 60, 100, 100], 2) == ([0, 0, 1, 1, 1], 2)
    assert connected([5, 5, 2, 7, 7], [0, 0, 40, 100, 100], 2) == ([0, 0, 0, 1, 1], 2)


def test_among_equals_it_is_the_first_in_scan_order():
    assert connected([5, 5, 2, 7, 7], [0, 0, 50, 100, 100], 2) == ([0, 0, 0, 1, 1], 2)


def test_colours_are_compared_as_means_of_whole_components():
    # Beside the small part both are 10; their means are 15 and 55.
    assert connected([5, 5, 2, 7, 7], [20, 10, 10, 10, 100], 2) == ([0, 0, 0, 1, 1], 2)


def test_one_that_touches_no_region_waits_for_the_next_round():
    # First the 2 joins the 5 and the 4 the 6; then the 3 joins the region of the 4, which is more like it.
    assert connected([5, 5, 5, 2, 3, 4, 6, 6, 6], [0, 0, 0, 40, 55, 60, 99, 99, 99], 3) == (
        [0, 0, 0, 0, 1, 1, 1, 1, 1],
        2,
    )


def test_labels_are_in_scan_order_of_regions():
    # The small part comes first, and belongs to what starts after it.
    assert connected([1, 2, 2, 2, 3, 3], [0, 9, 9, 9, 50, 50], 2) == ([0, 0, 0, 0, 1, 1], 2)


def test_what_background_cuts_off_is_a_region():
    assert connected([1, 1, -1, 2, 3, -2, 4, 4], [0] * 8, 2) == ([0, 0, -1, 1, 1, -1, 2, 2], 3)


def test_where_all_is_small_one_region_is_left():
    assert connected([0, 1, 2, 0], [0, 9, 7, 3], 5) == ([0, 0, 0, 0], 1)


@settings(max_examples=80)
@given(
    SHAPES,
    st.integers(1, 5),
    st.integers(-1, 0),
    st.sampled_from([0, 1, 2, 5, 12, 10_000]),
    st.sampled_from([1, 2, 3, 7]),
    st.integers(1, 255),
    st.integers(0, 3),
)
def test_the_reference_gives_the_same(shape, num_labels, low, least, channels, brightest, seed):
    labels = label_map((2, 2, *shape), num_labels, seed, low=low)
    rng = np.random.default_rng(seed)
    colors = torch.from_numpy(rng.integers(0, brightest + 1, (2, *shape, channels), dtype=np.uint8))
    out, counts = connect_by_color(labels, colors, [least, 1])
    expected_out, expected_counts = reference.connect_by_color(labels, colors, [least, 1])
    assert torch.equal(out, expected_out)
    assert torch.equal(counts, expected_counts)


@given(SHAPES, st.integers(1, 4), st.integers(-1, 0), st.integers(0, 12), st.integers(0, 3))
def test_every_region_is_one_piece_and_large_unless_cut_off(shape, num_labels, low, least, seed):
    labels = label_map((1, 1, *shape), num_labels, seed, low=low)
    colors = torch.zeros(1, *shape, 3, dtype=torch.uint8)
    out, counts = connect_by_color(labels, colors, [least])
    regions = out[0, 0].numpy()
    for region in range(counts.item()):
        assert ndimage.label(regions == region)[1] == 1
    if low == 0 and counts.item() > 1:
        assert np.bincount(regions.ravel()).min() >= least


def test_threads_change_nothing():
    clip = smooth_clip((12, 120, 130))
    labels = slic3d(clips_to_lab(clip), [80], compactness=5.0)
    serial = connect_by_color(labels, clip, [500])
    torch.set_num_threads(3)
    try:
        parallel = connect_by_color(labels, clip, [500])
    finally:
        torch.set_num_threads(1)
    assert torch.equal(serial[0], parallel[0])
    assert torch.equal(serial[1], parallel[1])


def test_opcheck():
    colors = torch.zeros(1, 2, 5, 6, 3, dtype=torch.uint8)
    opcheck(torch.ops.ace3d.connect_by_color.default, (label_map((1, 2, 2, 5, 6), 3), colors, [2, 2]))


def test_errors_name_the_argument():
    labels, colors = label_map((1, 1, 2, 3, 4), 2), torch.zeros(1, 2, 3, 4, 3, dtype=torch.uint8)
    with pytest.raises(InputError, match="connect_by_color: expected colors of type uint8, got float32"):
        connect_by_color(labels, colors.float(), [1])
    with pytest.raises(InputError, match="expected colors of the same clips as labels, got labels"):
        connect_by_color(labels, colors[:, :1], [1])
    with pytest.raises(InputError, match="expected min_sizes of 1 values, got 2"):
        connect_by_color(labels, colors, [1, 1])
