"""The device "far" itself: what it does as a GPU does."""

from __future__ import annotations

import far
import pytest
import torch
from torch import nn

NEAR = torch.arange(24.0).view(2, 3, 4)
FAR = NEAR.to("far")
CONVOLUTION = nn.Conv3d(3, 4, 3)


def test_ops_give_what_they_give_on_the_cpu():
    assert FAR.device == torch.device("far:0")
    for op in (
        lambda x: x.transpose(0, 2).reshape(4, -1)[1:].cumsum(0),
        lambda x: x[:, [2, 0]] * torch.tensor(2.0) + 1,
        lambda x: x[x > 7].view(-1, 4).unfold(1, 2, 1),
        lambda x: torch.cat([x, x], 1).topk(3).values,
    ):
        assert torch.equal(op(FAR).cpu(), op(NEAR))


def test_gradients_are_those_of_the_cpu():
    grads = []
    for device in ("cpu", "far"):
        x = torch.linspace(0, 1, 3 * 5 * 6 * 7, device=device).view(1, 3, 5, 6, 7).requires_grad_()
        CONVOLUTION.to(device)(x).relu().square().sum().backward()
        grads.append(x.grad.cpu())
    CONVOLUTION.to("cpu")
    assert torch.equal(*grads)


@pytest.mark.parametrize(
    "mixed",
    [
        lambda: FAR + NEAR,
        lambda: torch.cat([FAR, NEAR]),
        lambda: torch.stack([NEAR, FAR]),
        lambda: FAR.clone().mul_(NEAR),
        lambda: FAR.matmul(NEAR.mT),
        lambda: NEAR[:, torch.tensor([0], device="far")],
        lambda: nn.functional.conv3d(FAR[:1, :, :, None, None], CONVOLUTION.weight[:, :, :1, :1, :1]),
        lambda: torch.where(NEAR > 1, FAR, FAR),
        lambda: FAR.index_select(0, torch.tensor([0])),
        lambda: torch.searchsorted(FAR, NEAR),
    ],
)
def test_tensors_of_two_devices_do_not_mix(mixed):
    with pytest.raises(RuntimeError, match=r"same device|expected argument|indices should be"):
        mixed()


def test_its_memory_is_not_the_host_s():
    with pytest.raises(TypeError, match="copy the tensor to host memory"):
        FAR.numpy()


def test_its_memory_ends():
    with far.room(1_000_000):
        torch.zeros(200_000, device="far")
        with pytest.raises(torch.OutOfMemoryError):
            torch.zeros(300_000, device="far")
    torch.zeros(300_000, device="far")
