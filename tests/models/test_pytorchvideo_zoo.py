from __future__ import annotations

import builtins
import importlib
import subprocess
import sys

import pytest
import torch

from ace3d_fast.errors import InputError
from ace3d_fast.models import pytorchvideo_zoo as zoo
from ace3d_fast.models.grids import to_grid
from ace3d_fast.models.load import load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.registry import entries, find_entry

NAMES = [entry.name for entry in zoo.PYTORCHVIDEO]


def test_the_registry_knows_networks_by_name():
    assert {"planted:net", "pytorchvideo:x3d_xs", "pytorchvideo:slow_r50"} <= entries().keys()
    entry = find_entry("pytorchvideo:x3d_xs")
    sampling = entry.sampling
    assert (sampling.num_frames, sampling.fps, sampling.resize_px, sampling.crop_px) == (4, 2.5, 182, 182)
    assert (entry.normalization.mean[0], entry.normalization.std[0]) == (0.45, 0.225)


def test_a_file_gets_plain_defaults():
    sampling = find_entry("some/model.py:net").sampling
    assert (sampling.num_frames, sampling.fps, sampling.resize_px, sampling.crop_px) == (16, 7.5, 128, 112)


@pytest.mark.parametrize("name", NAMES)
def test_each_network_gives_logits_and_its_layers_give_grids(name):
    """Traced on the meta device at the size of its entry: shapes only."""
    entry = find_entry(name)
    module = entry.build().eval().to("meta")
    grids = {}
    for layer in entry.layers:
        module.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: grids.update({layer: to_grid(output)})
        )
    side = entry.sampling.crop_px
    logits = module(torch.zeros(2, 3, entry.sampling.num_frames, side, side, device="meta"))
    assert logits.shape == (2, 400)
    assert list(grids)
    assert all(min(grids[layer].values.shape[3:]) >= 6 for layer in entry.layers)
    kinds = {type(part).__name__ for name, part in module.named_modules() if ".attn" not in name}
    assert "Softmax" not in kinds  # logits, not probabilities


def test_swish_is_that_of_torch_with_the_values_of_pytorchvideos(generator):
    module = load_module("pytorchvideo:x3d_xs").module
    swish = importlib.import_module("pytorchvideo.layers.swish").Swish
    assert not any(isinstance(part, swish) for part in module.modules())
    assert sum(isinstance(part, torch.nn.SiLU) for part in module.modules()) == 26  # one a block
    x = 3 * torch.randn(1000, generator=generator)
    torch.testing.assert_close(torch.nn.SiLU()(x), swish()(x))


def test_slowfast_takes_one_clip_and_makes_its_two_rates():
    seen = []
    module = load_module("pytorchvideo:slowfast_r50").module
    module.blocks[5].pool = torch.nn.ModuleList(torch.nn.AdaptiveAvgPool3d(1) for _ in range(2))
    layer, normalization = "blocks.3.multipathway_blocks.0", find_entry(NAMES[0]).normalization
    net = Network(module, layer, normalization, ["a"] * 400, input_shape=(32, 64))
    module.blocks[0].register_forward_pre_hook(lambda _m, inputs: seen.extend(inputs[0]))
    clip = torch.randint(0, 256, (1, 32, 64, 64, 3), dtype=torch.uint8)
    outputs = net.gradients(net.prepare(clip), 3)
    assert outputs.gradient.shape == outputs.activation.shape == (1, 1024, 8, 4, 4)
    assert outputs.gradient.abs().sum() > 0
    slow, fast = seen
    assert torch.equal(slow, fast[:, :, ::4])


def test_mvit_gives_token_grids():
    module = load_module("pytorchvideo:mvit_base_16x4").module
    net = Network(module, "blocks.14", find_entry(NAMES[0]).normalization, ["a"] * 400)
    outputs = net.gradients(net.prepare(torch.zeros(1, 16, 224, 224, 3, dtype=torch.uint8)), 0)
    assert outputs.activation.shape == outputs.gradient.shape == (1, 768, 8, 7, 7)
    assert outputs.gradient.abs().sum() > 0


def test_torchvision_is_lent_for_the_import_only():
    """In a process of its own, so that pytorchvideo is imported anew; with a torchvision that is broken."""
    code = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            raise ImportError("operator torchvision::nms does not exist")
sys.meta_path.insert(0, Broken())
from ace3d_fast.models.pytorchvideo_zoo import build_pytorchvideo_network
net = build_pytorchvideo_network("x3d_xs", head_activation=None)
assert sum(p.numel() for p in net.parameters()) == 3_794_274
assert not [name for name in sys.modules if name.startswith("torchvision")]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_missing_pytorchvideo_is_told(monkeypatch):
    monkeypatch.setattr(zoo.importlib, "import_module", _without_pytorchvideo)
    with pytest.raises(InputError, match=r"pytorchvideo to be installed, got .*; pip install pytorchvideo"):
        zoo.build_pytorchvideo_network("x3d_xs")


def _without_pytorchvideo(name: str) -> object:
    if name.startswith("pytorchvideo"):
        raise ModuleNotFoundError(f"No module named {name!r}")
    return builtins.__import__(name)
