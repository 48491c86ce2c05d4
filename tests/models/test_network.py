from __future__ import annotations

import pytest
import torch
from nets import PLAIN, Calls, Square, network
from torch import nn
from torch.nn import functional as F

from ace3d_fast.errors import InputError
from ace3d_fast.models.network import Network
from ace3d_fast.types import Normalization


@pytest.fixture
def clips(generator):
    return torch.randn(2, 3, 2, 4, 4, generator=generator)


def conv_net() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1),
        nn.BatchNorm3d(4),
        nn.ReLU(inplace=True),
        nn.Conv3d(4, 6, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(6, 2),
    )
    return body.train()


def test_pixels_are_scaled_as_the_formula_says():
    net = Network(Square(), "grid", Normalization((0.5, 0.25, 0.0), (0.5, 0.25, 1.0)), ["a", "b"])
    frames = torch.zeros(1, 1, 1, 2, 3, dtype=torch.uint8)
    frames[0, 0, 0, 1] = torch.tensor([255, 51, 102])
    x = net.prepare(frames)
    assert x.shape == (1, 3, 1, 1, 2)
    assert x[0, :, 0, 0, 0].tolist() == pytest.approx([-1.0, -1.0, 0.0])
    assert x[0, :, 0, 0, 1].tolist() == pytest.approx([1.0, -0.2, 0.4], abs=1e-6)


def test_logits_activation_and_gradient_are_those_of_the_formula(clips):
    net = network(Square())
    outputs = net.gradients(clips, 1)
    energy = clips.flatten(1).square().sum(1) / 2
    torch.testing.assert_close(outputs.logits, torch.stack([energy, 2 * energy], 1))
    assert torch.equal(outputs.activation, clips)
    torch.testing.assert_close(outputs.gradient, 2 * clips)  # of logit 1
    assert net.forward(clips).gradient is None


def test_forward_and_gradients_agree_with_autograd_through_the_whole_network(clips):
    module = conv_net()
    net = network(module, "3")
    outputs = net.gradients(clips, 0)
    x = clips.clone()
    below = module[2](module[1](module[0](x)))
    activation = module[3](below).detach().requires_grad_()
    logits = module[8](F.relu(activation).mean((2, 3, 4)))
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), activation)
    torch.testing.assert_close(outputs.activation, activation.detach())  # before the ReLU in place
    torch.testing.assert_close(outputs.gradient, gradient)
    torch.testing.assert_close(outputs.logits, logits.detach())
    torch.testing.assert_close(net.forward(clips).logits, outputs.logits)
    torch.testing.assert_close(net.forward(clips).activation, outputs.activation)


def test_only_the_part_above_the_layer_is_differentiated(clips):
    graded = []

    def body(self, x):
        y = self.below(x)
        graded.append(y.requires_grad)
        z = self.above(self.grid(y))
        graded.append(z.requires_grad)
        return z.flatten(1)[:, :2]

    module = Calls(body, below=nn.Conv3d(3, 3, 1), grid=nn.Identity(), above=nn.Conv3d(3, 3, 1))
    outputs = network(module).gradients(clips, 0)
    assert graded == [False, True]
    assert not outputs.logits.requires_grad
    assert not outputs.activation.requires_grad
    assert all(parameter.grad is None for parameter in module.parameters())
    assert torch.is_grad_enabled()


def test_a_network_is_left_as_it_was_but_for_its_mode(clips):
    module = conv_net()
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    network(module, "3").gradients(clips, 0)
    assert not module.training
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(not part._forward_hooks and "_conv_forward" not in vars(part) for part in module.modules())


def test_dropout_is_off(clips):
    net = network(conv_net(), "3")
    assert torch.equal(net.forward(clips).logits, net.forward(clips).logits)


def test_an_error_inside_leaves_no_hook_behind(clips):
    module = Square()
    net = network(module)
    module.weights = None
    for run in (net.forward, lambda x: net.gradients(x, 0)):
        with pytest.raises(TypeError):
            run(clips)
    assert not module.grid._forward_hooks
    assert torch.is_grad_enabled()


class Tokens(nn.Module):
    """Tokens (N, 1 + L, C) and their grid's size, as video transformers hand them on."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Identity()
        self.size = [2, 4, 4]

    def forward(self, x):
        tokens = torch.cat([torch.full((len(x), 1, 3), 7.0), x.flatten(2).transpose(1, 2)], 1)
        tokens, size = self.block((tokens, self.size))
        assert size == self.size
        return (tokens.square() * torch.arange(1.0, 34)[:, None]).sum(1)[:, :2]


def test_tokens_are_seen_as_a_grid_and_the_class_token_stands_aside(clips):
    outputs = network(Tokens(), "block").gradients(clips, 1)
    assert torch.equal(outputs.activation, clips)
    expected = torch.zeros_like(clips)
    expected[:, 1] = 2 * clips[:, 1] * torch.arange(2.0, 34).view(2, 4, 4)
    torch.testing.assert_close(outputs.gradient, expected)
    energy = (clips.flatten(2).square() * torch.arange(2.0, 34)).sum(2)[:, :2] + 49
    torch.testing.assert_close(outputs.logits, energy)


def test_class_names_match_whatever_their_case_and_dashes():
    net = network(Square(3), names=("playing tennis", "Tai Chi", "dive"))
    assert [net.class_index(name) for name in ("Playing_Tennis", "tai-chi", "dive")] == [0, 1, 2]
    assert net.num_classes == 3
    with pytest.raises(InputError, match=r"one of 3, got 'playing_tenis'; nearest: playing tennis"):
        net.class_index("playing_tenis")


def test_an_unknown_layer_gets_its_nearest_names():
    with pytest.raises(InputError, match=r"got 'grit'; nearest: grid, flat"):
        network(Square(), "grit")
    with pytest.raises(InputError, match="layer to be a part of the network, got ''"):
        network(Square(), "")


CLIP = (2, 4)


@pytest.mark.parametrize(
    ("module", "layer", "message"),
    [
        (
            Square(),
            "flat",
            r"layer 'flat' to put out a grid \(N, C, T, H, W\), got shape \(1, 96\) of a Flatten",
        ),
        (Square(), "unused", "layer 'unused' to run once in a forward, got 0 times"),
        (
            Calls(lambda self, x: self.grid(self.grid(x)).flatten(1)[:, :2], grid=nn.Identity()),
            "grid",
            "layer 'grid' to run once in a forward, got 2 times",
        ),
        (Square(3), "grid", "class names for 3 outputs, got 2 names; name them in a labels file"),
        (Calls(lambda self, x: [self.grid(x)], grid=nn.Identity()), "grid", "to be logits .*, got a list"),
        (
            Calls(lambda self, x: self.grid(x).mean(), grid=nn.Identity()),
            "grid",
            r"to be logits \(N, K\), got shape \(\) for 1 clips",
        ),
        (
            Calls(lambda self, x: self.grid(x) @ torch.ones(3, 3), grid=nn.Identity()),
            "grid",
            "to take a clip of 2 frames of 4 px, .*, got RuntimeError",
        ),
    ],
)
def test_a_network_that_does_not_fit_is_refused_in_one_line(module, layer, message):
    with pytest.raises(InputError, match=message) as caught:
        network(module, layer, input_shape=CLIP)
    assert "\n" not in str(caught.value)


def test_a_single_logit_has_no_margin_and_is_refused():
    one = nn.Sequential(nn.Conv3d(3, 1, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    with pytest.raises(InputError, match="at least 2 logits, got 1; give a target"):
        Network(one, "0", PLAIN, ["a"], input_shape=(2, 4))


def test_logits_with_trailing_ones_are_flattened(clips):
    module = Calls(lambda self, x: self.grid(x).mean((2, 3, 4), keepdim=True)[:, :2], grid=nn.Identity())
    assert network(module, input_shape=CLIP).forward(clips).logits.shape == (2, 2)


@pytest.mark.parametrize("method", ["forward", "gradients"])
def test_values_that_are_not_finite_are_refused(clips, method):
    net = network(Square())
    clips[1, 0, 0, 0, 0] = float("nan")
    arguments = (clips,) if method == "forward" else (clips, 0)
    with pytest.raises(InputError, match=r"the activation \(layer 'grid'\) to be finite, got 1 NaN"):
        getattr(net, method)(*arguments)
    net.module.weights = torch.tensor([1.0, float("inf")])
    with pytest.raises(InputError, match=r"the logits .* to be finite"):
        net.forward(torch.ones(1, 3, 2, 4, 4))


def test_a_layer_without_influence_is_refused(clips):
    module = Calls(lambda self, x: (self.grid(x), x.flatten(1)[:, :2])[1], grid=nn.Identity())
    with pytest.raises(InputError, match="layer 'grid' to reach the logits, got one that does not"):
        network(module).gradients(clips, 0)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"device to be cpu or cuda, got 'quantum'$"):
        network(Square(), device="quantum")
    with pytest.raises(InputError, match="device to be one that torch can use here, got 'cuda:99'"):
        network(Square(), device="cuda:99")


def test_a_std_of_zero_is_refused():
    with pytest.raises(InputError, match="std finite and at least 1e-06"):
        Network(Square(), "grid", Normalization((0, 0, 0), (1, 0, 1)), ["a", "b"])


def test_the_network_goes_on_with_the_edited_activation(clips):
    net = Network(Square(), "grid", PLAIN, ["a", "b"])
    whole = net.forward(clips)
    torch.testing.assert_close(net.edited(clips, lambda a: 2 * a), 4 * whole.logits)
    found = net.gradients(clips, 1, edit=lambda a: 3 * a)
    torch.testing.assert_close(found.activation, 3 * whole.activation)
    torch.testing.assert_close(found.gradient, 2 * 3 * whole.activation)


def test_the_margin_is_measured_from_the_largest_other_logit(clips):
    net = Network(Square(3), "grid", PLAIN, ["a", "b", "c"])
    activation = net.forward(clips).activation
    torch.testing.assert_close(net.gradients(clips, 1, target="margin").gradient, (2 - 3) * activation)
    torch.testing.assert_close(net.gradients(clips, 2, target="margin").gradient, (3 - 2) * activation)


def test_bfloat16_is_near_float32_and_comes_back_as_float32(clips):
    exact, near = network(conv_net(), "0"), network(conv_net(), "0", precision="bfloat16")
    near.module.load_state_dict(exact.module.state_dict())
    found, expected = near.gradients(clips, 1), exact.gradients(clips, 1)
    for name in ("logits", "activation", "gradient"):
        ours, right = getattr(found, name), getattr(expected, name)
        assert ours.dtype == torch.float32
        assert not torch.equal(ours, right)
        torch.testing.assert_close(ours, right, atol=0.05, rtol=0.05)


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="precision one of float32, bfloat16, got 'float8'"):
        network(Square(), precision="float8")
