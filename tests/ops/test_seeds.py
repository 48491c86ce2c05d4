import math

from hypothesis import given
from hypothesis import strategies as st
from skimage.util import regular_grid as skimage_grid

from ace3d_fast.ops.seeds import regular_grid, seed_grid

SIDE = st.integers(1, 300)


@given(SIDE, SIDE, SIDE, st.integers(1, 5000))
def test_the_grid_is_that_of_scikit_image(t, y, x, num_points):
    starts, steps = regular_grid((t, y, x), num_points)
    for start, step, expected in zip(starts, steps, skimage_grid((t, y, x), num_points), strict=True):
        assert (start, step) == (expected.start or 0, expected.step or 1)


@given(SIDE, SIDE, SIDE, st.integers(1, 5000))
def test_every_axis_has_a_seed(t, y, x, num_points):
    counts = seed_grid((t, y, x), num_points).counts((t, y, x))
    assert min(counts) >= 1
    assert math.prod(counts) <= t * y * x


def test_a_short_clip_has_one_layer_of_seeds():
    grid = seed_grid((4, 112, 112), 50)
    assert grid.counts((4, 112, 112)) == (1, 7, 7)
    assert grid.start == (2, 7, 7)
    assert grid.step == (4, 16, 16)
