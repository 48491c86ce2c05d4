from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ace3d_fast.models.layout import fast_convolutions, fast_parts

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")


@needs_onednn
@given(
    kernel=st.sampled_from([1, 3, (1, 3, 3), (3, 1, 1)]),
    stride=st.sampled_from([1, 2, (1, 2, 2)]),
    grouped=st.booleans(),
    bias=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_onednn_gives_the_same_values_and_gradients(kernel, stride, grouped, bias, seed):
    torch.manual_seed(seed)
    conv = nn.Conv3d(4, 8, kernel, stride, padding=1, groups=4 if grouped else 1, bias=bias)
    x = torch.randn(2, 4, 4, 6, 6)
    one, two = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected = conv(one)
    with fast_convolutions(fast_parts(conv)):
        found = conv(two)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    torch.testing.assert_close(two.grad, one.grad, rtol=1e-4, atol=1e-4)


@needs_onednn
def test_onednn_is_what_runs_and_only_inside():
    conv = nn.Conv3d(3, 4, 1)
    x = torch.randn(1, 3, 2, 4, 4)
    parts = fast_parts(conv)
    with fast_convolutions(parts):
        assert type(conv(x).grad_fn).__name__.startswith("MkldnnConvolution")
    assert type(conv(x).grad_fn).__name__.startswith("ConvolutionBackward")


def test_other_kinds_of_convolution_are_left_alone():
    class Own(nn.Conv3d):
        pass

    module = nn.ModuleList(
        [
            Own(3, 4, 1),
            nn.Conv3d(3, 4, 3, padding="same"),
            nn.Conv3d(3, 4, 3, padding=1, padding_mode="circular"),
            nn.Conv3d(3, 4, 1, dtype=torch.float64),
            nn.Conv2d(3, 4, 1),
        ]
    )
    assert fast_parts(module) == []


@needs_onednn
def test_half_precision_input_takes_the_ordinary_way():
    conv = nn.Conv3d(3, 4, 1)
    with fast_convolutions(fast_parts(conv)), torch.no_grad():
        conv.to(torch.bfloat16)
        assert conv(torch.ones(1, 3, 2, 4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
