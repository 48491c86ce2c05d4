from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import video
from volumes import label_map

from ace3d_fast import ops
from ace3d_fast.config import SegmentOptions
from ace3d_fast.errors import InputError
from ace3d_fast.ops import reference
from ace3d_fast.stages.supervoxels import cut_supervoxels
from ace3d_fast.types import Clip


class FixedLabels:
    """Stands for SLIC: the label maps are given."""

    region_overlap = staticmethod(ops.region_overlap)

    def __init__(self, maps):
        self.maps = maps

    def segment_clips(self, frames, num_regions, *, compactness, sigma, spacing, quality):
        return self.maps[None].int()


def clip_of(shape, stride=1):
    return Clip(video("a"), 0, 0.0, torch.zeros(*shape, 3, dtype=torch.uint8), stride)


def quadrant_map():
    labels = torch.zeros(2, 4, 4)
    labels[:, :2, 2:] = 1
    labels[:, 2:, :2] = 2
    labels[:, 2:, 2:] = 3
    return labels


def test_a_region_found_again_at_a_finer_resolution_is_dropped():
    coarse = torch.zeros(2, 4, 4)
    coarse[:, 2:] = 1
    fine = quadrant_map()
    fine[:, :2] = 0  # the upper half again, the lower half in two
    options, maps = SegmentOptions(num_regions=(2, 4)), FixedLabels(torch.stack([coarse, fine]))
    ((cut, table),) = cut_supervoxels([clip_of((2, 4, 4))], options, backend=maps)
    assert table["resolution"].tolist() == [2, 2, 4, 4]
    assert table["num_voxels"].tolist() == [16, 16, 8, 8]
    assert cut.num_regions == 4
    assert cut.labels[1, 0].tolist() == [[-1] * 4, [-1] * 4, [2, 2, 3, 3], [2, 2, 3, 3]]


def test_jaccard_of_just_one_half_is_kept():
    coarse, fine = torch.zeros(2, 4, 4), torch.zeros(2, 4, 4)
    fine[:, 2:] = 1  # each half shares 16 of 32 voxels with the whole
    options, maps = SegmentOptions(num_regions=(1, 2)), FixedLabels(torch.stack([coarse, fine]))
    ((cut, _),) = cut_supervoxels([clip_of((2, 4, 4))], options, backend=maps)
    assert cut.num_regions == 3


@given(st.integers(0, 1000), st.sampled_from([0.1, 0.3, 0.5, 0.8]), st.sampled_from([0.0, 0.05]))
def test_what_is_dropped_is_what_pairs_of_masks_say(seed, max_jaccard, min_volume_share):
    maps = label_map((3, 3, 5, 7), 6, seed)
    again = torch.rand(maps.shape, generator=torch.Generator().manual_seed(seed)) < 0.8
    maps[1:] = torch.where(again[1:], maps[:1], maps[1:])  # regions of one resolution come back in the others
    options = SegmentOptions(
        num_regions=(1, 2, 3), max_jaccard=max_jaccard, min_volume_share=min_volume_share
    )
    ((cut, table),) = cut_supervoxels([clip_of((3, 5, 7))], options, backend=FixedLabels(maps))
    kept = []
    for s in range(3):
        coarser = [mask for resolution, mask in kept if resolution < s]
        for region in range(int(maps[s].max()) + 1):
            mask = maps[s] == region
            jaccards = [int((mask & other).sum()) / int((mask | other).sum()) for other in coarser]
            if mask.sum() > min_volume_share * mask.numel() and max(jaccards, default=0) <= max_jaccard:
                kept.append((s, mask))
    assert table["resolution"].tolist() == [s + 1 for s, _ in kept]
    assert all(torch.equal(cut.labels[s] == i, mask) for i, (s, mask) in enumerate(kept))


def test_small_regions_are_background():
    options = SegmentOptions(num_regions=(4,), min_volume_share=0.25)
    ((cut, table),) = cut_supervoxels(
        [clip_of((2, 4, 4))], options, backend=FixedLabels(quadrant_map()[None])
    )
    assert cut.num_regions == 0
    assert len(table) == 0
    assert (cut.labels == -1).all()


def test_boxes_hold_their_regions_and_count_network_frames():
    labels = quadrant_map().repeat(2, 1, 1)
    ((cut, table),) = cut_supervoxels(
        [clip_of((4, 4, 4), stride=2)], SegmentOptions(num_regions=(4,)), backend=FixedLabels(labels[None])
    )
    assert cut.network_labels.shape == (1, 2, 4, 4)
    box = table.loc[1, ["t0", "t1", "y0", "y1", "x0", "x1"]].tolist()
    assert box == [0, 2, 0, 2, 2, 4]
    assert table["num_voxels"].tolist() == [8] * 4


def test_a_region_that_misses_the_networks_frames_is_background():
    labels = torch.zeros(4, 4, 4)
    labels[1] = 7
    ((cut, table),) = cut_supervoxels(
        [clip_of((4, 4, 4), stride=2)], SegmentOptions(num_regions=(2,)), backend=FixedLabels(labels[None])
    )
    assert table["num_voxels"].tolist() == [32]
    assert (cut.labels[0, 1] == -1).all()


@pytest.fixture
def moving_square():
    frames = torch.zeros(8, 48, 48, 3, dtype=torch.uint8)
    frames += torch.randint(0, 40, frames.shape, generator=torch.Generator().manual_seed(1)).byte()
    for t in range(8):
        frames[t, 12:28, 4 + 2 * t : 20 + 2 * t] = torch.tensor([230, 40, 40], dtype=torch.uint8)
    return Clip(video("a"), 0, 0.0, frames)


def test_native_and_reference_cut_alike(moving_square):
    options = SegmentOptions()
    native, twin = (cut_supervoxels([moving_square], options, backend=b)[0] for b in (ops, reference))
    assert native[1]["resolution"].value_counts().equals(twin[1]["resolution"].value_counts())
    assert (native[0].labels == twin[0].labels).float().mean() > 0.99


def test_a_moving_object_is_one_region(moving_square):
    ((cut, _),) = cut_supervoxels([moving_square], replace(SegmentOptions(), num_regions=(15,)))
    square = moving_square.frames[..., 0] > 200
    labels = cut.labels[0]
    inside = labels[square]
    best = np.bincount(inside[inside >= 0].numpy()).argmax()
    iou = (square & (labels == best)).sum() / (square | (labels == best)).sum()
    assert iou > 0.5


def test_frames_farther_apart_make_shorter_regions(moving_square):
    def mean_duration_frames(distance_px):
        options = SegmentOptions(num_regions=(12,), frame_distance_px=distance_px, compactness=100.0)
        ((_, table),) = cut_supervoxels([moving_square], options)
        return (table["t1"] - table["t0"]).mean()

    assert mean_duration_frames(6.0) < mean_duration_frames(1.0)


def test_quality_is_that_of_the_options():
    frames = torch.randint(0, 256, (4, 24, 24, 3), generator=torch.Generator().manual_seed(0)).byte()
    clip = Clip(video("a"), 0, 0.0, frames, 1)
    found = {}
    for quality in ("standard", "high"):
        options = SegmentOptions(num_regions=(6,), quality=quality, min_volume_share=0.0)
        ((cut, _),) = cut_supervoxels([clip], options)
        found[quality] = cut.labels[0]
        assert torch.equal(cut.labels[0], ops.segment_clips(frames[None], [6], quality=quality)[0, 0])
    assert not torch.equal(found["standard"], found["high"])


def test_an_unknown_quality_is_refused():
    with pytest.raises(InputError, match="segment: expected quality one of"):
        SegmentOptions(quality="best")
