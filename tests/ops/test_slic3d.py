import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from instruction_sets import assert_instruction_sets_agree
from skimage.segmentation import slic
from torch.library import opcheck
from volumes import SHAPES, smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import clips_to_lab, reference, slic3d, slic3d_frames, slic3d_from
from ace3d_fast.ops.seeds import seed_grid


def unit_volume(shape, channels=3, seed=0):
    """(1, C, T, H, W) float64 from 0 to 1, both reached: what scikit-image leaves as it is."""
    volume = np.random.default_rng(seed).random((1, channels, *shape))
    flat = volume.reshape(-1)
    flat[0], flat[-1] = 0.0, 1.0
    return torch.from_numpy(volume)


def skimage_core(volume, count, compactness, spacing=None):
    image = np.moveaxis(volume[0].numpy(), 0, -1)
    return slic(
        image,
        count,
        compactness,
        spacing=spacing,
        convert2lab=False,
        enforce_connectivity=False,
        start_label=0,
        channel_axis=-1,
    )


def test_two_halves_of_different_colour_are_two_regions():
    volume = torch.zeros(1, 1, 2, 8, 16)
    volume[..., 6:] = 100.0
    labels = slic3d(volume, [2], compactness=1.0)[0, 0]
    assert (labels[..., :6] == 0).all()
    assert (labels[..., 6:] == 1).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(16, 40, 50), (1, 31, 37), (5, 1, 64), (7, 13, 11)])
def test_float64_is_scikit_image_bit_for_bit(shape, channels):
    volume = unit_volume(shape, channels)
    for count, compactness in ((1, 1.0), (15, 0.1), (80, 10.0), (3000, 0.3)):
        labels = slic3d(volume, [count], compactness=compactness)[0, 0].numpy()
        assert np.array_equal(labels, skimage_core(volume, count, compactness))


def test_spacing_is_that_of_scikit_image():
    volume = unit_volume((9, 30, 40))
    labels = slic3d(volume, [40], compactness=0.2, spacing=(2.0, 1.0, 0.5))[0, 0].numpy()
    assert np.array_equal(labels, skimage_core(volume, 40, 0.2, spacing=(2.0, 1.0, 0.5)))


@given(SHAPES, st.integers(1, 4), st.integers(1, 60), st.sampled_from([0.05, 1.0, 20.0]), st.integers(1, 4))
def test_float64_is_the_reference_bit_for_bit(shape, channels, count, compactness, num_iterations):
    volume = unit_volume(shape, channels)
    options = {"compactness": compactness, "num_iterations": num_iterations}
    assert torch.equal(slic3d(volume, [count], **options), reference.slic3d(volume, [count], **options))


@given(
    SHAPES, st.integers(1, 4), st.integers(1, 2000), st.sampled_from([0.05, 1.0, 20.0]), st.integers(1, 12)
)
def test_float32_differs_from_float64_at_ties_only(shape, channels, count, compactness, num_iterations):
    volume = unit_volume(shape, channels).float()
    options = {"compactness": compactness, "num_iterations": num_iterations}
    fast, exact = slic3d(volume, [count], **options), slic3d(volume.double(), [count], **options)
    assert fast.min() >= 0
    assert fast.max() < seed_grid(shape, count).num_centers(shape)
    # A centre that ties may take another voxel and, from there, a few more.
    assert (fast != exact).double().mean() <= max(0.02, 3 / volume[0, 0].numel())


@pytest.mark.parametrize("count", [15, 80, 500])
def test_float32_labels_of_frames_are_scikit_images(count):
    lab = clips_to_lab(smooth_clip((16, 112, 112)))
    low, high = lab.min(), lab.max()
    scaled = (lab - low) / (high - low)
    labels = slic3d(scaled, [count], compactness=0.1)[0, 0].numpy()
    assert (labels == skimage_core(scaled.double(), count, 0.1)).mean() >= 0.999


def test_every_resolution_and_clip_is_as_if_alone():
    clips = clips_to_lab(smooth_clip((5, 33, 29), num_clips=3))
    together = slic3d(clips, [4, 30, 90], compactness=10.0)
    for n in range(3):
        for s, count in enumerate([4, 30, 90]):
            assert torch.equal(together[n, s], slic3d(clips[n : n + 1], [count], compactness=10.0)[0, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_threads_change_nothing(dtype):
    lab = clips_to_lab(smooth_clip((8, 64, 80))).to(dtype)
    serial = slic3d(lab, [60], compactness=10.0)
    torch.set_num_threads(3)
    try:
        assert torch.equal(slic3d(lab, [60], compactness=10.0), serial)
    finally:
        torch.set_num_threads(1)


@settings(max_examples=10)
@given(SHAPES, st.integers(1, 400))
def test_a_constant_volume_is_a_voronoi_diagram_of_the_seeds(shape, count):
    labels = slic3d(torch.zeros(1, 1, *shape), [count], compactness=1.0, num_iterations=1)[0, 0]
    exact = slic3d(torch.zeros(1, 1, *shape, dtype=torch.float64), [count], compactness=1.0, num_iterations=1)
    assert torch.equal(labels, exact[0, 0])


@settings(max_examples=30)
@given(SHAPES, st.integers(1, 6), st.integers(1, 3000), st.sampled_from([0.01, 1.0, 50.0]))
def test_exact_float32_is_the_reference_bit_for_bit(shape, channels, count, compactness):
    volume = unit_volume(shape, channels).float()
    labels = slic3d(volume, [count], compactness=compactness, num_iterations=3, exact=True)
    assert torch.equal(labels, reference.slic3d(volume, [count], compactness=compactness, num_iterations=3))


@pytest.mark.parametrize("channels", [8, 33, 64])
def test_features_of_many_channels(channels):
    volume = unit_volume((6, 24, 28), channels)
    exact = slic3d(volume, [12, 200], compactness=2.0)[0]
    for labels, count in zip(exact.numpy(), (12, 200), strict=True):
        assert np.array_equal(labels, skimage_core(volume, count, 2.0))
    assert (slic3d(volume.float(), [12, 200], compactness=2.0)[0] == exact).double().mean() > 0.98


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_read_as_float32(dtype):
    volume = unit_volume((5, 20, 22)).to(dtype)
    assert torch.equal(slic3d(volume, [20], compactness=1.0), slic3d(volume.float(), [20], compactness=1.0))


@given(SHAPES, st.integers(1, 300))
def test_frames_are_cut_as_their_lab_volume(shape, count):
    frames = smooth_clip(shape)
    volume = slic3d(clips_to_lab(frames), [count], compactness=10.0)
    # The unit of the sums follows from the range of Lab in one, from the clip's own in the other.
    different = (slic3d_frames(frames, [count], compactness=10.0) != volume).double().mean()
    assert different <= max(0.02, 3 / volume.numel())


def test_frames_are_cut_from_given_centres_as_their_lab_volume():
    frames = smooth_clip((6, 40, 50), num_clips=2)
    corner = torch.tensor([6.0, 40.0, 50.0, 60.0, 30.0, 30.0], dtype=torch.float64)
    starts = torch.rand(2, 40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * corner
    centers = [starts, starts[:, :15]]
    volume = slic3d(clips_to_lab(frames), [40, 15], compactness=10.0, centers=centers)
    found = slic3d_frames(frames, [40, 15], compactness=10.0, centers=centers)
    assert (found != volume).double().mean() <= 0.002
    assert (found != slic3d_frames(frames, [40, 15], compactness=10.0)).double().mean() > 0.2


@pytest.mark.parametrize("exact", [False, True])
def test_a_mask_is_left_out_and_changes_what_is_in(exact):
    volume = unit_volume((7, 30, 34)).float()
    mask = torch.zeros(1, 7, 30, 34, dtype=torch.bool)
    mask[:, 1:6, 3:29, 5:30] = True
    mask[:, :, 10:14, 8:20] = False
    labels = slic3d(volume, [25], compactness=0.5, mask=mask, exact=exact)[0, 0]
    assert torch.equal(labels < 0, ~mask[0])
    assert 15 < labels.unique().numel() <= 26
    recolored = torch.where(mask[:, None], volume, torch.rand_like(volume) * 100)
    assert torch.equal(slic3d(recolored, [25], compactness=0.5, mask=mask, exact=exact)[0, 0], labels)


def test_a_mask_without_voxels_has_no_labels():
    mask = torch.zeros(1, 2, 5, 5, dtype=torch.bool)
    assert (slic3d(torch.rand(1, 3, 2, 5, 5), [4, 7], compactness=1.0, mask=mask) == -1).all()


def test_a_warm_start_goes_on_where_the_centres_are():
    lab = clips_to_lab(smooth_clip((6, 40, 44)))
    grid = seed_grid((6, 40, 44), 30)
    axes = [torch.arange(a, n, s) for a, n, s in zip(grid.start, (6, 40, 44), grid.step, strict=True)]
    seeds = torch.cartesian_prod(*axes).double()
    centers = torch.cat([seeds, torch.zeros(len(seeds), 3)], dim=1)[None]
    at_once, (moved,) = slic3d_from(lab, [centers], [30], compactness=10.0, num_iterations=8)
    assert torch.equal(at_once, slic3d(lab, [30], compactness=10.0, num_iterations=8))
    _, half_way = slic3d_from(lab, [centers], [30], compactness=10.0, num_iterations=3)
    labels, (end,) = slic3d_from(lab, half_way, [30], compactness=10.0, num_iterations=5)
    assert (labels == at_once).double().mean() > 0.999
    assert (end - moved).abs().nanmean() < 0.01
    labels = labels[:, 0]
    for k in (0, 11):
        inside = (labels[0] == k).nonzero().double().mean(dim=0)
        assert torch.allclose(end[0, k, :3], inside)
        assert torch.allclose(end[0, k, 3:], lab[0, :, labels[0] == k].double().mean(dim=1), atol=1e-3)


@pytest.mark.parametrize("exact", [False, True])
def test_voxels_that_no_centre_reaches_have_no_label(exact):
    volume = unit_volume((2, 8, 60)).float()
    centers = [torch.tensor([[[0.0, 3.0, 4.0, 0.1, 0.1, 0.1]]])]
    labels = slic3d(volume, [15], compactness=1.0, centers=centers, exact=exact)[0, 0]
    reach = 2 * seed_grid((2, 8, 60), 15).window[2]
    assert (labels[..., : reach - 4] == 0).all()
    assert (labels[..., 4 + 2 * reach :] == -1).all()


@pytest.mark.parametrize("seed", range(100, 140))
def test_a_voxel_that_its_centre_leaves_behind_keeps_its_label(seed):
    # Few centres at random places on a line: some move so far that what was theirs is out of reach of all.
    draws = torch.Generator().manual_seed(seed)
    volume = torch.randint(0, 3, (1, 1, 1, 1, 90), generator=draws) * 7.0
    centers = torch.zeros(1, 4, 4)
    centers[0, :, 2] = torch.rand(4, generator=draws) * 90
    centers[0, :, 3] = torch.randint(0, 3, (4,), generator=draws) * 7
    for num_iterations in (2, 3, 6):
        options = {"compactness": 1.0, "num_iterations": num_iterations, "centers": [centers]}
        assert torch.equal(slic3d(volume, [12], **options), slic3d(volume, [12], exact=True, **options))


def test_ties_go_to_the_first_centre():
    volume = torch.zeros(1, 1, 1, 1, 120)
    volume[..., :10], volume[..., -10:] = 100.0, 50.0  # the middle of what is left ties between two centres
    options = {"compactness": 0.1, "num_iterations": 3}
    assert torch.equal(slic3d(volume, [4], **options), slic3d(volume.double(), [4], **options))


def test_it_ends_when_no_label_changes():
    volume = torch.zeros(1, 1, 4, 20, 20)
    volume[..., 10:] = 9.0
    few = slic3d(volume, [8], compactness=1.0, num_iterations=12)
    assert torch.equal(few, slic3d(volume, [8], compactness=1.0, num_iterations=100_000))


def test_a_view_gives_what_its_copy_gives():
    view = torch.rand(1, 12, 10, 8, 3).permute(0, 4, 1, 2, 3)[..., ::2]
    assert torch.equal(slic3d(view, [9], compactness=1.0), slic3d(view.contiguous(), [9], compactness=1.0))


def test_opcheck():
    for dtype in (torch.float32, torch.float64):
        volume = torch.rand(1, 3, 4, 9, 8, dtype=dtype)
        maps = ([2, 2, 2, 4, 4, 4, 4, 4, 4], [4], [4.0], 1.0, 3, [1.0, 1.0, 1.0])
        mask = torch.ones(1, 4, 9, 8, dtype=torch.uint8)
        quarters = [[2, y, x, 0, 0, 0] for y in (2, 6) for x in (2, 6)]  # none is left empty
        centers = torch.tensor([quarters], dtype=torch.float64)
        opcheck(torch.ops.ace3d.slic3d.default, (volume, mask, centers, *maps, False, False, True, True))
    frames = torch.zeros(1, 4, 9, 8, 3, dtype=torch.uint8)
    for starts in (None, centers):
        opcheck(torch.ops.ace3d.slic3d_frames.default, (frames, starts, *maps))


def test_errors_name_the_argument():
    volume = torch.zeros(1, 3, 2, 4, 4)
    with pytest.raises(InputError, match="slic3d: expected volume free of NaN and infinities, got 1 of them"):
        slic3d(torch.full((1, 1, 1, 1, 1), float("nan")), [1], compactness=1.0)
    with pytest.raises(InputError, match=r"expected num_regions a list of integers of at least 1, got \[0\]"):
        slic3d(volume, [0], compactness=1.0)
    with pytest.raises(InputError, match="expected compactness a finite number above 0, got -1"):
        slic3d(volume, [4], compactness=-1)
    with pytest.raises(InputError, match=r"expected spacing three finite numbers \(T, H, W\) above 0"):
        slic3d(volume, [4], compactness=1.0, spacing=(0.0, 1.0, 1.0))
    with pytest.raises(
        InputError, match="expected volume of type float32 or float64 or float16 or bfloat16, got uint8"
    ):
        slic3d(volume.to(torch.uint8), [4], compactness=1.0)
    with pytest.raises(InputError, match="expected volume with 1 to 64 channels, got shape"):
        slic3d(torch.zeros(1, 65, 1, 4, 4), [4], compactness=1.0)
    with pytest.raises(InputError, match="expected mask of the volume's shape"):
        slic3d(volume, [4], compactness=1.0, mask=torch.ones(1, 1, 4, 4, dtype=torch.bool))
    with pytest.raises(InputError, match="expected centers of shape"):
        slic3d_from(volume, [torch.zeros(1, 4, 5)], [4], compactness=1.0)
    with pytest.raises(InputError, match="below 1e\\+12"):
        slic3d(volume + 1e9, [4], compactness=1e-6)
    with pytest.raises(InputError, match="with fewer than 2\\*\\*31 voxels"):
        slic3d(torch.zeros(1, 1, 1, 1, 1).expand(1, 1, 2**11, 2**10, 2**10), [4], compactness=1.0)


def test_instruction_sets_change_nothing(tmp_path):
    script = (
        "from volumes import smooth_clip\n"
        "from ace3d_fast.ops import clips_to_lab, gaussian_smooth, region_pool, slic3d, slic3d_frames\n"
        "clips = smooth_clip((6, 45, 50), num_clips=2)\n"
        "lab = gaussian_smooth(clips_to_lab(clips), 1.0)\n"
        "labels = slic3d(lab, [7, 60, 300], compactness=10.0)\n"
        "exact = slic3d(lab, [60], compactness=10.0, exact=True)\n"
        "frames = slic3d_frames(clips, [60], compactness=10.0)\n"
        "features = slic3d(torch.cat([lab, lab], 1), [60], compactness=10.0)\n"
        "means = region_pool(lab, labels[:, 1], 60)\n"
        "results = [lab, labels, exact, frames, features, means]\n"
    )
    assert_instruction_sets_agree(script, tmp_path)


def test_no_clips_give_no_labels():
    assert slic3d(torch.zeros(0, 3, 2, 4, 4), [4, 9], compactness=1.0).shape == (0, 2, 2, 4, 4)
    frames = torch.zeros(0, 2, 4, 4, 3, dtype=torch.uint8)
    assert slic3d_frames(frames, [4], compactness=1.0).shape == (0, 1, 2, 4, 4)


def test_options_that_float32_cannot_hold_are_refused():
    volume, frames = torch.ones(1, 3, 1, 4, 4), torch.ones(1, 1, 4, 4, 3, dtype=torch.uint8)
    with pytest.raises(InputError, match="expected compactness between 1e-12 and 1e"):
        slic3d(volume, [4], compactness=5e-324)
    with pytest.raises(InputError, match="slic3d_frames: expected volume / compactness below 1e"):
        slic3d_frames(frames, [4], compactness=1e-11)
    with pytest.raises(InputError, match=r"slic3d_frames: expected centers of shape \(1, K, 6\)"):
        slic3d_frames(frames, [4], compactness=1.0, centers=[torch.zeros(1, 4, 5)])
    with pytest.raises(InputError, match="expected spacing of at most 1e"):
        slic3d(volume, [4], compactness=1.0, spacing=1e20)
    with pytest.raises(InputError, match="expected centers / compactness below 1e"):
        slic3d_from(volume, [torch.full((1, 2, 6), 1e15)], [4], compactness=1.0)


def test_it_compiles_without_a_warning(recwarn):
    volume = smooth_clip((4, 9, 9)).movedim(-1, 1).float()
    compiled = torch.compile(lambda x: slic3d(x, [4, 9], compactness=20.0), backend="eager")
    assert torch.equal(compiled(volume), slic3d(volume, [4, 9], compactness=20.0))
    assert not [warning for warning in recwarn if "cache" in str(warning.message)]
