"""Batches of changed clips that are forwarded in several threads at once."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn
from toys import halves_clip, red_network

from ace3d_fast.errors import InputError
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Probe, View


class Forgetful(nn.Module):
    """Keeps what it computes in itself between its parts, as many networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv3d(3, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)
        self.register_buffer("held", torch.zeros(0))

    def forward(self, x):
        self.grid = self.body(x)
        self.held = self.grid.mean(dim=(2, 3, 4))
        time.sleep(0.005)  # another thread has its turn
        return self.head(self.held) + self.grid.amax(dim=(1, 2, 3, 4))[:, None]


class Uncopied(Forgetful):
    def __deepcopy__(self, memo):
        raise TypeError("not to be copied")


class Misled(Forgetful):
    """Its copy computes with the original's parts."""

    def __init__(self) -> None:
        super().__init__()
        mine = super().forward
        self.forward = lambda x: mine(x)


def network_of(kind):
    torch.manual_seed(0)
    return Network(kind(), "body", red_network().normalization, ["a", "b", "c"])


def many_views():
    for i in range(12):
        clip = halves_clip(f"v{i}", red=20 * i)
        for sets in ((), (0,), (1,), (0, 1)):
            yield View(clip, sets, under=[(0,), (1,)])
            yield View(clip, sets, keep=False)


@pytest.mark.parametrize("kind", [Forgetful, Uncopied, Misled])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_any_number_of_threads_says_the_same(kind, threads):
    network = network_of(kind)
    one, several = (Probe(network, 2, batch=5, threads=number) for number in (None, threads))
    expected = one.see(many_views())
    assert len(np.unique(expected.logits[:, 0])) > 12
    for _ in range(2):
        found = several.see(many_views())
        np.testing.assert_array_equal(found.logits, expected.logits)
        np.testing.assert_array_equal(found.features, expected.features)


@pytest.mark.parametrize(("kind", "least"), [(Forgetful, 2), (Uncopied, 1), (Misled, 1)])
def test_forwards_overlap_where_the_network_can_be_copied(kind, least):
    most = now = 0
    network = network_of(kind)

    def enter(*_):
        nonlocal most, now
        now += 1
        most = max(most, now)

    def leave(*_):
        nonlocal now
        now -= 1

    network.module.body.register_forward_hook(enter)
    network.module.head.register_forward_hook(leave)
    Probe(network, 2, batch=2, threads=3).see(many_views())
    assert (most >= least) if least > 1 else (most == 1)


def test_a_twin_shares_the_weights_and_nothing_else():
    network = network_of(Forgetful)
    other = network.twin()
    pairs = list(zip(network.module.parameters(), other.module.parameters(), strict=True))
    assert len(pairs) == 4
    assert all(mine is theirs for mine, theirs in pairs)
    assert other.module is not network.module
    other.forward(torch.ones(1, 3, 2, 4, 4))
    assert len(network.module.held) == 0


def test_nothing_asked_gives_nothing_and_makes_no_copies():
    probe = Probe(network_of(Uncopied), 2, threads=2)
    assert probe.see([]).logits.shape == (0, 0)
    assert not probe._crew


def test_what_a_forward_raises_comes_out_of_the_threads():
    network = network_of(Forgetful)
    with torch.no_grad():
        network.module.head.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="the logits"):
        Probe(network, 2, batch=2, threads=2).see(many_views())
