"""Each family of networks explains a planted clip."""

from __future__ import annotations

import builtins
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from families import FAMILIES, NUM_CLASSES, Small
from torch import Tensor, nn

from ace3d_fast import explain
from ace3d_fast.config import FeatureOptions, SegmentOptions
from ace3d_fast.errors import InputError
from ace3d_fast.models import transformers_zoo
from ace3d_fast.models.attributions import clip_slopes, region_attributions
from ace3d_fast.models.grids import Layout, set_layouts, to_grid
from ace3d_fast.models.layers import list_layers
from ace3d_fast.models.load import load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Probe
from ace3d_fast.models.registry import KINETICS, entries, find_entry
from ace3d_fast.stages.features import describe_regions
from ace3d_fast.stages.supervoxels import cut_supervoxels
from ace3d_fast.types import Clip, SegmentedClip, Video
from ace3d_fast.video.planted import CLASSES, make_clip, write_planted_videos

NEEDS = {"videomae": "transformers", "timesformer": "transformers", "vivit": "transformers"}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Small:
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    return FAMILIES[request.param]


def cut_network(family: Small, layer: str | None = None) -> Network:
    return Network(family.make(), layer or family.layer, KINETICS, CLASSES)


def planted_clip(num_frames: int, seed: int = 0) -> Clip:
    made = make_clip(seed % NUM_CLASSES, np.random.default_rng(seed), num_frames=num_frames)
    return Clip(Video("a", Path("a"), "a", "a"), 0, 0.0, torch.from_numpy(made.frames))


def cut_clip(num_frames: int, seed: int = 0) -> tuple[SegmentedClip, pd.DataFrame]:
    options = SegmentOptions(num_regions=(8,), min_volume_share=0.0)
    return cut_supervoxels([planted_clip(num_frames, seed)], options)[0]


def test_it_explains_a_planted_clip(family):
    network = cut_network(family)
    cut = cut_clip(family.num_frames)
    outputs = network.gradients(network.prepare(cut[0].clip.frames[None]), 2)
    assert tuple(outputs.activation.shape) == (1, *family.shape)
    assert float(outputs.gradient.abs().sum()) > 0

    found = describe_regions([cut], network, FeatureOptions(), num_frames=family.num_frames, class_index=2)[0]
    assert found.features.shape == (cut[0].num_regions, family.shape[0])
    assert np.abs(found.features - found.features[:1])[1:].max(1).min() > 0  # no two regions are alike
    # The regions fill the clip, so their parts of the gradient make up the whole.
    np.testing.assert_allclose(found.region_gradients.sum(0), found.gradient, atol=1e-4, rtol=1e-3)

    shares = region_attributions(network, cut[0], 2)["gradient_x_activation"]
    way, slopes = clip_slopes(network, cut[0].clip.frames, 2)
    torch.testing.assert_close(shares.sum(), (slopes["gradient"] * way).sum(), atol=1e-3, rtol=1e-3)

    probe = Probe(network, family.num_frames)
    everything = [range(cut[0].num_regions)]
    np.testing.assert_allclose(probe.alone(cut[0], everything).logits[0], found.logits, atol=1e-4)
    assert np.abs(probe.without(cut[0], [[0]])[0] - found.logits).max() > 1e-6


@pytest.mark.parametrize("name", ["slowfast", "timesformer"])
def test_a_whole_run_explains_it(name, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    family = FAMILIES[name]
    videos = write_planted_videos(tmp_path, videos_per_class=6, seed=2)
    run = explain(
        [videos / CLASSES[0], *sorted((videos / CLASSES[1]).iterdir())[:3]],
        target_class=CLASSES[0],
        model="planted:net",  # the name of its classes and clips
        module=family.make(),
        layer=family.layer,
        out=tmp_path / "run",
        clip_frames=family.num_frames,
        num_regions=[8],
        num_clusters=2,
        forwards_per_concept=4,
    )
    assert run.regions.loc[run.regions["label"] == CLASSES[0], "sensitivity"].notna().any()
    assert run.concepts["region_effect"].notna().any()
    assert all(cav.shape[1] == family.shape[0] for cav in run.cavs.values())


def test_clips_of_a_batch_do_not_see_each_other(family):
    network = cut_network(family)
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    clips = torch.stack([planted_clip(family.num_frames, seed).frames for seed in (0, 1)])
    together = network.gradients(network.prepare(clips), 1)
    for i in (0, 1):
        single = network.gradients(network.prepare(clips[i : i + 1]), 1)
        torch.testing.assert_close(single.logits[0], together.logits[i], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(single.activation[0], together.activation[i], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(single.gradient[0], together.gradient[i], atol=1e-4, rtol=1e-3)
    after = network.module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_an_edit_that_changes_nothing_changes_no_logit(family):
    network = cut_network(family)
    x = network.prepare(planted_clip(family.num_frames).frames[None])
    torch.testing.assert_close(
        network.edited(x, lambda grid: grid), network.forward(x).logits, atol=1e-5, rtol=1e-5
    )
    changed = network.edited(x, lambda grid: grid.roll(1, 1))
    assert not torch.allclose(changed, network.forward(x).logits, atol=1e-4)


def test_a_layer_without_a_grid_is_told(family):
    network = cut_network(family, family.no_grid)
    with pytest.raises(
        InputError, match=r"to put out a grid .* got (shape|a) .*; the command `ace3d-fast layers`"
    ):
        network.forward(network.prepare(planted_clip(family.num_frames).frames[None]))


def test_its_layer_is_listed(family):
    listed = {layer.name: layer for layer in list_layers(family.make(), (family.num_frames, 64))}
    assert listed[family.layer].shape == family.shape
    assert listed[family.layer].is_bottleneck


def test_each_entry_tells_what_its_network_takes():
    found = {name.partition(":")[0] for name in entries()}
    assert found == {"planted", "pytorchvideo", "torchvision", "transformers"}
    for entry in entries().values():
        assert entry.layers
        assert entry.sampling.num_frames >= 4
        assert entry.build is not None


# Two pathways ---------------------------------------------------------------------------------


def test_slowfast_pools_each_pathway_in_its_own_frames():
    """The region moves from left to right after the first frame: the slow pathway saw it left, in frame 0."""
    network = cut_network(FAMILIES["slowfast"])
    x = network.prepare(planted_clip(8).frames[None])
    outputs = network.forward(x)
    slow, fast = outputs.pathways
    assert (slow.frame_stride, fast.frame_stride) == (4, 1)
    labels = torch.full((1, 1, 8, 64, 64), -1, dtype=torch.int32)
    labels[:, :, 0, :, :32] = 0
    labels[:, :, 1:4, :, 32:] = 0
    clip = SegmentedClip(planted_clip(8), labels[0], 1)
    table = pd.DataFrame({"index": [0]})
    found = describe_regions([(clip, table)], network, FeatureOptions(), num_frames=8)[0].features[0]
    activation = outputs.activation[0]
    left = activation[: slow.num_channels, 0, :, :2].mean((1, 2))
    np.testing.assert_allclose(found[: slow.num_channels], left, atol=1e-5)
    of_fast = activation[slow.num_channels :]
    both = (of_fast[:, 0, :, :2].mean((1, 2)) + of_fast[:, 1:4, :, 2:].mean((1, 2, 3)) * 3) / 4
    np.testing.assert_allclose(found[slow.num_channels :], both, atol=1e-5)


def test_a_region_between_the_frames_of_a_pathway_gets_the_nearest_cells():
    network = cut_network(FAMILIES["slowfast"], "blocks.3.multipathway_blocks.0")
    outputs = network.forward(network.prepare(planted_clip(8).frames[None]))
    labels = torch.full((1, 8, 64, 64), -1, dtype=torch.int32)
    labels[:, 5:7, :32] = 0
    clip = SegmentedClip(planted_clip(8), labels, 1)
    found = describe_regions(
        [(clip, pd.DataFrame({"index": [0]}))], network, FeatureOptions(), num_frames=8, class_index=0
    )[0]
    np.testing.assert_allclose(found.features[0], outputs.activation[0, :, 1, :2].mean((1, 2)), atol=1e-5)
    assert not found.region_gradients.any()  # but none of the gradient is its own


@pytest.mark.parametrize("pathway", [0, 1])
def test_one_pathway_is_chosen_by_its_layer(pathway):
    network = cut_network(FAMILIES["slowfast"], f"blocks.3.multipathway_blocks.{pathway}")
    outputs = network.forward(network.prepare(planted_clip(8).frames[None]))
    assert outputs.activation.shape[2] == (2, 8)[pathway]
    assert [p.frame_stride for p in outputs.pathways] == [(4, 1)[pathway]]


def test_pathways_of_other_places_are_no_grid():
    parts = [torch.zeros(1, 2, 4, 3, 3), torch.zeros(1, 2, 8, 5, 5)]
    assert to_grid(parts) is None
    assert to_grid([torch.zeros(1, 2, 3, 3, 3), torch.zeros(1, 2, 8, 3, 3)]) is None


def test_a_joined_grid_goes_back_as_it_came():
    parts = [torch.randn(2, 3, 4, 2, 2), torch.randn(2, 1, 8, 2, 2)]
    grid = to_grid(parts, Layout(frame_strides=(2, 1)))
    assert grid is not None
    assert grid.values.shape == (2, 4, 8, 2, 2)
    back = grid.restore(grid.values)
    assert isinstance(back, list)
    assert all(torch.allclose(a, b) for a, b in zip(parts, back, strict=True))


# Tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["thw", "hwt"])
def test_tokens_stand_where_their_layout_says(order):
    t, h, w = 2, 3, 4
    values = torch.arange(t * h * w).reshape(t, h, w).float()
    rows = values if order == "thw" else values.permute(1, 2, 0)
    tokens = torch.cat([torch.tensor([-1.0]), rows.flatten()])[None, :, None]
    grid = to_grid((tokens, "more"), Layout(tokens=(t, h, w), order=order))
    assert grid is not None
    assert torch.equal(grid.values[0, 0], values)
    assert torch.equal(grid.restore(grid.values)[0], tokens)
    assert grid.restore(grid.values)[1] == "more"
    assert to_grid(tokens[:, :-3], Layout(tokens=(t, h, w), order=order)) is None


@pytest.mark.parametrize("name", ["videomae", "timesformer", "vivit"])
def test_tokens_lie_where_they_look(name):
    """Before any attention a token knows its own patch: the cell of a corner that changes moves, alone."""
    pytest.importorskip("transformers")
    family = FAMILIES[name]
    module = family.make()
    size = family.shape[1:]
    embeddings = module.get_submodule(f"{name}.embeddings")
    layout = find_layout_of(module)
    clip = torch.zeros(1, 8, 3, 64, 64)
    changed = clip.clone()
    changed[:, -2:, :, :16, -16:] = 1.0  # the last two frames, upper right
    mask = (None,) if name == "videomae" else ()
    moved = (embeddings(changed, *mask) - embeddings(clip, *mask)).abs()
    grid = to_grid(moved, layout)
    assert grid is not None
    where = grid.values[0].sum(0).nonzero().tolist()
    assert {(y, x) for _, y, x in where} == {(0, 3)}
    assert {t for t, _, _ in where} == ({size[0] - 1} if size[0] == 4 else {6, 7})


@pytest.mark.parametrize("name", ["timesformer", "vivit"])
def test_of_the_last_block_only_the_class_token_counts(name):
    """So none of its cells moves the logits, and it is no layer to explain."""
    pytest.importorskip("transformers")
    family = FAMILIES[name]
    last = family.layer.replace(".1", ".2")
    assert last not in {layer.name for layer in list_layers(family.make(), (8, 64), everything=True)}
    network = cut_network(family, last)
    with pytest.raises(InputError, match="to put out a grid"):
        network.forward(torch.zeros(1, 3, 8, 64, 64))


@pytest.mark.parametrize("name", ["videomae_base", "timesformer_base", "vivit_base_16x2"])
def test_the_layers_of_an_entry_are_grids_at_its_size(name):
    pytest.importorskip("transformers")
    entry = find_entry(f"transformers:{name}")
    with torch.device("meta"):
        module = entry.build().eval()
    clip = (entry.sampling.num_frames, entry.sampling.crop_px)
    listed = {layer.name: layer for layer in list_layers(module, clip)}
    for layer in entry.layers:
        assert listed[layer].shape[0] == 768
        assert listed[layer].shape[2:] == (14, 14)
        assert listed[layer].nonlinear_above


def find_layout_of(module: nn.Module) -> Layout:
    layouts: dict[str, Layout] = vars(module)["layouts"]
    (layout,) = set(layouts.values())
    return layout


def test_a_missing_transformers_is_told(monkeypatch):
    monkeypatch.setattr(transformers_zoo.importlib, "import_module", _without("transformers"))
    with pytest.raises(
        InputError, match=r"transformers to be installed, got .*; pip install 'ace3d_fast\[tran"
    ):
        transformers_zoo.build_transformer("vivit")


def test_a_factory_may_return_a_network_of_transformers(tmp_path):
    pytest.importorskip("transformers")
    (tmp_path / "net.py").write_text(
        "from transformers import VivitConfig, VivitForVideoClassification\n"
        "def make():\n"
        "    return VivitForVideoClassification(VivitConfig(image_size=32, num_frames=4, hidden_size=8,\n"
        "        num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, num_labels=3))\n"
    )
    module = load_module(f"{tmp_path / 'net.py'}:make").module
    assert module(torch.zeros(2, 3, 4, 32, 32)).shape == (2, 3)
    assert transformers_zoo.adapt_transformer(module) is module
    assert module(torch.zeros(2, 3, 4, 32, 32)).shape == (2, 3)  # not adapted twice


# torchvision and factories ---------------------------------------------------------------------


class ChannelsLastNet(nn.Module):
    """As swin3d: ``features.0`` puts out (N, T, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 5, 4, stride=4)
        self.features = nn.Sequential(nn.Identity())
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        a: Tensor = self.features(self.conv(x).movedim(1, -1))
        return self.head(a.relu().mean((1, 2, 3)))


def test_torchvision_networks_are_built_by_name(monkeypatch):
    video = types.ModuleType("torchvision.models.video")
    seen = []

    def swin3d_t(*, weights: object) -> nn.Module:
        seen.append(weights)
        return ChannelsLastNet()

    vars(video)["swin3d_t"] = swin3d_t
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "torchvision.models.video", video)
    module = load_module("torchvision:swin3d_t").module
    assert seen == [None]
    network = Network(module, "features.0", find_entry("torchvision:swin3d_t").normalization, ["a", "b"])
    x = torch.randn(1, 3, 8, 12, 16)
    outputs = network.gradients(x, 0)
    assert outputs.activation.shape == outputs.gradient.shape == (1, 5, 2, 3, 4)
    assert torch.equal(outputs.activation, module.conv(x))


def test_a_missing_torchvision_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models.video", None)
    with pytest.raises(InputError, match=r"torchvision to be installed, got .*; install the torchvision of"):
        load_module("torchvision:r3d_18")


def test_a_factory_is_found_by_the_name_of_its_module(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text("import torch\ndef make():\n    return torch.nn.Flatten()\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert isinstance(load_module("my_nets:make").module, nn.Flatten)
    assert sys.path == before
    with pytest.raises(InputError, match="my_nets to define 'mke', got none; nearest: make"):
        load_module("my_nets:mke")
    with pytest.raises(
        InputError, match="got ModuleNotFoundError: No module named 'no_nets'; check the path"
    ):
        load_module("no_nets:make")
    (tmp_path / "bad_nets.py").write_text("import no_such_thing\n")
    with pytest.raises(InputError, match="No module named 'no_such_thing'; run that file by itself"):
        load_module("bad_nets:make")


def test_a_network_may_say_what_its_layers_put_out():
    module = ChannelsLastNet()
    set_layouts(module, {"features*": Layout(channels_last=True)})
    (layer,) = [layer for layer in list_layers(module, (12, 12), everything=True) if "features" in layer.name]
    assert layer.shape == (5, 3, 3, 3)


def _without(package: str):
    def import_module(name: str) -> object:
        if name.startswith(package):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return builtins.__import__(name)

    return import_module
