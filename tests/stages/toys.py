"""Clips and networks whose answers are known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ace3d_fast.models.network import Network
from ace3d_fast.types import Clip, Normalization, SegmentedClip, Video

SIDE = 8
NUM_FRAMES = 2


class RedNet(nn.Module):
    """Logit 0 is the mean of the red channel, in [0, 1]; logit 1 is one quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        red = self.layer(x)[:, 0].mean((1, 2, 3))
        return torch.stack([red, torch.full_like(red, 0.25)], dim=1)


def red_network() -> Network:
    unit = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Network(RedNet(), "layer", unit, ["red", "other"], input_shape=(NUM_FRAMES, SIDE))


def video(name: str, label: str = "red") -> Video:
    return Video(name, Path(name), label, name)


def halves_clip(name: str = "a", index: int = 0, *, red: int = 255, label: str = "red") -> SegmentedClip:
    """Left half red, right half black; region 0 is the left, region 1 the right, in one resolution."""
    frames = torch.zeros(NUM_FRAMES, SIDE, SIDE, 3, dtype=torch.uint8)
    frames[:, :, : SIDE // 2, 0] = red
    labels = torch.zeros(1, NUM_FRAMES, SIDE, SIDE, dtype=torch.int32)
    labels[..., SIDE // 2 :] = 1
    return SegmentedClip(Clip(video(name, label), index, 0.0, frames), labels, 2)


def halves_table(clip: SegmentedClip, clip_id: int = 0) -> pd.DataFrame:
    half = NUM_FRAMES * SIDE * SIDE // 2
    return pd.DataFrame(
        {
            "index": np.array([0, 1], dtype=np.int32),
            "resolution": np.array([2, 2], dtype=np.int32),
            "num_voxels": np.array([half, half], dtype=np.int32),
            "t0": [0, 0],
            "t1": [NUM_FRAMES] * 2,
            "y0": [0, 0],
            "y1": [SIDE] * 2,
            "x0": [0, SIDE // 2],
            "x1": [SIDE // 2, SIDE],
            "video": clip.clip.video.id,
            "label": clip.clip.video.label,
            "group": clip.clip.video.group,
            "clip": clip.clip.index,
            "clip_id": clip_id,
        }
    )
