import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck
from volumes import SHAPES, label_map

from ace3d_fast.ops import reference, region_pool

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
NAN, INF = torch.nan, torch.inf


def line(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype).reshape(1, 1, 1, 1, -1)


def line_labels(*labels):
    return torch.tensor(labels, dtype=torch.int32).reshape(1, 1, 1, -1)


def grad_of_max(features, labels, num_regions):
    leaf = features.clone().requires_grad_()
    maxima = region_pool(leaf, labels, num_regions, reduce="max")
    (grad,) = torch.autograd.grad(maxima.sum(), leaf)
    return grad.flatten().tolist()


def test_the_greatest_of_each_region():
    maxima = region_pool(line(-3.0, -1, 5, 4, 9), line_labels(0, 0, 2, 2, -1), 4, reduce="max")
    assert maxima.flatten().tolist() == [-1.0, 0.0, 5.0, 0.0]  # regions 1 and 3 have no points


@given(
    SHAPES,
    SHAPES | st.none(),
    st.sampled_from([0, 1, 3, 16, 17, 40]),
    st.integers(1, 3),
    st.integers(1, 30),
    st.sampled_from(DTYPES),
)
def test_the_reference_gives_the_same(cells, voxels, channels, num_maps, num_regions, dtype):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, channels, *cells, generator=generator, dtype=torch.float64).to(dtype)
    labels = label_map((2, num_maps, *(voxels or cells)), num_regions + 2, low=-1)
    maxima = region_pool(features, labels, num_regions, reduce="max")
    assert maxima.dtype == dtype
    assert torch.equal(maxima, reference.region_pool(features, labels, num_regions, reduce="max"))


def test_no_region_without_points_takes_a_gradient():
    assert grad_of_max(line(7.0, 1.0, 2.0), line_labels(-1, 1, 1), 3) == [0, 0, 1]


def test_the_first_of_equal_values_takes_the_gradient():
    assert grad_of_max(line(2.0, 5, 5, 5), line_labels(0, 0, 0, 0), 1) == [0, 1, 0, 0]
    far_apart = torch.zeros(1, 1, 8, 16, 16)  # the cells of one region in several slabs
    grad = grad_of_max(far_apart, torch.zeros(1, 8, 16, 16, dtype=torch.int32), 1)
    assert grad.index(1.0) == 0
    assert sum(grad) == 1


@pytest.mark.parametrize("greatest", [3.0, NAN])
def test_the_first_cell_is_found_whatever_the_lengths_of_runs(greatest):
    # Shorter runs are looked at first.
    features = line(0.0, greatest, greatest, 1, 2, greatest)
    assert grad_of_max(features, line_labels(0, 0, 0, 0, 1, 0), 2) == [0, 1, 0, 0, 1, 0]


def test_a_cell_that_is_greatest_in_two_regions_takes_both_gradients():
    labels = torch.tensor([[0, 1, 1], [2, 2, 2]], dtype=torch.int32).reshape(1, 2, 1, 1, 3)
    assert grad_of_max(line(1.0, 3, 2), labels, 3) == [1, 2, 0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_nan_is_greatest_in_its_regions_and_in_no_other(dtype):
    features, labels = line(1.0, NAN, 3, NAN, INF, 2, dtype=dtype), line_labels(0, 0, 0, -1, 1, 1)
    assert region_pool(features, labels, 2, reduce="max").isnan().flatten().tolist() == [True, False]
    assert grad_of_max(features, labels, 2) == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_first_of_several_nans_takes_the_gradient(dtype):
    labels = line_labels(0, 0, 0, 0)
    assert grad_of_max(line(9.0, NAN, NAN, 10, dtype=dtype), labels, 1) == [0, 1, 0, 0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_infinities_are_values_as_others(dtype):
    features = line(-INF, -INF, 1.0, INF, dtype=dtype)
    maxima = region_pool(features, line_labels(0, 0, 1, 1), 2, reduce="max")
    assert maxima.flatten().tolist() == [-INF, INF]


@pytest.mark.parametrize("cells", [(2, 3, 4), (1, 6, 2), (5, 6, 7)])
def test_gradcheck(cells):
    labels = label_map((2, 2, 2, 6, 4), 5, low=-1)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(2 * 3 * cells[0] * cells[1] * cells[2], generator=generator)
    features = order.double().reshape(2, 3, *cells).requires_grad_()  # no two are equal
    assert gradcheck(lambda x: region_pool(x, labels, 5, reduce="max"), (features,))
