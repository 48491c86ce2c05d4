import pytest
import torch
from beside import emulated, examples, native
from hypothesis import given
from hypothesis import strategies as st

SIDES = st.integers(1, 9)
SHAPES = st.tuples(SIDES, SIDES, st.integers(1, 40))
SIGMAS = st.lists(st.sampled_from([0.0, 0.1, 0.4, 1.0, 1.7, 20.0]), min_size=3, max_size=3)


def frames_of(shape, num_clips, seed, low=0, high=255):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high + 1, (num_clips, *shape, 3), generator=generator, dtype=torch.uint8)


@examples(20)
@given(SHAPES, st.integers(0, 3), st.booleans(), st.integers(0, 255), st.integers(0, 255))
def test_lab_is_that_of_the_cpu_bit_for_bit(shape, num_clips, stretch, a, b):
    frames = frames_of(shape, num_clips, 0, min(a, b), max(a, b))
    assert torch.equal(emulated.clips_to_lab(frames, stretch), native.clips_to_lab(frames, stretch))


def test_every_colour_has_the_lab_of_the_cpu():
    step = torch.arange(0, 256, 5, dtype=torch.uint8)
    frames = torch.cartesian_prod(step, step, step).reshape(1, 1, 52, -1, 3).contiguous()
    assert torch.equal(emulated.clips_to_lab(frames, True), native.clips_to_lab(frames, True))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(0, 3), (3,), (300, 3), (5, 7, 150, 3)])
def test_lab_of_colours_in_any_order_is_that_of_the_cpu(dtype, shape):
    bytes_of = torch.randint(0, 256, shape, dtype=torch.uint8)
    rgb = bytes_of if dtype == torch.uint8 else bytes_of.to(dtype) / 200 - 0.1
    expected = native.rgb_to_lab(rgb)
    assert expected.shape == shape
    tolerance = 1e-9 if dtype == torch.float64 else 2e-4
    torch.testing.assert_close(emulated.rgb_to_lab(rgb), expected, atol=tolerance, rtol=0)


@examples(20)
@given(SHAPES, st.integers(0, 2), SIGMAS, st.sampled_from([torch.float32, torch.float64]))
def test_smoothing_is_that_of_the_cpu_bit_for_bit(shape, num_clips, sigma, dtype):
    volume = torch.randn(num_clips, 2, *shape, dtype=dtype)
    found, expected = emulated.gaussian_smooth(volume, sigma), native.gaussian_smooth(volume, sigma)
    assert torch.equal(found, expected)


@examples(20)
@given(SHAPES, st.integers(0, 2), SIGMAS, st.booleans())
def test_smoothed_lab_is_that_of_the_cpu_bit_for_bit(shape, num_clips, sigma, stretch):
    frames = frames_of(shape, num_clips, 1, 30, 200)
    found, expected = emulated.smooth_lab(frames, stretch, sigma), native.smooth_lab(frames, stretch, sigma)
    assert torch.equal(found, expected)
