import math
from itertools import product

import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.util import regular_grid as skimage_grid
from volumes import SHAPES, smooth_clip

from ace3d_fast.ops import clips_to_lab
from ace3d_fast.ops import seeds as seeds_module
from ace3d_fast.ops.seeds import frame_seeds_off_edges, regular_grid, seed_grid, seeds_off_edges

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


def gradient_at(volume, voxel):
    """Squared colour gradient of a (C, T, H, W) volume."""
    total = 0.0
    for axis in range(3):
        low, high = list(voxel), list(voxel)
        low[axis] = max(voxel[axis] - 1, 0)
        high[axis] = min(voxel[axis] + 1, volume.shape[1 + axis] - 1)
        distance = max(high[axis] - low[axis], 1)
        total += float((((volume[(..., *high)] - volume[(..., *low)]) / distance) ** 2).sum())
    return total


@given(SHAPES, st.integers(1, 3), st.integers(1, 40), st.integers(1, 6), st.integers(0, 3))
def test_seeds_move_to_the_least_gradient_near_them(shape, channels, num_regions, brightest, seed):
    generator = torch.Generator().manual_seed(seed)
    volume = torch.randint(0, brightest + 1, (2, channels, *shape), generator=generator).double()
    grid = seed_grid(shape, num_regions)
    found = seeds_off_edges(volume, grid.seeds(volume.shape[2:]))
    lines = [range(start, size, step) for start, size, step in zip(grid.start, shape, grid.step, strict=True)]
    assert found.shape == (2, grid.num_centers(shape), 3 + channels)
    for clip, rows in zip(volume, found, strict=True):
        for start, row in zip(product(*lines), rows, strict=True):
            near = [
                [a for a in (c - 1, c, c + 1) if 0 <= a < size] for c, size in zip(start, shape, strict=True)
            ]
            order = [start, *product(*near)]  # the seed itself first
            expected = min(order, key=lambda voxel: gradient_at(clip, voxel))
            assert row[:3].tolist() == list(expected)
            assert torch.equal(row[3:], clip[(..., *expected)])


def test_seeds_are_moved_in_parts(monkeypatch):
    volume = torch.rand(1, 2, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    whole = seeds_off_edges(volume, seed_grid((4, 9, 9), 30).seeds((4, 9, 9)))
    monkeypatch.setattr(seeds_module, "_SEEDS_AT_ONCE", 7)
    assert torch.equal(seeds_off_edges(volume, seed_grid((4, 9, 9), 30).seeds((4, 9, 9))), whole)


@given(SHAPES, st.integers(1, 60), st.integers(0, 2), st.integers(0, 1))
def test_seeds_of_frames_are_those_of_their_lab_volume(shape, num_regions, num_clips, stretch):
    frames = smooth_clip(shape, num_clips=num_clips + 1) // (1 + stretch)
    seeds = seed_grid(shape, num_regions).seeds(shape)
    expected = seeds_off_edges(clips_to_lab(frames), seeds)
    assert torch.equal(frame_seeds_off_edges(frames, seeds), expected)
