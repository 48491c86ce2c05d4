from __future__ import annotations

import pytest
import torch
from nets import Calls
from torch import nn

from ace3d_fast.errors import InputError
from ace3d_fast.models.layers import LayerInfo, default_layer, list_layers
from ace3d_fast.models.load import load_module
from ace3d_fast.models.planted import PlantedNet


def listed(module: nn.Module, clip: tuple[int, int] = (8, 16), **options: bool) -> dict[str, LayerInfo]:
    return {layer.name: layer for layer in list_layers(module, clip, **options)}


def test_receptive_fields_of_the_planted_network():
    """By hand: 3, then + 2 * (product of the strides before) for each 3-wide convolution."""
    layers = listed(PlantedNet(), (16, 64))
    found = [(layers[f"conv{i}"].field_frames, layers[f"conv{i}"].field_px) for i in range(1, 6)]
    assert found == [(3, 3), (5, 7), (9, 15), (17, 31), (25, 47)]
    assert [layers[f"conv{i}"].shape for i in (1, 4)] == [(16, 16, 32, 32), (64, 4, 8, 8)]


def measured_field(module: nn.Module, layer: str, clip: tuple[int, int]) -> tuple[int, int]:
    """Extent of the input voxels that the middle cell of ``layer`` has a gradient for."""
    seen = []
    module.double().eval().get_submodule(layer).register_forward_hook(lambda _m, _i, out: seen.append(out))
    x = torch.randn(1, 3, clip[0], clip[1], clip[1], dtype=torch.float64).requires_grad_()
    module(x)
    grid = seen[0]
    grid[0, :, grid.shape[2] // 2, grid.shape[3] // 2, grid.shape[4] // 2].sum().backward()
    touched = x.grad.abs().sum(dim=(0, 1)).nonzero()
    extent = touched.max(0).values - touched.min(0).values + 1
    return int(extent[0]), int(extent[1:].max())


@pytest.mark.parametrize(
    "parts",
    [
        [nn.Conv3d(3, 4, 3, 1, 1), nn.Conv3d(4, 4, 3, 2, 1), nn.Conv3d(4, 4, (3, 1, 1), 1, (1, 0, 0))],
        [
            nn.Conv3d(3, 4, 3, dilation=(1, 3, 3), padding=1),
            nn.AvgPool3d((1, 2, 2)),
            nn.Conv3d(4, 4, 3, 1, 1),
        ],
        [nn.Conv3d(3, 4, (1, 5, 5), (1, 2, 2), (0, 2, 2)), nn.Conv3d(4, 4, (5, 1, 1), (2, 1, 1), (2, 0, 0))],
    ],
)
def test_the_field_is_what_a_cell_has_a_gradient_for(parts):
    module = nn.Sequential(*parts, nn.AdaptiveAvgPool3d(1), nn.Flatten())
    layer = str(len(parts) - 1)
    info = listed(module, (24, 48))[layer]
    assert (info.field_frames, info.field_px) == measured_field(module, layer, (24, 48))


def test_max_pools_widen_the_field():
    module = nn.Sequential(nn.Conv3d(3, 4, 3, 1, 1), nn.MaxPool3d(3, 2, 1), nn.Conv3d(4, 4, 3, 1, 1))
    module.append(nn.AdaptiveAvgPool3d(1)).append(nn.Flatten())
    layers = listed(module)
    assert [(layers[n].field_frames, layers[n].field_px) for n in "012"] == [(3, 3), (5, 5), (9, 9)]


class Residual(nn.Module):
    """x + scaled convolution of x, the scale from a global mean (squeeze-and-excitation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, 3, padding=1)
        self.gate = nn.Conv3d(channels, channels, 1)

    def forward(self, x):
        y = self.conv(x)
        return torch.relu(x + y * torch.sigmoid(self.gate(y.mean((2, 3, 4), keepdim=True))))


def residual_net() -> nn.Sequential:
    head = [nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2)]
    return nn.Sequential(nn.Conv3d(3, 4, 1), Residual(4), Residual(4), *head)


def test_global_pools_beside_the_main_path_do_not_count():
    layers = listed(residual_net())
    assert [(name, layer.field_frames) for name, layer in layers.items()] == [
        *(("0", 1), ("1", 3), ("2", 5)),
        ("3", None),  # the global pool in the main path
    ]


def test_parts_inside_a_residual_block_are_listed_on_demand():
    assert "1.conv" not in listed(residual_net())
    inside = listed(residual_net(), everything=True)["1.conv"]
    assert not inside.is_bottleneck
    assert "bypassed" in inside.notes


def test_a_linear_rest_and_a_short_field_are_noted():
    layers = listed(residual_net())
    assert layers["1"].nonlinear_above
    assert not layers["2"].nonlinear_above
    assert layers["2"].notes == ("linear above", "short")
    assert default_layer(list(layers.values())).name == "1"


def test_attention_sees_everything():
    def body(self, x):
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        mixed = torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens
        grid = self.grid((tokens + mixed).transpose(1, 2).unflatten(2, (8, 4, 4)))
        return torch.relu(grid).mean((2, 3, 4))

    module = Calls(body, embed=nn.Conv3d(3, 4, (1, 4, 4), (1, 4, 4)), grid=nn.Identity())
    layers = listed(module)
    assert (layers["embed"].field_frames, layers["embed"].field_px) == (1, 4)
    assert layers["grid"].field_frames is None
    assert layers["grid"].notes == ()


def test_an_output_with_several_names_is_listed_under_the_shortest():
    inner = nn.Sequential(nn.Conv3d(3, 4, 3, 1, 1), nn.ReLU())
    module = nn.Sequential(nn.Sequential(inner), nn.Conv3d(4, 4, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    layers = listed(module)
    assert layers["0"].also == ("0.0", "0.0.1")
    assert layers["0"].is_block


def test_layers_that_are_no_grid_run_twice_or_lead_nowhere_are_left_out():
    def body(self, x):
        y = self.twice(self.twice(self.conv(x)))
        self.aside(y)
        z = self.last_axis(y)
        return self.flat(z)[:, :2]

    module = Calls(
        body,
        conv=nn.Conv3d(3, 4, 1),
        twice=nn.ReLU(),
        aside=nn.Conv3d(4, 4, 1),
        last_axis=nn.Linear(16, 16),
        flat=nn.Flatten(),
    )
    assert list(listed(module)) == list(listed(module, everything=True)) == ["conv"]


def test_layers_come_in_the_order_they_run_and_the_mode_is_kept():
    module = residual_net().train()
    assert list(listed(module, everything=True))[:4] == ["0", "1.conv", "1.gate", "1"]
    assert module.training


def test_a_network_that_reads_values_is_run_in_earnest():
    def body(self, x):
        y = self.conv(x)
        return torch.relu(y * (2.0 if float(y.detach().sum()) > 0 else 1.0)).mean((2, 3, 4))

    layers = listed(Calls(body, conv=nn.Conv3d(3, 4, 3, padding=1)))
    assert (layers["conv"].shape, layers["conv"].field_frames) == ((4, 8, 16, 16), 3)


def test_a_clip_that_does_not_fit_is_told_in_one_line():
    with pytest.raises(InputError, match=r"2 frames of 4 px, .*, got RuntimeError") as caught:
        list_layers(nn.Sequential(nn.Conv3d(3, 4, 7), nn.Flatten()), (2, 4))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "clip", "layers", "default"),
    [
        (
            "pytorchvideo:x3d_xs",
            (4, 160),
            {"blocks.3": (96, 4, 10, 10), "blocks.4": (192, 4, 5, 5)},
            "blocks.4",
        ),
        ("pytorchvideo:slow_r50", (8, 224), {"blocks.3": (1024, 8, 14, 14)}, "blocks.4.res_blocks.1"),
        ("pytorchvideo:mvit_base_16x4", (16, 224), {"blocks.13": (768, 8, 14, 14)}, "blocks.15"),
    ],
)
def test_layers_of_the_zoo(name, clip, layers, default):
    found = list_layers(load_module(name).module, clip)
    shapes = {layer.name: layer.shape for layer in found}
    assert layers.items() <= shapes.items()
    assert default_layer(found).name == default


def test_pathways_are_listed_where_there_are_several():
    found = listed(load_module("pytorchvideo:slowfast_r50").module, (32, 224))
    assert found["blocks.4.multipathway_blocks.0"].shape == (2048, 8, 7, 7)
    assert found["blocks.4.multipathway_blocks.1"].shape == (256, 32, 7, 7)


def test_no_layer_is_chosen_where_none_suits():
    assert default_layer([]) is None
    assert default_layer(list_layers(nn.Sequential(nn.Conv3d(3, 2, 1), nn.Flatten()), (2, 4))) is None
