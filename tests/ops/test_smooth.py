import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch.library import opcheck
from volumes import SHAPES, smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import clips_to_lab, gaussian_smooth, reference, smooth_lab

SIGMAS = st.sampled_from([0.0, 0.2, 0.5, 1.0, 2.3])


def test_an_impulse_becomes_a_gaussian_that_sums_to_one():
    volume = torch.zeros(1, 1, 9, 9, 9, dtype=torch.float64)
    volume[0, 0, 4, 4, 4] = 1.0
    smoothed = gaussian_smooth(volume, 1.0)
    assert smoothed.sum().item() == pytest.approx(1.0)
    ratio = smoothed[0, 0, 4, 4, 5] / smoothed[0, 0, 4, 4, 4]
    assert ratio.item() == pytest.approx(np.exp(-0.5))


@given(SHAPES, SIGMAS, SIGMAS, SIGMAS, st.sampled_from([torch.float32, torch.float64]))
def test_scipy_gives_the_same(shape, st_, sy, sx, dtype):
    volume = torch.rand(2, 2, *shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    smoothed = gaussian_smooth(volume, (st_, sy, sx))
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(
        smoothed, reference.gaussian_smooth(volume, (st_, sy, sx)), atol=tolerance, rtol=0
    )


def test_no_width_changes_nothing():
    volume = torch.rand(1, 2, 3, 4, 5)
    assert torch.equal(gaussian_smooth(volume, 0.0), volume)


def test_one_width_stands_for_all_axes():
    volume = torch.rand(1, 1, 5, 6, 7)
    np.testing.assert_allclose(
        gaussian_smooth(volume, 1.5)[0, 0].numpy(), gaussian_filter(volume[0, 0].numpy(), 1.5), atol=1e-6
    )


def test_a_view_gives_what_its_copy_gives():
    view = torch.rand(1, 2, 6, 5, 8).transpose(-1, -3)[..., ::2]
    assert torch.equal(gaussian_smooth(view, 1.0), gaussian_smooth(view.contiguous(), 1.0))


def test_opcheck():
    opcheck(torch.ops.ace3d.gaussian_smooth.default, (torch.rand(1, 2, 3, 4, 5), [1.0, 0.0, 2.0]))


def test_errors_name_the_argument():
    with pytest.raises(
        InputError, match=r"gaussian_smooth: expected sigma three finite numbers .* at least 0"
    ):
        gaussian_smooth(torch.zeros(1, 1, 2, 2, 2), -1.0)
    with pytest.raises(InputError, match=r"expected volume of shape \(N, C, T, H, W\), got shape \(2, 2\)"):
        gaussian_smooth(torch.zeros(2, 2), 1.0)
    with pytest.raises(InputError, match="expected volume with at least one voxel"):
        gaussian_smooth(torch.zeros(1, 1, 0, 2, 2), 1.0)


@given(SHAPES, st.sampled_from([0.0, 0.4, 1.0, (2.5, 0.0, 1.0), (0.0, 1.0, 0.3)]), st.booleans())
def test_smooth_lab_is_lab_smoothed(shape, sigma, stretch):
    clips = smooth_clip(shape, num_clips=2)
    expected = gaussian_smooth(clips_to_lab(clips, stretch=stretch), sigma)
    assert torch.equal(smooth_lab(clips, sigma, stretch=stretch), expected)


def test_smooth_lab_is_the_same_for_any_number_of_threads():
    clip = smooth_clip((24, 50, 60))
    serial = smooth_lab(clip, 1.0)
    torch.set_num_threads(3)
    try:
        assert torch.equal(smooth_lab(clip, 1.0), serial)
    finally:
        torch.set_num_threads(1)


def test_smooth_lab_opcheck_and_errors():
    opcheck(torch.ops.ace3d.smooth_lab.default, (smooth_clip((2, 5, 4)), True, [1.0, 0.0, 1.0]))
    with pytest.raises(InputError, match="smooth_lab: expected frames of type uint8, got float32"):
        smooth_lab(torch.zeros(1, 2, 4, 4, 3), 1.0)


def test_a_sigma_wider_than_any_video_is_refused():
    with pytest.raises(InputError, match="gaussian_smooth: expected sigma of at most 1000 voxels, got 1e"):
        gaussian_smooth(torch.zeros(1, 1, 1, 2, 2), 1e308)
