"""The penalty on a concept, against gradients known by hand, and its use in training."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ace3d_fast.errors import InputError
from ace3d_fast.training import CavRefit, ConceptExamples, concept_penalty

CELLS = (1, 2, 2)


class Linear(nn.Module):
    """Grid = the clip; logits = its mean by ``head``."""

    def __init__(self, weights):
        super().__init__()
        self.grid = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
        weights = torch.tensor(weights)
        self.head = nn.Linear(weights.shape[1], len(weights), bias=False)
        self.head.weight.data = weights

    def forward(self, x):
        return self.head(self.grid(x).mean((2, 3, 4)))


def clips(num, channels=3, seed=0):
    return torch.rand(num, channels, *CELLS, generator=torch.Generator().manual_seed(seed))


WEIGHTS = [[2.0, 0.0, 1.0], [-1.0, 3.0, 1.0]]


@pytest.mark.parametrize(
    ("sign", "class_index", "found"),
    [(0, 0, 4.0), (1, 0, 4.0), (-1, 0, 0.0), (0, 1, 1.0), (1, 1, 0.0), (-1, 1, 1.0)],
)
def test_the_square_of_what_a_logit_gains(sign, class_index, found):
    net = Linear(WEIGHTS)
    penalty = concept_penalty(net, torch.tensor([1.0, 0, 0]), sign, layer="grid.0", class_index=class_index)
    assert penalty(net(clips(4))).item() == pytest.approx(found)


def test_several_concepts_are_averaged():
    net = Linear(WEIGHTS)
    penalty = concept_penalty(net, torch.eye(3)[:2], layer="grid.0", class_index=1)
    assert penalty(net(clips(4))).item() == pytest.approx((1 + 9) / 2)


def test_all_logits_by_random_signs():
    torch.manual_seed(0)
    net = Linear(WEIGHTS)
    penalty = concept_penalty(net, torch.tensor([1.0, 0, 0]), layer="grid.0")
    drawn = torch.stack([penalty(net(clips(64))) for _ in range(40)]).mean().item()
    assert drawn == pytest.approx(1.5**2 + 1.5**2, rel=0.1)  # of 2 and -1, whose mean is 0.5


def test_its_gradient_reaches_the_weights():
    net = Linear(WEIGHTS)
    penalty = concept_penalty(net, torch.tensor([1.0, 0, 0]), layer="grid.0", class_index=0)
    penalty(net(clips(4))).backward()
    torch.testing.assert_close(net.head.weight.grad, torch.tensor([[4.0, 0, 0], [0, 0, 0]]))


def test_logits_are_left_alone_and_the_hook_comes_off():
    net, x = Linear(WEIGHTS), clips(4)
    plain = net(x)
    penalty = concept_penalty(net, torch.eye(3), layer="grid.0")
    torch.testing.assert_close(net(x), plain, rtol=0, atol=0)
    penalty.remove()
    logits = net(x)
    with torch.no_grad():
        net(x)
    with pytest.raises(InputError, match="logits of the last forward"):
        penalty(logits)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"layer": "gird"}, "nearest: grid"),
        ({"sign": 2}, "sign -1, 0 or 1"),
        ({"sign": 1}, "sign 0 without a class"),
        ({"cav": torch.full((3,), float("nan"))}, "finite rows"),
        ({"cav": torch.zeros(1, 2, 3)}, "finite rows"),
    ],
)
def test_what_cannot_be_used_is_refused(change, fact):
    options = {"cav": torch.ones(3), "layer": "grid", **change}
    with pytest.raises(InputError, match=fact):
        concept_penalty(Linear(WEIGHTS), options.pop("cav"), options.pop("sign", 0), **options)


def test_directions_of_another_width_are_refused():
    net = Linear(WEIGHTS)
    penalty = concept_penalty(net, torch.ones(5), layer="grid.0")
    with pytest.raises(InputError, match=r"cav of 3 channels, those of layer 'grid\.0', got 5 values"):
        penalty(net(clips(2)))


def shortcut_data(num, seed, agreement, dropped=0.0):
    """Two classes: channel 1 tells of each weakly unless it is dropped, channel 0 loudly where it agrees."""
    made = torch.Generator().manual_seed(seed)
    y = torch.arange(num) % 2
    shown = torch.where(torch.rand(num, generator=made) < agreement, y, 1 - y)
    x = 0.3 * torch.randn(num, 3, *CELLS, generator=made).abs()
    x[:, 0] += 3.0 * shown.view(-1, 1, 1, 1)
    told = y * (torch.rand(num, generator=made) >= dropped)
    x[:, 1] += 0.8 * told.view(-1, 1, 1, 1)
    return x, y


def trained(weight):
    """Accuracy where the shortcut tells nothing of a network that learnt where it tells much."""
    torch.manual_seed(0)
    net = Linear([[0.0, 0, 0], [0.0, 0, 0]])
    x, y = shortcut_data(256, 1, 0.95, dropped=0.4)
    plain = shortcut_data(40, 3, 0.5)[0]
    plain[:, 0] = 0.1
    loud = plain.clone()
    loud[:, 0] += 3.0
    penalty = concept_penalty(net, torch.zeros(3), layer="grid.0")
    refit = CavRefit(penalty, [ConceptExamples(loud)], ConceptExamples(plain))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(20):
        refit()
        for rows in torch.randperm(256).split(64):
            logits = net(x[rows])
            loss = F.cross_entropy(logits, y[rows]) + weight * penalty(logits)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    x, y = shortcut_data(400, 2, 0.5)
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def test_training_with_it_lets_go_of_a_shortcut():
    assert trained(0.0) < 0.7
    assert trained(3.0) > 0.85
