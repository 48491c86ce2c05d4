"""Segments of common motion, from optical flow."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast import ops
from ace3d_fast.errors import InputError, expected
from ace3d_fast.types import Clip

UNITS_PER_PX = 10.0  # a pixel per frame counts as much as 10 units of Lab would
COMPACTNESS = 10.0


@dataclass(frozen=True)
class FlowSegments:
    """About ``num_regions`` segments of voxels that are near each other and move alike.

    Dense flow between neighbouring frames by DIS (Kroeger et al., arXiv 1603.03590; OpenCV), then SLIC over
    position and flow.

    Raises
    ------
    InputError
        Where OpenCV is not installed.
    """

    num_regions: int

    def __post_init__(self) -> None:
        _opencv()

    def label_clips(self, clips: Sequence[Clip], frames: Tensor | None = None) -> Sequence[Tensor]:
        """See `ace3d_fast.regions.source.RegionSource`; on the CPU."""
        flows = np.stack([clip_flow(clip.frames.numpy()) for clip in clips])
        volume = torch.from_numpy(flows * UNITS_PER_PX).permute(0, 4, 1, 2, 3).contiguous()
        labels = ops.slic3d(volume, [self.num_regions], compactness=COMPACTNESS)
        mean_voxels = labels[0, 0].numel() / self.num_regions
        whole, _ = ops.enforce_connectivity(labels, [int(0.5 * mean_voxels)], [int(3 * mean_voxels)])
        return list(whole)


def clip_flow(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Flow (T, H, W, 2), x and y in pixels per frame, of frames (T, H, W, 3); the last repeats."""
    cv2 = _opencv()
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flows = [method.calc(a, b, None) for a, b in pairwise(grey)]
    flows.append(flows[-1] if flows else np.zeros((*frames.shape[1:3], 2), np.float32))
    return np.stack(flows).astype(np.float32)


def _opencv() -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        todo = "pip install 'ace3d_fast[flow]'"
        raise InputError(expected("regions", "OpenCV", "to be installed", f"{error}", todo)) from error
