import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.cluster import contingency_matrix
from torch.library import opcheck
from volumes import SHAPES, label_map

from ace3d_fast.errors import InputError
from ace3d_fast.ops import reference, region_overlap


def test_quarters_of_a_line():
    a = torch.tensor([0, 0, 1, 1], dtype=torch.int32).reshape(1, 1, 1, 4)
    b = torch.tensor([0, 1, 1, -1], dtype=torch.int32).reshape(1, 1, 1, 4)
    assert region_overlap(a, b, 2, 2).tolist() == [[[1, 1], [0, 1]]]


@given(SHAPES, st.integers(1, 6), st.integers(1, 6))
def test_the_reference_gives_the_same(shape, num_a, num_b):
    a = label_map((2, *shape), num_a + 1, 1, low=-1)
    b = label_map((2, *shape), num_b + 1, 2, low=-1)
    assert torch.equal(region_overlap(a, b, num_a, num_b), reference.region_overlap(a, b, num_a, num_b))


def test_without_background_it_is_the_contingency_table_of_scikit_learn():
    a, b = label_map((1, 4, 9, 9), 5, 1), label_map((1, 4, 9, 9), 7, 2)
    expected = torch.from_numpy(contingency_matrix(a.flatten(), b.flatten()))
    assert torch.equal(region_overlap(a, b, 5, 7)[0], expected)


def test_opcheck():
    a, b = label_map((2, 2, 3, 4), 3, 1), label_map((2, 2, 3, 4), 3, 2)
    opcheck(torch.ops.ace3d.region_overlap.default, (a, b, 3, 3))


def test_errors_name_the_argument():
    a = torch.zeros(1, 2, 2, 2, dtype=torch.int32)
    with pytest.raises(
        InputError, match=r"region_overlap: expected b of shape \(1, 2, 2, 2\), as a, got shape"
    ):
        region_overlap(a, a[..., :1], 1, 1)
    with pytest.raises(InputError, match="expected a of type int32, got float32"):
        region_overlap(a.float(), a, 1, 1)
