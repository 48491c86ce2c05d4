"""Networks as users give them."""

from __future__ import annotations

import pytest
import torch
from nets import PLAIN, Calls, Square, network
from torch import nn

from ace3d_fast.errors import InputError
from ace3d_fast.models.layers import list_layers
from ace3d_fast.models.load import digest, load_module
from ace3d_fast.models.network import Network

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

WRAPPERS = [nn.DataParallel, torch.compile, lambda net: torch.compile(nn.DataParallel(net))]


def small_net() -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(3, 4, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_wrapped_network_is_the_one_inside(wrap):
    net = small_net()
    given = wrap(net)
    assert Network(given, "1", PLAIN, list("abcd"), input_shape=(4, 8)).module is net
    assert digest(given) == digest(net)
    assert [layer.name for layer in list_layers(given, (4, 8))] == [
        layer.name for layer in list_layers(net, (4, 8))
    ]


def test_weights_fit_a_network_that_its_file_wraps(tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\nready = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Conv3d(3, 4, 1)))\n"
    )
    net = nn.Sequential(nn.Conv3d(3, 4, 1))
    for given in (net, nn.DataParallel(net)):
        torch.save(given.state_dict(), tmp_path / "net.pt")
        loaded = load_module(f"{tmp_path / 'net.py'}:ready", tmp_path / "net.pt").module
        assert digest(loaded) == digest(net)


@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda net: torch.jit.trace(net.eval(), torch.zeros(1, 3, 4, 8, 8))]
)
def test_torchscript_is_refused(make):
    given = make(small_net())
    for use in (lambda: Network(given, "1", PLAIN, list("abcd")), lambda: list_layers(given, (4, 8))):
        with pytest.raises(InputError, match=r"a module of Python, got TorchScript .*; give the network"):
            use()


@pytest.mark.parametrize("name", ["half", "bfloat16", "double"])
def test_weights_of_another_type_are_named(name):
    given = getattr(small_net(), name)()
    dtype = str(next(given.parameters()).dtype).removeprefix("torch.")
    with pytest.raises(InputError, match=rf"its weights are {dtype} and clips float32: call its \.float"):
        Network(given, "1", PLAIN, list("abcd"), input_shape=(4, 8))


def test_a_network_that_cannot_take_the_clip_is_told_its_shape():
    given = Calls(lambda self, x: self.conv(x.transpose(1, 2)), conv=nn.Conv3d(3, 4, 1))
    shape = r"\(N, C, T, H, W\) = \(1, 3, 4, 8, 8\), got RuntimeError: .*; set --clip-frames and --size"
    with pytest.raises(InputError, match=shape):
        Network(given, "conv", PLAIN, list("abcd"), input_shape=(4, 8))
    with pytest.raises(InputError, match=shape):
        list_layers(given, (4, 8))


class Probe(nn.Module):
    """A linear head on a body that is not trained; ``guard`` is what its forward stands in."""

    def __init__(self, guard) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv3d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv3d(4, 4, 1))
        self.head = nn.Sequential(nn.GELU(), nn.Linear(4, 2))
        self.guard = guard

    def forward(self, x):
        with self.guard():
            features = self.body(x)
        return self.head(features.mean((2, 3, 4)))


def test_a_body_without_gradients_is_explained_as_one_with_them():
    clips = torch.rand(2, 3, 4, 8, 8)
    frozen, free = (
        Network(Probe(guard), "body.1", PLAIN, ["a", "b"], input_shape=(4, 8))
        for guard in (torch.no_grad, torch.enable_grad)
    )
    outputs = frozen.gradients(clips, 1)
    assert outputs.gradient.abs().sum() > 0
    assert torch.equal(outputs.gradient, free.gradients(clips, 1).gradient)
    assert not outputs.logits.requires_grad
    assert torch.is_grad_enabled()
    listed = [list_layers(network.module, (4, 8)) for network in (frozen, free)]
    assert listed[0] == listed[1]
    assert [layer.name for layer in listed[0]] == ["body.0", "body.1", "body"]


def test_a_layer_whose_way_to_the_logits_has_no_gradient_is_told_why():
    class Inference(Square):
        def forward(self, x):
            with torch.inference_mode():
                return super().forward(x)

    net = network(Inference(), input_shape=(2, 4))
    with pytest.raises(InputError, match=r"to reach the logits, got one that does not; .*inference_mode"):
        net.gradients(torch.ones(1, 3, 2, 4, 4), 0)
