import math

import torch
from beside import emulated, native
from hypothesis import given
from hypothesis import strategies as st
from volumes import label_map

GRID = st.tuples(st.integers(1, 4), st.integers(1, 9), st.sampled_from([1, 3, 4, 8, 11, 40]))
DTYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])
ODD = st.sampled_from([None, math.nan, math.inf, -math.inf])


@st.composite
def jobs(draw):
    """Features, labels and numbers of regions; grids that are equal, finer or coarser along each axis."""
    cells = draw(GRID)
    voxels = draw(st.sampled_from([cells, draw(GRID)]))
    num_clips, num_maps = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    counts = [draw(st.sampled_from([0, 1, 5, 60, 200])) for _ in range(num_maps)]
    seed = draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    channels = draw(st.sampled_from([0, 1, 3, 33, 64]))
    features = torch.randn(num_clips, channels, *cells, generator=generator).to(draw(DTYPES))
    odd = draw(ODD)
    if odd is not None and features.numel():
        features.view(-1)[seed % features.numel()] = odd
    if draw(st.booleans()):
        features = features.contiguous(memory_format=torch.channels_last_3d)
    labels = label_map((num_clips, num_maps, *voxels), max(*counts, 1) + 1, seed, low=-1)
    return features, labels, draw(st.sampled_from([counts, counts[:1]]))


def close(found, expected, scale):
    bits = {torch.float16: 2e-3, torch.bfloat16: 2e-2}.get(expected.dtype, 2e-6)
    torch.testing.assert_close(
        found.double(), expected.double(), atol=bits * scale, rtol=bits, equal_nan=True
    )


@given(jobs(), st.booleans())
def test_sums_and_means(job, mean):
    features, labels, counts = job
    pooled, points = emulated.region_pool(features, labels, counts, mean)
    expected, expected_points = native.region_pool(features, labels, counts, mean)
    assert pooled.dtype == expected.dtype
    assert torch.equal(points, expected_points)
    close(pooled, expected, 1 if mean else 5 * max(1, int(points.max()) if points.numel() else 1) ** 0.5)


@given(jobs())
def test_maxima_and_their_cells(job):
    features, labels, counts = job
    values, cells = emulated.region_max(features, labels, counts)
    expected, expected_cells = native.region_max(features, labels, counts)
    assert torch.equal(cells, expected_cells)
    assert torch.equal(values.nan_to_num(12345.0), expected.nan_to_num(12345.0))


@given(jobs())
def test_gradients_of_sums(job):
    features, labels, counts = job
    num_clips, channels, *grid = features.shape
    generator = torch.Generator().manual_seed(1)
    total = sum(counts)
    grads = torch.randn(num_clips, total, channels, generator=generator)
    found = emulated.region_spread(grads, labels, counts, grid, features.dtype)
    expected = native.region_spread(grads, labels, counts, grid, features.dtype)
    assert found.dtype == expected.dtype
    close(found, expected, max(1, labels.numel()))


def test_a_clip_alone_has_the_bits_that_it_has_among_others():
    features = torch.randn(3, 40, 2, 30, 40)
    labels = label_map((3, 2, 2, 30, 40), 70)
    together, _ = emulated.region_pool(features, labels, [70, 70], True)
    alone, _ = emulated.region_pool(features[1:2], labels[1:2], [70, 70], True)
    assert torch.equal(alone, together[1:2])
