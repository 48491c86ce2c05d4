import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from toys import SIDE, video

from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Probe
from ace3d_fast.stages.motion import edit_frames, measure_motion
from ace3d_fast.types import Clip, Normalization, SegmentedClip

NUM_FRAMES = 4


class ChangeNet(nn.Module):
    """Logit 0: mean brightness of the right half, plus the mean change of the left half between frames."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, x):
        x = self.layer(x)[:, 0]
        left, right = x[..., : SIDE // 2], x[..., SIDE // 2 :]
        change = (left[:, 1:] - left[:, :-1]).abs().mean((1, 2, 3))
        score = right.mean((1, 2, 3)) + change
        return torch.stack([score, torch.zeros_like(score)], dim=1)


def network():
    unit = Normalization((0.0,) * 3, (1.0,) * 3)
    return Network(ChangeNet(), "layer", unit, ["moves", "other"], input_shape=(NUM_FRAMES, SIDE))


def clip():
    """The left half (region 0) flickers between 0 and 200, the right half (region 1) stays at 100."""
    frames = torch.full((NUM_FRAMES, SIDE, SIDE, 3), 100, dtype=torch.uint8)
    frames[0::2, :, : SIDE // 2] = 0
    frames[1::2, :, : SIDE // 2] = 200
    labels = torch.zeros(1, NUM_FRAMES, SIDE, SIDE, dtype=torch.int32)
    labels[..., SIDE // 2 :] = 1
    return SegmentedClip(Clip(video("a", "moves"), 0, 0.0, frames), labels, 2)


def motion():
    regions = pd.DataFrame({"video": "a", "clip": 0, "clip_id": 0, "index": [0, 1]})
    score = (100 + 200) / 255
    found = measure_motion(
        {0: np.array([0]), 1: np.array([1])},
        regions,
        Probe(network(), NUM_FRAMES),
        lambda _video, _clip: clip(),
        0,
        np.array([[score, 0.0]], dtype=np.float32),
        np.array([200 / 255, 100 / 255], dtype=np.float32),  # what each half brings
        num_members=3,
        num_bootstrap=50,
        seed=1,
    )
    return found.set_index(["concept", "score"])["value"]


def test_what_only_changes_depends_on_motion_and_what_only_shines_does_not():
    found = motion()
    assert found[0, "motion_dependence"] == pytest.approx(1)
    assert found[1, "motion_dependence"] == pytest.approx(0)
    assert found[0, "drop_frozen"] == pytest.approx(200 / 255, abs=1e-5)


def test_backwards_flicker_is_flicker_still():
    found = motion()
    assert found[0, "drop_reversed"] == pytest.approx(0, abs=1e-5)
    assert found[0, "drop_shuffled"] >= -1e-5


def test_edits_stay_inside_the_region_and_keep_its_middle():
    frames = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 2, 2, 3)
    mask = torch.zeros(6, 2, 2, dtype=torch.bool)
    mask[2:5, 0, 0] = True  # shown in frames 2 to 4
    frozen, shuffled, backwards = edit_frames(frames, mask, seed=0)[..., 0]
    assert frozen[:, 0, 0].tolist() == [3] * 6
    assert backwards[:, 0, 0].tolist() == [5, 4, 3, 2, 1, 0]
    assert sorted(shuffled[:, 0, 0].tolist()) == [0, 1, 2, 3, 4, 5]
    for edited in (frozen, shuffled, backwards):
        assert torch.equal(edited[:, 1], frames[:, 1, :, 0])


@pytest.mark.parametrize("num_frames", [2, 3, 4])
def test_shuffled_frames_are_in_another_order(num_frames):
    frames = torch.arange(num_frames, dtype=torch.uint8)[:, None, None, None].expand(num_frames, 2, 2, 3)
    mask = torch.ones(num_frames, 2, 2, dtype=torch.bool)
    for seed in range(50):
        shuffled = edit_frames(frames, mask, seed)[1]
        assert not torch.equal(shuffled, frames)
        assert sorted(shuffled[:, 0, 0, 0].tolist()) == list(range(num_frames))
    assert torch.equal(edit_frames(frames[:1], mask[:1], 0)[1], frames[:1])  # a still has no other


def test_a_region_whose_removal_costs_nothing_has_no_dependence():
    regions = pd.DataFrame({"video": "a", "clip": 0, "clip_id": 0, "index": [0, 1]})
    found = measure_motion(
        {0: np.array([0]), 5: np.array([], dtype=np.int64)},
        regions,
        Probe(network(), NUM_FRAMES),
        lambda _video, _clip: clip(),
        0,
        np.zeros((1, 2), dtype=np.float32),
        np.array([-0.5, np.nan], dtype=np.float32),
        num_members=3,
        num_bootstrap=50,
        seed=1,
    ).set_index(["concept", "score"])["value"]
    assert np.isnan(found[0, "motion_dependence"])
    assert np.isnan(found[5, "drop_frozen"])
