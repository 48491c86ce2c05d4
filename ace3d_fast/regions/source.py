"""What cuts clips into regions, and the names by which a run asks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.types import Clip, ClipSampling

SUPERVOXELS = "supervoxels"
GRID = re.compile(r"grid:([1-9]\d*)x([1-9]\d*)x([1-9]\d*)")
FLOW = re.compile(r"flow(?::([1-9]\d*))?")


class RegionSource(Protocol):
    """Cuts clips into regions; everything after it is the same for all sources."""

    def label_clips(self, clips: Sequence[Clip], frames: Tensor | None = None) -> Sequence[Tensor]:
        """Label the voxels of ``clips``.

        Parameters
        ----------
        clips : sequence of Clip
            Of one shape.
        frames : (N, stride * T, H, W, 3) uint8, optional
            Their frames, on the device that is to cut them.

        Returns
        -------
        sequence of (S, stride * T, H, W) int32
            For each clip its label maps, the coarsest first. Values count from 0 in each map; negative ones
            are background. S may differ from clip to clip.
        """


@dataclass(frozen=True)
class TubeletGrid:
    """A regular grid of ``t`` by ``h`` by ``w`` boxes of voxels, whatever the clip shows."""

    t: int
    h: int
    w: int

    def label_clips(self, clips: Sequence[Clip], frames: Tensor | None = None) -> Sequence[Tensor]:
        """See `RegionSource`; sides that do not divide evenly differ by a voxel."""
        sides = clips[0].frames.shape[:3]
        grid = (self.t, self.h, self.w)
        if any(count > side for count, side in zip(grid, sides, strict=True)):
            fact = f"a clip of {' by '.join(map(str, sides))} voxels"
            requirement = f"of at most a voxel a box ({self.t}x{self.h}x{self.w})"
            raise InputError(expected("regions", "grid", requirement, fact, "ask for fewer boxes"))
        t, h, w = (torch.arange(side) * count // side for count, side in zip(grid, sides, strict=True))
        labels = (t[:, None, None] * self.h + h[:, None]) * self.w + w
        return [labels.int()[None]] * len(clips)


def open_source(spec: str, sampling: ClipSampling) -> RegionSource | None:
    """The source of other regions than supervoxels that ``spec`` names; None where it names these.

    Parameters
    ----------
    spec : str
        ``supervoxels``, ``grid:TxHxW``, ``flow:N`` (about N segments; ``flow``: 50), or a folder of
        label files.
    sampling : ClipSampling
        How clips are cut out of videos; label files are cut likewise.

    Raises
    ------
    InputError
        Another ``spec``, or a folder without label files.
    """
    if spec == SUPERVOXELS:
        return None
    grid, flow = GRID.fullmatch(spec), FLOW.fullmatch(spec)
    if grid:
        t, h, w = map(int, grid.groups())
        return TubeletGrid(t, h, w)
    if flow:
        from ace3d_fast.regions.flow import FlowSegments

        return FlowSegments(int(flow[1] or 50))
    if Path(spec).is_dir():
        from ace3d_fast.regions.folder import RegionFolder

        return RegionFolder(spec, sampling)
    requirement = "to be supervoxels, grid:TxHxW, flow, flow:N or a folder of label files"
    raise InputError(expected("regions", "regions", requirement, repr(spec), "such as grid:2x4x4"))
