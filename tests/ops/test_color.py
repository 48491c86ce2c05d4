import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab
from torch.library import opcheck
from volumes import SHAPES, smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import clips_to_lab, reference, rgb_to_lab


def test_black_white_and_red_have_their_known_lab_values():
    colors = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0]], dtype=torch.uint8)
    known = torch.tensor([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0], [53.24, 80.09, 67.20]])
    torch.testing.assert_close(rgb_to_lab(colors), known, atol=0.01, rtol=0)


def test_every_value_of_a_byte_is_that_of_scikit_image():
    grey = torch.arange(256, dtype=torch.uint8)
    colors = torch.stack([grey, grey.flip(0), grey.roll(77)], dim=-1)
    np.testing.assert_allclose(rgb_to_lab(colors).numpy(), rgb2lab(colors.numpy()), atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_are_those_of_scikit_image(dtype, generator):
    colors = torch.rand(5, 7, 3, generator=generator, dtype=dtype)
    lab = rgb_to_lab(colors)
    assert lab.dtype == dtype
    tolerance = 1e-4 if dtype == torch.float32 else 1e-12
    np.testing.assert_allclose(lab.numpy(), rgb2lab(colors.double().numpy()), atol=tolerance)


@given(SHAPES, st.integers(0, 3))
def test_clips_are_stretched_and_converted_as_the_reference_does(shape, seed):
    clips = smooth_clip(shape, seed, num_clips=2)
    torch.testing.assert_close(clips_to_lab(clips), reference.clips_to_lab(clips), atol=2e-3, rtol=0)


def test_a_clip_of_one_value_is_black():
    assert clips_to_lab(torch.full((1, 2, 3, 4, 3), 200, dtype=torch.uint8)).abs().max() < 1e-4


def test_a_view_gives_what_its_copy_gives():
    clip = smooth_clip((4, 6, 8))[0]
    view = clip.permute(2, 0, 1, 3)[::2]
    assert torch.equal(rgb_to_lab(view), rgb_to_lab(view.contiguous()))


def test_unstretched_clips_are_converted_as_they_are():
    clips = smooth_clip((3, 20, 24), num_clips=2) // 2 + 40
    lab = clips_to_lab(clips, stretch=False)
    torch.testing.assert_close(lab, rgb_to_lab(clips).movedim(-1, 1), atol=2e-3, rtol=0)
    assert (lab - clips_to_lab(clips)).abs().max() > 1


def test_opcheck():
    opcheck(torch.ops.ace3d.rgb_to_lab.default, (torch.rand(4, 3),))
    opcheck(torch.ops.ace3d.rgb_to_lab.default, (torch.zeros(4, 3, dtype=torch.uint8),))
    opcheck(torch.ops.ace3d.clips_to_lab.default, (smooth_clip((2, 3, 4)), True))


def test_errors_name_the_argument():
    with pytest.raises(
        InputError, match=r"rgb_to_lab: expected rgb a tensor of shape \(\.\.\., 3\), got shape \(5, 4\)"
    ):
        rgb_to_lab(torch.zeros(5, 4))
    with pytest.raises(InputError, match="expected rgb of type uint8 or float32 or float64, got int32"):
        rgb_to_lab(torch.zeros(5, 3, dtype=torch.int32))
    with pytest.raises(InputError, match=r"clips_to_lab: expected frames of shape \(N, T, H, W, 3\)"):
        clips_to_lab(torch.zeros(2, 4, 4, 3, dtype=torch.uint8))
