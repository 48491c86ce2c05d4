"""Stages of a run on a GPU, or the device that stands for one, find what they find on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from compared import DEVICE
from torch import Tensor, nn
from volumes import smooth_clip

from ace3d_fast.config import FeatureOptions, SegmentOptions
from ace3d_fast.engines.local import prefetch
from ace3d_fast.engines.upload import uploaded
from ace3d_fast.models.attributions import region_attributions
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Probe
from ace3d_fast.stages.concepts import kmeans_on
from ace3d_fast.stages.features import describe_regions
from ace3d_fast.stages.fidelity import latent_curves
from ace3d_fast.stages.supervoxels import cut_supervoxels
from ace3d_fast.types import Clip, Normalization, SegmentedClip, Video

SIZE = (8, 64, 64)


class SmallNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv3d(3, 16, 3, stride=(1, 4, 4), padding=1)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x).relu().mean((2, 3, 4)))


def blocks(number: int = 3, per_block: int = 4) -> list[list[Clip]]:
    video = Video("a", Path("a"), "red", "a")
    frames = smooth_clip(SIZE, num_clips=number * per_block)
    clips = [Clip(video, i, 0.0, frame) for i, frame in enumerate(frames)]
    return [clips[i : i + per_block] for i in range(0, len(clips), per_block)]


def network(device: str, **options: str) -> Network:
    torch.manual_seed(0)
    grey = Normalization((0.45,) * 3, (0.225,) * 3)
    return Network(SmallNet(), "layer", grey, ["a", "b", "c"], device=device, **options)


def described(net: Network) -> list[Tensor]:
    found = []
    for block in prefetch(uploaded(blocks(), net.device)):
        cut = cut_supervoxels(block.clips, SegmentOptions(), frames=block.wait())
        described = describe_regions(cut, net, FeatureOptions(), num_frames=SIZE[0], class_index=1)
        for (clip, _), features in zip(cut, described, strict=True):
            values = (features.features, features.region_gradients, features.logits)
            found += [clip.labels, *(torch.from_numpy(value) for value in values)]
    return found


def cut_clip() -> SegmentedClip:
    ((clip,),) = blocks(1, 1)
    return cut_supervoxels([clip], SegmentOptions())[0][0]


def close(ours: object, right: object) -> None:
    torch.backends.cudnn.allow_tf32 = False
    torch.testing.assert_close(torch.as_tensor(ours), torch.as_tensor(right), atol=1e-4, rtol=1e-3)


def test_labels_are_the_same_and_features_close():
    torch.backends.cudnn.allow_tf32 = False
    for ours, right in zip(described(network(DEVICE)), described(network("cpu")), strict=True):
        if right.dtype == torch.int32:
            assert torch.equal(ours, right)
        else:
            torch.testing.assert_close(ours, right, atol=1e-4, rtol=1e-3)


def test_bfloat16_is_near():
    ours, right = described(network(DEVICE, precision="bfloat16")), described(network(DEVICE))
    for near, exact in zip(ours, right, strict=True):
        assert near.dtype == exact.dtype
        torch.testing.assert_close(near.double(), exact.double(), atol=5e-2, rtol=5e-2)


@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_regions_shown_alone_and_removed_do_what_they_do_on_the_cpu(fill):
    clip, sets = cut_clip(), [[0], [1, 2], [0, 3], [4]]
    probes = [Probe(network(device), SIZE[0], fill=fill, batch=3) for device in (DEVICE, "cpu")]
    ours, right = (probe.alone(clip, sets) for probe in probes)
    close(ours.logits, right.logits)
    close(ours.features, right.features)
    close(*(probe.without(clip, sets) for probe in probes))


def test_attributions_and_latent_curves_are_those_of_the_cpu():
    torch.backends.cudnn.allow_tf32 = False
    clip, nets = cut_clip(), [network(DEVICE), network("cpu")]
    ours, right = (region_attributions(net, clip, 1) for net in nets)
    for name, values in right.items():
        close(ours[name], values)
    orders = {"top": np.eye(16, dtype=np.float32)[:3]}
    ours, right = (latent_curves(net, clip.clip.network_frames, orders, 1) for net in nets)
    assert ours == right


def test_clusters_are_those_of_the_cpu():
    points = np.random.default_rng(0).normal(size=(3000, 24)).astype(np.float32)
    (found, labels), (expected, right) = (
        kmeans_on(torch.device(device))(points, 7, 0, 3) for device in (DEVICE, "cpu")
    )
    close(found, expected)
    assert np.array_equal(labels, right)
