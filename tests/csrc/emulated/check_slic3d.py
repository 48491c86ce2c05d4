import torch
from beside import emulated, examples, native
from hypothesis import given
from hypothesis import strategies as st

from ace3d_fast.ops.seeds import seed_grid

SIDES = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 13, 17, 23])
SHAPES = st.tuples(st.sampled_from([1, 2, 4, 5, 9]), SIDES, SIDES)


def maps_of(shape, counts):
    """Grids, numbers of centres and spacings, as the ops take them."""
    grids = [seed_grid(shape, count) for count in counts]
    return (
        [number for grid in grids for number in (*grid.start, *grid.step, *grid.window)],
        [grid.num_centers(shape) for grid in grids],
        [float(max(grid.step)) for grid in grids],
    )


def both(
    volume, mask, centers, maps, compactness, iterations, spacing=(1.0, 1.0, 1.0), *, settle=False, give=False
):
    """Labels and centres of the GPU's kernels and of the CPU's."""
    arguments = (
        volume,
        mask,
        centers,
        *maps,
        compactness,
        iterations,
        list(spacing),
        False,
        False,
        settle,
        give,
    )
    return emulated.slic3d(*arguments), native.slic3d(*arguments)


def same(results):
    (labels, moved), (expected, expected_moved) = results
    return torch.equal(labels, expected) and torch.equal(
        moved.nan_to_num(-7.0), expected_moved.nan_to_num(-7.0)
    )


def clip_of(shape, num_clips=1, channels=3, seed=0, smooth=True):
    generator = torch.Generator().manual_seed(seed)
    if not smooth:
        return torch.randn(num_clips, channels, *shape, generator=generator) * 30
    coarse = torch.randn(num_clips, channels, 3, 3, 3, generator=generator) * 40
    fine = torch.nn.functional.interpolate(coarse, size=shape, mode="trilinear")
    return fine + torch.randn(fine.shape, generator=generator)


@examples(25)
@given(
    SHAPES,
    st.sampled_from([1, 2, 3, 4, 6]),
    st.lists(st.sampled_from([1, 4, 15, 60, 300]), min_size=1, max_size=3),
    st.sampled_from([0.5, 10.0, 200.0]),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_labels_and_centres_are_those_of_the_cpu(
    shape, channels, counts, compactness, iterations, smooth, give
):
    volume = clip_of(shape, 2, channels, seed=sum(shape), smooth=smooth)
    assert same(both(volume, None, None, maps_of(shape, counts), compactness, iterations, give=give))


@examples(8)
@given(
    st.sampled_from([(4, 24, 24), (2, 20, 33), (1, 30, 18)]),
    st.sampled_from([0.3, 1.0, 7.0]),
    st.integers(1, 3),
)
def test_ties_and_spacings_are_those_of_the_cpu(shape, spacing, iterations):
    volume = torch.full((1, 3, *shape), 25.0)  # centres tie in whole planes, but for rounding
    volume[..., shape[2] // 2 :] = 3.0
    maps = maps_of(shape, [4, 9, 16, 36])
    assert same(both(volume, None, None, maps, 5.0, iterations, (spacing, spacing, 1.0)))


@examples(20)
@given(SHAPES, st.integers(1, 30), st.integers(0, 10**6), st.booleans(), st.integers(1, 3))
def test_given_centres_masks_and_settling_are_those_of_the_cpu(shape, num_centers, seed, settle, iterations):
    generator = torch.Generator().manual_seed(seed)
    volume = clip_of(shape, 2, 3, seed)
    mask = (torch.rand(2, *shape, generator=generator) < 0.7).to(torch.uint8)
    sizes = torch.tensor([*shape, 30.0, 30.0, 30.0])
    centers = torch.rand(2, num_centers, 6, generator=generator, dtype=torch.float64) * sizes
    centers[:, ::5, 0] = torch.nan  # dead ones
    grids, _, apart = maps_of(shape, [200])  # small windows: some voxels are reached by none
    maps = (grids, [num_centers], apart)
    assert same(both(volume, mask, centers, maps, 10.0, iterations, settle=settle, give=True))
    assert same(both(volume, None, centers, maps, 10.0, iterations, settle=settle))


def test_a_box_of_more_centres_than_are_listed():
    shape = (9, 17, 17)
    volume = torch.zeros(1, 1, *shape)
    assert same(both(volume, None, None, maps_of(shape, [1500]), 10.0, 2, give=True))


def test_more_maps_than_one_launch_takes():
    shape = (4, 9, 9)
    assert same(both(clip_of(shape, 2), None, None, maps_of(shape, range(1, 11)), 10.0, 2, give=True))


def test_many_iterations_end_where_labels_do():
    shape = (4, 13, 13)
    assert same(both(clip_of(shape), None, None, maps_of(shape, [6, 30]), 10.0, 40, give=True))


@examples(10)
@given(SHAPES, st.integers(0, 2), st.sampled_from([3.0, 20.0]), st.integers(1, 3))
def test_frames_have_the_labels_of_the_cpu(shape, num_clips, compactness, iterations):
    volume = clip_of(shape, num_clips, seed=3) + 120
    frames = volume.clamp(0, 255).to(torch.uint8).movedim(1, 4).contiguous()
    arguments = (None, *maps_of(shape, [5, 40]), compactness, iterations, [2.0, 1.0, 1.0])
    assert torch.equal(emulated.slic3d_frames(frames, *arguments), native.slic3d_frames(frames, *arguments))
    grids, _, apart = maps_of(shape, [200])
    maps = (grids, [7], apart)
    sizes = torch.tensor([*shape, 30.0, 30.0, 30.0], dtype=torch.float64)
    centers = torch.rand(num_clips, 7, 6, dtype=torch.float64) * sizes
    arguments = (centers, *maps, compactness, iterations, [2.0, 1.0, 1.0])
    assert torch.equal(emulated.slic3d_frames(frames, *arguments), native.slic3d_frames(frames, *arguments))
