from __future__ import annotations

import numpy as np
import pytest
import torch

from ace3d_fast.models.labels import read_labels
from ace3d_fast.models.load import load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.registry import KINETICS
from ace3d_fast.models.x3d import convert_x3d_weights
from ace3d_fast.types import ClipSampling
from ace3d_fast.video.decode import read_clips
from ace3d_fast.video.inputs import list_videos


@pytest.fixture(scope="module")
def golden(real_data):
    return np.load(real_data / "x3d_xs" / "golden.npz")


def real_network(real_data, kind):
    folder = real_data / "x3d_xs"
    if kind == "file":
        module, layer = load_module(f"{folder / 'model.py'}:x3d_xs").module, "stages.s5"
    else:
        weights = folder / "x3d_xs_k400.safetensors"
        module, layer = load_module("pytorchvideo:x3d_xs", weights).module, "blocks.4"
    return Network(module, layer, KINETICS, read_labels(folder / "labels_k400.txt"), input_shape=(4, 160))


@pytest.mark.parametrize("kind", ["file", "pytorchvideo"])
def test_golden_logits_and_activations_hold(real_data, golden, kind):
    net = real_network(real_data, kind)
    for start in range(0, len(golden["clips"]), 4):
        part = slice(start, start + 4)
        outputs = net.forward(net.prepare(torch.from_numpy(golden["clips"][part])))
        assert np.abs(outputs.logits.numpy() - golden["logits"][part]).max() < 0.1
        assert np.abs(outputs.activation.numpy() - golden["feat_s5"][part].astype(float)).max() < 0.1
        names = [net.class_names[i] for i in outputs.logits.argmax(1)]
        assert names == golden["top1"][part].tolist()


def test_decoded_clips_give_nearly_the_golden_logits(real_data, golden):
    """The golden clips are the second of their videos, about one grey level darker than they should be."""
    net = real_network(real_data, "file")
    videos = {video.id: video for video in list_videos([real_data / "videos"])}
    checked = 0
    for name, logits in zip(golden["names"].tolist(), golden["logits"], strict=True):
        if name in videos and "juggle" not in name:  # tagged BT.709; the golden clip was read as BT.601
            clip = list(read_clips(videos[name], ClipSampling(4, 2.5, 182, 160), limit=2))[1]
            found = net.forward(net.prepare(clip.network_frames[None])).logits[0].numpy()
            assert found.argmax() == logits.argmax()
            assert abs(found.max() - logits.max()) < 0.3, name
            assert np.abs(found - logits).mean() < 0.15, name
            checked += 1
    assert checked >= 4


def test_foreign_names_pass_and_norms_become_the_identity():
    folded = {
        "stem_t.bias": torch.tensor([3.0]),
        "stages.s2.0.short.weight": torch.ones(2, 2, 1, 1, 1),
        "stages.s2.0.short.bias": torch.tensor([1.0, 2.0]),
        "stages.s2.0.c.bias": torch.tensor([10.0, 20.0]),
        "stages.s3.0.short.weight": torch.ones(4, 2, 1, 1, 1),
        "stages.s3.0.short.bias": torch.ones(4),
        "lin5.weight": torch.ones(3, 2, dtype=torch.float16),
        "other": torch.zeros(1),
    }
    state = convert_x3d_weights(folded)
    assert state["blocks.0.norm.bias"].tolist() == [3.0]
    assert state["blocks.0.norm.running_var"].item() == pytest.approx(1 - 1e-5, abs=1e-7)
    # no norm in a shortcut of equal width: its bias joins the branch it is added to
    assert state["blocks.1.res_blocks.0.branch2.norm_c.bias"].tolist() == [11.0, 22.0]
    assert "blocks.1.res_blocks.0.branch1_norm.bias" not in state
    assert state["blocks.2.res_blocks.0.branch1_norm.bias"].tolist() == [1.0] * 4
    assert state["blocks.5.pool.post_conv.weight"].shape == (3, 2, 1, 1, 1)
    assert state["blocks.5.pool.post_conv.weight"].dtype == torch.float32
    assert state["other"] is folded["other"]
