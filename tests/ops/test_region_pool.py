import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.library import opcheck
from volumes import SHAPES, label_map

from ace3d_fast.errors import InputError
from ace3d_fast.ops import reference, region_pool, region_sums

HALF_LEFT = torch.tensor([0, 0, 1, 1], dtype=torch.int32).expand(1, 1, 2, 4)


def test_two_halves_give_two_means():
    features = torch.tensor([1.0, 1, 5, 7]).expand(1, 1, 1, 2, 4)
    means = region_pool(features, HALF_LEFT, 3)
    assert means.tolist() == [[[1.0], [6.0], [0.0]]]  # left, right, a region nobody has


def test_a_coarse_feature_counts_once_for_each_voxel_in_its_cell():
    labels = torch.tensor([0, 1, 1, 1, 1, 1], dtype=torch.int32).reshape(1, 1, 1, 6)
    features = torch.tensor([3.0, 6.0]).reshape(1, 1, 1, 1, 2)
    sums, counts = region_sums(features, labels, 2)
    assert sums.flatten().tolist() == [3.0, 2 * 3.0 + 3 * 6.0]
    assert counts.tolist() == [[1, 5]]


def test_fine_features_read_the_label_they_lie_in():
    features = torch.arange(6.0).reshape(1, 1, 1, 1, 6)
    labels = torch.tensor([0, 1], dtype=torch.int32).reshape(1, 1, 1, 2)
    assert region_pool(features, labels, 2).flatten().tolist() == [1.0, 4.0]


def test_background_counts_nowhere():
    labels = torch.tensor([-1, 0, 0, 7], dtype=torch.int32).reshape(1, 1, 1, 4)
    features = torch.tensor([9.0, 1.0, 3.0, 9.0]).reshape(1, 1, 1, 1, 4)
    sums, counts = region_sums(features, labels, 1)
    assert sums.item() == 4.0
    assert counts.item() == 2


@given(
    SHAPES,
    SHAPES,
    st.sampled_from([0, 1, 3, 16, 17, 40]),
    st.integers(1, 3),
    st.integers(1, 30),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
)
def test_the_reference_gives_the_same(cells, voxels, channels, num_maps, num_regions, dtype):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, channels, *cells, generator=generator, dtype=torch.float64).to(dtype)
    labels = label_map((2, num_maps, *voxels), num_regions + 2, low=-1)
    sums, counts = region_sums(features, labels, num_regions)
    expected_sums, expected_counts = reference.region_sums(features.double(), labels, num_regions)
    sizes, _ = reference.region_sums(features.double().abs(), labels, num_regions)
    scale = max([1.0, *sizes.flatten().tolist()])
    precision = {torch.float16: 1e-3, torch.bfloat16: 8e-3, torch.float32: 1e-6, torch.float64: 1e-13}[dtype]
    assert sums.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(sums.double(), expected_sums, atol=precision * scale, rtol=0)
    assert torch.equal(counts, expected_counts)


def test_long_rows_keep_their_precision():
    features = torch.full((1, 16, 32, 128, 128), 0.1)
    labels = torch.zeros(1, 32, 128, 128, dtype=torch.int32)
    means = region_pool(features, labels, 1)
    torch.testing.assert_close(means, torch.full((1, 1, 16), 0.1), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("cells", [(2, 3, 4), (1, 6, 2), (5, 6, 7), (2, 6, 4)])
def test_gradients_of_any_order(cells, reduce):
    labels = label_map((2, 2, 2, 6, 4), 5, low=-1)
    features = torch.randn(2, 3, *cells, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: region_pool(x, labels, 5, reduce=reduce), (features,))
    assert gradgradcheck(lambda x: region_pool(x, labels, 5, reduce=reduce) ** 2, (features,))


def test_the_gradient_of_the_mean_is_spread_over_the_region():
    features = torch.zeros(1, 1, 1, 2, 4, requires_grad=True)
    region_pool(features, HALF_LEFT, 2)[0, 1, 0].backward()
    assert features.grad.flatten().tolist() == [0, 0, 0.25, 0.25] * 2


def test_labels_may_be_a_view():
    features, labels = torch.randn(1, 4, 6, 8, 20), label_map((1, 8, 16, 6), 5).transpose(1, 3)
    assert torch.equal(region_pool(features, labels, 5), region_pool(features, labels.contiguous(), 5))


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("voxels", [(1, 2, 6), (1, 2, 3), (2, 5, 12)])
def test_nan_and_infinity_reach_the_regions_they_lie_in_and_no_other(voxels, reduce):
    labels = torch.ones(1, *voxels, dtype=torch.int32)
    edge = max(1, voxels[2] // 6)
    labels[..., :edge], labels[..., -edge:] = 0, -1
    clean = torch.randn(1, 18, 1, 2, 6)
    dirty = clean.clone()
    dirty[..., 0, 0] = torch.nan
    dirty[..., 1, 0] = torch.inf
    dirty[..., -1] = torch.tensor([torch.nan, -torch.inf])  # background
    pooled = region_pool(dirty, labels, 3, reduce=reduce)
    assert pooled[:, 0].isnan().all()
    assert torch.equal(pooled[:, 1:], region_pool(clean, labels, 3, reduce=reduce)[:, 1:])
    assert (pooled[:, 2] == 0).all()


def test_counts_are_of_the_finer_grid_and_need_no_channels():
    labels = label_map((2, 3, 4, 6, 5), 7, low=-1)
    for cells in ((4, 6, 5), (8, 3, 5)):
        counts = region_pool(torch.zeros(2, 0, *cells), labels, 7, reduce="count")
        assert counts.dtype == torch.int64
        assert torch.equal(
            counts, reference.region_pool(torch.zeros(2, 1, *cells), labels, 7, reduce="count")
        )


@given(SHAPES, SHAPES | st.none(), st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_gradients_of_other_types_are_those_of_float64_rounded(cells, voxels, dtype):
    generator = torch.Generator().manual_seed(0)
    labels = label_map((2, 2, *(voxels or cells)), 9, low=-1)
    features = torch.randn(2, 18, *cells, generator=generator, dtype=torch.float64)
    weights = torch.randn(2, 9, 18, generator=generator, dtype=torch.float64)
    grads = []
    for leaf in (features.to(dtype).requires_grad_(), features.requires_grad_()):
        sums = region_pool(leaf, labels, 9, reduce="sum")
        (grad,) = torch.autograd.grad(sums, leaf, weights.to(sums.dtype))
        assert grad.dtype == leaf.dtype
        grads.append(grad.double())
    precision = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}[dtype]
    largest = max(1.0, float(grads[1].abs().max()))
    torch.testing.assert_close(grads[0], grads[1], atol=precision * largest, rtol=0)


def test_opcheck():
    features = torch.randn(2, 3, 2, 3, 4, requires_grad=True)
    labels = label_map((2, 2, 4, 6, 4), 5, low=-1)
    for num_regions in ([5], [3, 5]):
        opcheck(torch.ops.ace3d.region_pool.default, (features, labels, num_regions, True))
        opcheck(torch.ops.ace3d.region_pool.default, (features, labels, num_regions, False))
        opcheck(torch.ops.ace3d.region_max.default, (features, labels, num_regions))
        grad = torch.randn(2, sum(num_regions), 3, requires_grad=True)
        opcheck(torch.ops.ace3d.region_spread.default, (grad, labels, num_regions, [2, 3, 4], torch.float32))


def test_it_compiles():
    features, labels = torch.randn(1, 3, 2, 3, 4), label_map((1, 2, 6, 4), 3)
    compiled = torch.compile(lambda x: region_pool(x, labels, 3) * 2, backend="aot_eager")
    torch.testing.assert_close(compiled(features), region_pool(features, labels, 3) * 2)


def test_errors_name_the_argument():
    features, labels = torch.zeros(1, 3, 2, 2, 2), torch.zeros(1, 2, 2, 2, dtype=torch.int32)
    with pytest.raises(InputError, match="region_pool: expected labels of type int32, got int64"):
        region_pool(features, labels.long(), 1)
    with pytest.raises(InputError, match="expected labels for each clip of features, got 1 label maps and 2"):
        region_pool(features.expand(2, -1, -1, -1, -1), labels, 1)
    with pytest.raises(InputError, match=r"expected features of shape \(N, C, T', H', W'\)"):
        region_pool(features[0], labels, 1)
    with pytest.raises(InputError, match="expected num_regions an integer of at least 0, got -1"):
        region_pool(features, labels, -1)
