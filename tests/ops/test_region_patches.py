import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from instruction_sets import assert_instruction_sets_agree
from torch.library import opcheck
from volumes import label_map, smooth_clip

import ace3d_fast
from ace3d_fast.errors import InputError
from ace3d_fast.ops import reference, region_patches
from ace3d_fast.ops.region_patches import pixel_scale

SIDES = st.integers(1, 40)
SCALES = {"mean": (0.45, 0.4, 0.3), "std": (0.225, 0.2, 0.3)}


@st.composite
def jobs(draw):
    """Frames, labels, regions, boxes and size; some regions lie outside their box, or nowhere."""
    shape = (draw(st.integers(1, 5)), draw(SIDES), draw(SIDES))
    seed, num_maps = draw(st.integers(0, 2**31)), draw(st.integers(1, 3))
    rng = np.random.default_rng(seed)
    frames = torch.from_numpy(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
    labels = label_map((num_maps, *shape), draw(st.integers(0, 9)), seed, low=-1)
    num_frames = draw(st.integers(1, shape[0]))
    num_patches = draw(st.integers(0, 4))
    ends = [np.sort(np.argsort(rng.random((num_patches, side + 1)))[:, :2], axis=1) for side in shape[1:]]
    starts = rng.integers(0, shape[0] - num_frames + 1, (num_patches, 1))
    regions = rng.integers(0, 10, num_patches)
    return frames, labels, regions, np.hstack([starts, *ends]), (num_frames, draw(SIDES), draw(SIDES))


def test_a_region_fills_the_patch_with_its_box():
    frames = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    frames[:, 1:3, 2:4, 0] = 200
    labels = torch.zeros(1, 4, 4, dtype=torch.int32)
    labels[:, 1:3, 2:4] = 5
    patch = region_patches(frames, labels, [5], [(0, 1, 3, 2, 4)], (1, 8, 6))
    assert patch.shape == (1, 3, 1, 8, 6)
    torch.testing.assert_close(patch[0, :, 0].mean((1, 2)), torch.tensor([200 / 255, 0.0, 0.0]))


def test_what_is_not_the_region_is_grey():
    frames = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    labels = torch.tensor([[0, 1], [1, 0]], dtype=torch.int32)[None]
    patch = region_patches(frames, labels, [0], [(0, 0, 2, 0, 2)], (1, 2, 2), fill=51)
    assert patch[0, 0, 0].tolist() == pytest.approx(np.array([[1.0, 0.2], [0.2, 1.0]]))


def test_a_region_of_several_maps_is_shown_where_any_has_it():
    frames = torch.full((1, 1, 3, 3), 255, dtype=torch.uint8)
    labels = torch.tensor([[0, -1, -1], [-1, -1, 0]], dtype=torch.int32).reshape(2, 1, 1, 3)
    patch = region_patches(frames, labels, [0], [(0, 0, 1, 0, 3)], (1, 1, 3), fill=0)
    assert patch[0, 0, 0, 0].tolist() == [1.0, 0.0, 1.0]


def test_a_region_without_voxels_is_all_fill():
    frames, labels = smooth_clip((2, 9, 9))[0], torch.zeros(2, 9, 9, dtype=torch.int32)
    patch = region_patches(frames, labels, [7], [(0, 1, 8, 2, 9)], (2, 20, 3), fill=102)
    assert patch.unique().tolist() == pytest.approx([0.4])


def test_no_regions_make_an_empty_batch():
    frames, labels = smooth_clip((2, 9, 9))[0], torch.zeros(2, 9, 9, dtype=torch.int32)
    assert region_patches(frames, labels, [], [], (2, 4, 5)).shape == (0, 3, 2, 4, 5)


@given(jobs(), st.integers(0, 255))
def test_torch_gives_the_same_bytes(job, fill):
    ours = region_patches(*job, fill=fill, **SCALES)
    theirs = reference.region_patches(*job, fill=fill, **SCALES)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("side", [53, 101, 400])
def test_strong_shrinking_gives_the_same_bytes(side):
    frames = smooth_clip((1, side, side))[0]
    labels = label_map((1, side, side), 2)
    job = (frames, labels, [0, 1], [(0, 0, side, 0, side), (0, 1, side, 0, side - 1)], (1, 7, 3))
    assert torch.equal(region_patches(*job), reference.region_patches(*job))


def test_a_part_of_the_regions_gives_a_part_of_the_batch():
    frames, labels = smooth_clip((3, 20, 30))[0], label_map((2, 3, 20, 30), 6)
    boxes = [(0, i, 14 + i, 2, 30 - i) for i in range(6)]
    whole = region_patches(frames, labels, range(6), boxes, (3, 16, 16))
    assert torch.equal(whole[2:5], region_patches(frames, labels, [2, 3, 4], boxes[2:5], (3, 16, 16)))


def test_pixels_are_normalised_as_by_a_division():
    scale, shift = pixel_scale(**SCALES)
    p = torch.arange(256.0)
    for c in range(3):
        expected = (p / 255 - SCALES["mean"][c]) / SCALES["std"][c]
        torch.testing.assert_close(p * scale[c] - shift[c], expected, atol=1e-6, rtol=1e-6)


def test_threads_change_nothing():
    frames, labels = smooth_clip((5, 40, 33))[0], label_map((2, 5, 40, 33), 5)
    job = (frames, labels, range(5), [(1, 0, 40, i, 33) for i in range(5)], (4, 31, 45))
    serial = region_patches(*job)
    try:
        for num_threads in (2, 4):
            torch.set_num_threads(num_threads)
            assert torch.equal(region_patches(*job), serial)
    finally:
        torch.set_num_threads(1)


def test_instruction_sets_change_nothing(tmp_path):
    script = (
        "from volumes import label_map, smooth_clip\n"
        "from ace3d_fast.ops import region_patches\n"
        "frames, labels = smooth_clip((3, 40, 57))[0], label_map((2, 3, 40, 57), 4)\n"
        "boxes = [(0, 0, 40, 0, 57), (1, 3, 40, 9, 50), (0, 5, 6, 7, 8), (1, 0, 30, 0, 1)]\n"
        "results = [region_patches(frames, labels, range(4), boxes, (2, *size)) for size in\n"
        "           ((64, 61), (13, 9), (1, 1))]\n"
    )
    assert_instruction_sets_agree(script, tmp_path)


def test_a_view_gives_what_its_copy_gives():
    frames, labels = smooth_clip((8, 12, 14))[0][::2], label_map((2, 8, 12, 14), 3)[:, ::2]
    job = (range(3), [(0, 0, 12, 3, 14)] * 3, (4, 10, 10))
    assert torch.equal(
        region_patches(frames, labels, *job), region_patches(frames.contiguous(), labels.contiguous(), *job)
    )


def test_the_batch_lies_channels_last_in_memory():
    frames, labels = smooth_clip((2, 9, 9))[0], torch.zeros(2, 9, 9, dtype=torch.int32)
    patches = region_patches(frames, labels, [0, 0], [(0, 0, 9, 0, 9)] * 2, (2, 4, 5))
    assert patches.is_contiguous(memory_format=torch.channels_last_3d)


def test_opcheck():
    frames, labels = smooth_clip((3, 9, 8))[0], label_map((2, 3, 9, 8), 3)
    boxes = [0, 0, 9, 0, 8, 1, 2, 5, 3, 4]
    arguments = (frames, labels, [0, 2], boxes, [2, 6, 7], 117, [0.1, 0.2, 0.3], [0.0, 0.1, 0.2])
    opcheck(torch.ops.ace3d.region_patches.default, arguments)


def test_lists_arrays_and_tensors_name_the_same_patches():
    frames, labels = smooth_clip((3, 9, 8))[0], label_map((2, 3, 9, 8), 3)
    boxes = [[0, 0, 9, 0, 8], [1, 2, 5, 3, 4]]
    results = [
        region_patches(frames, labels, make([0, 2]), make(boxes), (2, 6, 7))
        for make in (list, np.array, torch.tensor, lambda x: np.array(x, dtype=np.uint8))
    ]
    assert all(torch.equal(result, results[0]) for result in results)


def test_it_is_public():
    assert ace3d_fast.region_patches is region_patches


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": torch.zeros(3, 9, 8, 3)}, "region_patches: expected frames of type uint8, got float32"),
        ({"frames": torch.zeros(9, 8, 3, dtype=torch.uint8)}, r"expected frames of shape \(T, H, W, 3\)"),
        ({"labels": torch.zeros(3, 9, 8)}, "expected labels of type int32, got float32"),
        (
            {"labels": torch.zeros(2, 9, 8, dtype=torch.int32)},
            r"expected labels of the shape \(3, 9, 8\) of the frames, got \(2, 9, 8\)",
        ),
        ({"regions": [0, 1]}, "expected boxes one for each region, got 1 for 2 regions"),
        ({"regions": [0.5]}, "expected regions integers, got float64"),
        ({"regions": [2**31]}, "expected regions integers of 32 bits, got 2147483648"),
        ({"regions": [2**70]}, "expected regions integers, got object"),
        ({"boxes": [(0, 0, 9, 0)]}, r"expected boxes of shape \(B, 5\), got shape \(1, 4\)"),
        ({"boxes": [(0, 0, 9), (0, 0)]}, r"expected boxes of shape \(B, 5\), got \[\(0, 0, 9\), \(0, 0\)\]"),
        ({"boxes": [(2, 0, 9, 0, 8)]}, r"expected box 0 to hold a pixel and lie in 2 frames .* got \[2, 0"),
        ({"boxes": [(0, 0, 10, 0, 8)]}, "expected box 0 to hold a pixel"),
        ({"boxes": [(0, 4, 4, 0, 8)]}, "expected box 0 to hold a pixel"),
        ({"boxes": [(-1, 0, 9, 0, 8)]}, "expected box 0 to hold a pixel"),
        ({"size": (2, 0, 4)}, "expected size a list of integers of at least 1"),
        ({"size": (4, 4)}, "expected size of 3 values, got 2"),
        ({"fill": 256}, r"expected fill an integer in \[0, 255\], got 256"),
        ({"std": (1.0, 0.0, 1.0)}, "expected std above 0"),
        ({"mean": (1.0, float("nan"), 1.0)}, "expected mean three finite numbers"),
    ],
)
def test_errors_name_the_argument(change, message):
    good = {
        "frames": torch.zeros(3, 9, 8, 3, dtype=torch.uint8),
        "labels": torch.zeros(3, 9, 8, dtype=torch.int32),
        "regions": [0],
        "boxes": [(0, 0, 9, 0, 8)],
        "size": (2, 4, 4),
    }
    region_patches(**good)
    with pytest.raises(InputError, match=message):
        region_patches(**{**good, **change})
