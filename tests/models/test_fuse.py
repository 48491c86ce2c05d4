from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from nets import Calls, network
from torch import nn

from ace3d_fast.models.fuse import Chain
from ace3d_fast.models.load import load_module

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")

WHOLE = Chain("conv", "norm", "relu")


def used(norm: nn.BatchNorm3d) -> nn.BatchNorm3d:
    """With the statistics and weights of a norm that was trained."""
    generator = torch.Generator().manual_seed(1)
    for values, low in (
        (norm.running_mean, -0.5),
        (norm.running_var, 0.5),
        (norm.weight, 0.5),
        (norm.bias, -0.5),
    ):
        values.data = low + torch.rand(values.shape, generator=generator)
    return norm


def net_of(body, *, layer="above", names=("a", "b"), **parts):
    """A network that runs ``body(net, x)`` on a convolution, a batch norm and a ReLU, then ``above``."""
    torch.manual_seed(0)
    own = {
        "conv": nn.Conv3d(3, 4, 3, padding=1),
        "norm": used(nn.BatchNorm3d(4)),
        "relu": nn.ReLU(),
        "above": nn.Conv3d(4, 2, 1),
    }

    def run(self, x):
        return self.above(body(self, x)).mean((2, 3, 4))

    return network(Calls(run, **own, **parts), layer, names)


def plain(net, x):
    """What each part on its own makes of it."""
    with torch.no_grad():
        return net.module(x)


@pytest.fixture
def clips(generator):
    return torch.randn(2, 3, 2, 6, 6, generator=generator)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_chain_runs_as_one_and_says_the_same(clips, monkeypatch, inplace, bias):
    net = net_of(lambda self, x: self.relu(self.norm(self.conv(x))))
    net.module.relu.inplace = inplace
    if not bias:
        net.module.conv.bias = None
    ran, forward = [], nn.BatchNorm3d.forward
    monkeypatch.setattr(nn.BatchNorm3d, "forward", lambda self, x: ran.append("norm") or forward(self, x))
    expected = plain(net, clips)
    found = net.forward(clips)
    assert net._fast.chains == [WHOLE]
    torch.testing.assert_close(found.logits, expected)
    assert ran == ["norm"] * 2  # above, and in the trace
    torch.testing.assert_close(net.gradients(clips, 1).logits, expected)
    torch.testing.assert_close(plain(net, clips), expected)  # nothing is left behind
    assert ran == ["norm"] * 3


def test_gradients_go_through_a_chain_above_the_layer(clips):
    below = nn.Conv3d(3, 3, 1)
    net = net_of(lambda self, x: self.relu(self.norm(self.conv(self.below(x)))), layer="below", below=below)
    found = net.gradients(clips, 0)
    assert net._fast.chains == [WHOLE]
    leaf = below(clips).detach().requires_grad_()
    module = net.module
    logits = module.above(module.relu(module.norm(module.conv(leaf)))).mean((2, 3, 4))
    (expected,) = torch.autograd.grad(logits[:, 0].sum(), leaf)
    torch.testing.assert_close(found.gradient, expected)


def adds_what_the_convolution_put_out(self, x):
    y = self.conv(x)
    return self.relu(self.norm(y)) + y


def adds_what_the_norm_put_out(self, x):
    y = self.norm(self.conv(x))
    return self.relu(y) + y


def gates_by_a_comparison(self, x):
    y = self.conv(x)
    return self.relu(self.norm(y)) * (y > 0)


def weighs_by_what_it_detached(self, x):
    y = self.conv(x)
    return self.relu(self.norm(y)) * y.detach().mean()


def weighs_by_its_data(self, x):
    y = self.conv(x)
    data = y.data
    return self.relu(self.norm(y)) * data.mean()


def scales_by_a_number(self, x):
    y = self.conv(x)
    return self.relu(self.norm(y)) * y.amax().item()


def reads_without_gradient(self, x):
    y = self.conv(x)
    with torch.no_grad():
        weight = y.mean()
    return self.relu(self.norm(y)) * weight


def adds_a_shortcut(self, x):
    y = self.norm(self.conv(x))
    return self.relu(y + x[:, :1])


def adds_a_shortcut_in_place(self, x):
    y = self.norm(self.conv(x))
    y += x[:, :1]
    return self.relu(y)


def runs_the_convolution_twice(self, x):
    return self.relu(self.norm(self.conv(x))) + self.conv(x)


def runs_the_norm_twice(self, x):
    return self.relu(self.norm(self.conv(x))) + self.norm(x.mean(1, keepdim=True).expand(-1, 4, -1, -1, -1))


def shares_the_relu(self, x):
    return self.relu(self.norm(self.conv(x))) + self.relu(x[:, :1])


def looks_between(self, x):
    return self.relu(self.norm(self.conv(x).contiguous().view(len(x), 4, *x.shape[2:])))


CHAIN_OF_TWO = Chain("conv", "norm", None)


@pytest.mark.parametrize(
    ("body", "chains"),
    [
        (adds_what_the_convolution_put_out, []),
        (adds_what_the_norm_put_out, [CHAIN_OF_TWO]),
        (gates_by_a_comparison, []),
        (weighs_by_what_it_detached, []),
        (weighs_by_its_data, []),
        (scales_by_a_number, []),
        (reads_without_gradient, []),
        (adds_a_shortcut, [CHAIN_OF_TWO]),
        (adds_a_shortcut_in_place, [CHAIN_OF_TWO]),
        (runs_the_convolution_twice, []),
        (runs_the_norm_twice, []),
        (shares_the_relu, [CHAIN_OF_TWO]),
        (looks_between, []),
    ],
)
def test_what_something_else_reads_is_there_to_be_read(clips, body, chains):
    net = net_of(body)
    found = net.forward(clips)
    assert net._fast.chains == chains
    torch.testing.assert_close(found.logits, plain(net, clips))


@pytest.mark.parametrize(
    ("layer", "fused"),
    [("conv", []), ("norm", [CHAIN_OF_TWO]), ("relu", [WHOLE]), ("both", [CHAIN_OF_TWO])],
)
def test_a_layer_puts_out_what_it_does_in_the_network(clips, layer, fused):
    """``both`` ends in the norm: its name is another one, its values are the norm's."""
    both = Calls(lambda self, x: self.norm(self.conv(x)))
    net = net_of(lambda self, x: self.relu(self.both(x)), layer=layer, both=both)
    both.conv, both.norm = net.module.conv, net.module.norm
    expected = net.module.conv(clips)
    if layer != "conv":
        expected = net.module.norm(expected)
    if layer == "relu":
        expected = expected.relu()
    torch.testing.assert_close(net.forward(clips).activation, expected.detach())
    assert net._fast.chains == fused
    torch.testing.assert_close(net.forward(clips).logits, plain(net, clips))


def test_hooks_between_the_parts_see_what_they_would(clips):
    net = net_of(lambda self, x: self.relu(self.norm(self.conv(x))))
    net.forward(clips)
    assert net._fast.chains == [WHOLE]
    seen = []
    net.module.conv.register_forward_hook(lambda *call: seen.append(call[2]))
    logits = net.forward(clips).logits
    torch.testing.assert_close(seen[0], nn.Conv3d.forward(net.module.conv, clips))
    torch.testing.assert_close(logits, plain(net, clips))


def test_weights_and_statistics_that_change_are_those_that_count(clips):
    net = net_of(lambda self, x: self.relu(self.norm(self.conv(x))))
    before = net.forward(clips).logits
    for values in (net.module.conv.weight, net.module.norm.bias, net.module.norm.running_mean):
        values.data.mul_(2)  # which no version counter tells
        after = net.forward(clips).logits
        torch.testing.assert_close(after, plain(net, clips))
        assert not torch.allclose(after, before)
        before = after
    net.module.norm.train()
    torch.testing.assert_close(net.forward(clips).logits, plain(net, clips), rtol=1e-3, atol=1e-3)


def test_what_cannot_be_traced_runs_as_before(clips):
    def body(self, x):
        if torch._C._len_torch_dispatch_stack() > 0:
            raise RuntimeError("no modes here")
        return self.relu(self.norm(self.conv(x)))

    net = net_of(body)
    torch.testing.assert_close(net.forward(clips).logits, plain(net, clips))
    assert net._fast.chains == ()


@pytest.mark.parametrize(
    ("norm", "chains"),
    [
        (nn.BatchNorm3d(4, affine=False, eps=0.5), [WHOLE]),
        (nn.BatchNorm3d(4, track_running_stats=False), []),
        (nn.SyncBatchNorm(4), []),
        (nn.InstanceNorm3d(4), []),
    ],
)
def test_norms_of_other_kinds(clips, norm, chains):
    net = net_of(lambda self, x: self.relu(self.own(self.conv(x))), own=norm)
    found = net.forward(clips)
    assert net._fast.chains == [replace(chain, norm="own") for chain in chains]
    torch.testing.assert_close(found.logits, plain(net, clips))


def test_a_twin_runs_its_own_chains(clips):
    net = net_of(lambda self, x: self.relu(self.norm(self.conv(x))))
    logits = net.forward(clips).logits
    twin = net.twin()
    assert twin._fast.chains == [WHOLE]
    assert torch.equal(twin.forward(clips).logits, logits)
    assert "forward" not in vars(twin.module.norm)


@pytest.mark.parametrize(
    ("name", "layer", "shape", "num_chains"),
    [("pytorchvideo:x3d_xs", "blocks.3", (4, 160), 83), ("planted:net", "conv4", (16, 64), 5)],
)
def test_networks_are_fused_throughout(name, layer, shape, num_chains):
    torch.manual_seed(0)
    module = load_module(name).module.eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm3d):
            used(part)
    x = torch.randn(2, 3, shape[0], shape[1], shape[1])
    with torch.no_grad():
        expected = module(x)
    net = network(module, layer, tuple(map(str, range(expected.shape[1]))))
    found = net.forward(x)
    assert len(net._fast.chains) == num_chains
    torch.testing.assert_close(found.logits, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
