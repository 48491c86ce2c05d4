"""What region_pool promises bit for bit: the same for any layout, number of threads and instruction set."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from instruction_sets import assert_instruction_sets_agree, same_bits
from volumes import SHAPES, label_map

from ace3d_fast.ops import region_pool, region_sums

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
HALF_DTYPES = [torch.float16, torch.bfloat16]
LAYOUTS = ["channels_last", "every second", "transposed", "wider rows", "expanded clips"]


def features_of(shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def laid_out(features, layout):
    """The same values in another layout."""
    n, c, t, h, w = features.shape
    if layout == "channels_last":
        return features.to(memory_format=torch.channels_last_3d)
    if layout == "every second":
        return features.repeat_interleave(2, 3).repeat_interleave(2, 4)[:, :, :, ::2, ::2]
    if layout == "transposed":
        return features.transpose(1, 4).contiguous().transpose(1, 4)
    if layout == "wider rows":
        wide = features.new_full((n, c, t, h, w + 3), torch.nan)
        wide[..., :w] = features
        return wide[..., :w]
    return features[:1].expand(n, -1, -1, -1, -1)


def pooled(features, labels, num_regions):
    sums, counts = region_sums(features, labels, num_regions)
    means, maxima = (region_pool(features, labels, num_regions, reduce=reduce) for reduce in ("mean", "max"))
    return [sums, counts, means, maxima]


def assert_same_bits(ours, theirs):
    assert all(same_bits(a, b) for a, b in zip(ours, theirs, strict=True))


@given(
    SHAPES,
    SHAPES | st.none(),
    st.sampled_from([1, 3, 16, 19, 40]),
    st.sampled_from(DTYPES),
    st.sampled_from(LAYOUTS),
)
def test_layouts_change_nothing(cells, voxels, channels, dtype, layout):
    features = features_of((2, channels, *cells), dtype)
    if layout == "expanded clips":
        features = features[:1].repeat(2, 1, 1, 1, 1)
    labels = label_map((2, *(voxels or cells)), 9, low=-1)
    other = laid_out(features, layout)
    assert torch.equal(other, features)
    assert_same_bits(pooled(other, labels, 9), pooled(features, labels, 9))


# Enough of each for several threads: many clips, many channels, or many cells; equal grids and others.
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("shape", "voxels"),
    [
        ((3, 70, 4, 28, 28), (16, 56, 56)),
        ((1, 33, 16, 56, 61), (16, 56, 61)),
        ((9, 8, 5, 61, 67), (5, 61, 67)),
    ],
)
def test_threads_change_nothing(shape, voxels, dtype):
    features = features_of(shape, dtype)
    labels = label_map((shape[0], 2, *voxels), 40, low=-1)
    for layout in (features, laid_out(features, "channels_last")):
        leaf = layout.detach().requires_grad_()
        runs = []
        for num_threads in (1, 2, 4):
            torch.set_num_threads(num_threads)
            try:
                means = region_pool(leaf, labels, 40)
                (grad,) = torch.autograd.grad(means.square().sum(), leaf)
                runs.append([*pooled(layout, labels, 40), grad])
            finally:
                torch.set_num_threads(1)
        for run in runs[1:]:
            assert_same_bits(run, runs[0])


def test_instruction_sets_change_nothing(tmp_path):
    script = (
        "from volumes import label_map\n"
        "from ace3d_fast.ops import region_pool\n"
        "results = []\n"
        "for cells, channels in (((3, 9, 17), 16), ((2, 6, 23), 21), ((1, 1, 1), 1), ((2, 15, 31), 40)):\n"
        "    for voxels in (cells, (5, 12, 19)):\n"
        "        labels = label_map((2, 2, *voxels), 7, low=-1)\n"
        "        for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):\n"
        "            generator = torch.Generator().manual_seed(0)\n"
        "            features = torch.randn(2, channels, *cells, generator=generator).to(dtype)\n"
        "            features[:, :, 0, 0, 0] = torch.nan\n"
        "            features[:, :, -1, -1, -1] = -torch.inf\n"
        "            features[:, -1] *= 1e-6  # below what float16 has with all its bits\n"
        "            for features in (features, features.to(memory_format=torch.channels_last_3d)):\n"
        "                leaf = features.clone().requires_grad_()\n"
        "                for reduce in ('mean', 'sum', 'max'):\n"
        "                    pooled = region_pool(leaf, labels, 7, reduce=reduce)\n"
        "                    weights = torch.linspace(-1, 1, pooled.numel()).reshape(pooled.shape)\n"
        "                    grad, = torch.autograd.grad((pooled * weights).sum(), leaf)\n"
        "                    results += [pooled.detach(), grad]\n"
    )
    assert_instruction_sets_agree(script, tmp_path)


@given(SHAPES, SHAPES | st.none(), st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_maps_with_regions_of_their_own_give_what_each_gives_alone(cells, voxels, counts):
    features = features_of((2, 18, *cells), torch.float32)
    labels = label_map((2, len(counts), *(voxels or cells)), 11, low=-1)
    for reduce in ("mean", "sum", "max", "count"):
        together = region_pool(features, labels, counts, reduce=reduce)
        alone = [region_pool(features, labels[:, s], count, reduce=reduce) for s, count in enumerate(counts)]
        assert_same_bits(together, alone)


@pytest.mark.parametrize("dtype", HALF_DTYPES, ids=str)
@pytest.mark.parametrize("voxels", [(1, 1, 2**16), (1, 2, 2**16)], ids=["equal grids", "finer labels"])
def test_every_half_value_is_read_and_written_as_it_is(dtype, voxels):
    values = torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype)
    features = values.reshape(1, 1, 1, 1, -1).expand(1, 17, 1, 1, -1)
    labels = torch.arange(2**16, dtype=torch.int32).expand(1, *voxels)
    sums, counts = region_sums(features, labels, 2**16)
    means, maxima = (
        region_pool(features, labels, 2**16, reduce=reduce)[0, :, 16] for reduce in ("mean", "max")
    )
    expected = (counts[0] * values.double()).float()
    number = ~values.isnan()
    assert torch.equal(sums[0, number, 16], expected[number])
    exact = number & ~(expected.isinf() & values.isfinite())  # the sum is no float32 beyond
    for found in (means, maxima):
        assert found.dtype == dtype
        fitting = number if found is maxima else exact
        assert torch.equal(found[fitting], values[fitting])
        assert found[~number].isnan().all()


@given(SHAPES, SHAPES | st.none(), st.sampled_from(HALF_DTYPES))
def test_half_features_are_added_in_float32_and_rounded_once(cells, voxels, dtype):
    features = features_of((1, 17, *cells), dtype)
    labels = label_map((1, *(voxels or cells)), 4)
    assert same_bits(region_sums(features, labels, 4)[0], region_sums(features.float(), labels, 4)[0])
    means = region_pool(features.float(), labels, 4)
    assert same_bits(region_pool(features, labels, 4), means.to(dtype))


def test_means_of_halves_are_rounded_to_nearest_ties_to_even():
    # Neighbours average to a value half way between; below 2**-14 the values are subnormal, and at the top
    # the mean of the greatest and what would follow it is not infinite.
    bits = np.concatenate([np.arange(0, 2**15 - 2**10, 7), [2**10 - 1, 2**15 - 2**10 - 2]])
    pairs = np.stack([bits, bits + 1], axis=1).astype(np.uint16).view(np.float16)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    expected = pairs.astype(np.float64).mean(axis=1).astype(np.float16)
    assert (expected != pairs[:, 0]).any()
    assert (expected != pairs[:, 1]).any()
    features = torch.from_numpy(pairs.reshape(1, 1, 1, 1, -1))
    labels = torch.arange(len(pairs), dtype=torch.int32).repeat_interleave(2).reshape(1, 1, 1, -1)
    for sign in (1, -1):
        means = region_pool(sign * features, labels, len(pairs)).flatten().numpy()
        assert np.array_equal(means, sign * expected)


def test_a_mean_beyond_the_greatest_half_is_infinite_and_its_sum_is_not():
    features = torch.full((1, 1, 1, 1, 3), 65504.0, dtype=torch.float16)
    labels = torch.zeros(1, 1, 1, 3, dtype=torch.int32)
    assert region_pool(features, labels, 1).item() == 65504.0
    assert region_pool(features, labels, 1, reduce="sum").item() == 3 * 65504.0


def test_a_gradient_beyond_the_greatest_half_is_infinite():
    features = torch.zeros(1, 1, 1, 1, 2, dtype=torch.float16, requires_grad=True)
    labels = torch.tensor([[[[0, 1]]]], dtype=torch.int32)
    sums = region_pool(features, labels, 2, reduce="sum")
    (grad,) = torch.autograd.grad(sums, features, torch.tensor([[[65519.0], [65520.0]]]))
    assert grad.flatten().tolist() == [65504.0, torch.inf]
