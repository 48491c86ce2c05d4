"""clips → regions: SLIC at several resolutions or another source, size filter, duplicates dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ace3d_fast import ops
from ace3d_fast.config import Quality, SegmentOptions
from ace3d_fast.errors import InputError, expected
from ace3d_fast.regions.source import RegionSource
from ace3d_fast.types import Clip, SegmentedClip

BOX = ("t0", "t1", "y0", "y1", "x0", "x1")


class SegmentOps(Protocol):
    """The ops this stage needs: `ace3d_fast.ops` or its twin ``ace3d_fast.ops.reference``."""

    def segment_clips(
        self,
        frames: Tensor,
        num_regions: Sequence[int],
        *,
        compactness: float,
        sigma: float,
        spacing: Sequence[float],
        quality: Quality,
    ) -> Tensor:
        """Labels (N, S, T, H, W) of frames (N, T, H, W, 3)."""

    def region_overlap(self, a: Tensor, b: Tensor, num_a: int, num_b: int) -> Tensor:
        """Voxels shared by each pair of labels, (N, num_a, num_b)."""


@dataclass(frozen=True)
class Supervoxels:
    """SLIC at several resolutions, a `RegionSource`.

    Parameters
    ----------
    options : SegmentOptions
    backend : module
        `ace3d_fast.ops` or its twin ``ace3d_fast.ops.reference``.
    """

    options: SegmentOptions
    backend: SegmentOps = ops

    def label_clips(self, clips: Sequence[Clip], frames: Tensor | None = None) -> Sequence[Tensor]:
        """See `ace3d_fast.regions.source.RegionSource`."""
        if frames is None:
            frames = torch.stack([clip.frames for clip in clips])
        maps = self.backend.segment_clips(
            frames,
            sorted(self.options.num_regions),
            compactness=self.options.compactness,
            sigma=self.options.sigma,
            spacing=self.options.spacing_px,
            quality=self.options.quality,
        )
        return list(maps.cpu())


def cut_supervoxels(
    clips: Sequence[Clip],
    options: SegmentOptions,
    *,
    backend: SegmentOps = ops,
    frames: Tensor | None = None,
    source: RegionSource | None = None,
) -> list[tuple[SegmentedClip, pd.DataFrame]]:
    """Cut clips of one shape into regions.

    A region is kept if it fills more than ``min_volume_share`` of the frames the network sees and its
    Jaccard index with every region kept at a coarser resolution is at most ``max_jaccard``
    (arXiv 2206.05275, section 3.1; measured in true (T, H, W) coordinates).

    Parameters
    ----------
    clips : sequence of Clip
    options : SegmentOptions
    backend : module
        `ace3d_fast.ops` or its twin ``ace3d_fast.ops.reference``.
    frames : (N, T, H, W, 3) uint8, optional
        The frames of ``clips`` on the device that is to cut them; by default they are cut where they are.
    source : RegionSource, optional
        Where the regions come from; by default they are supervoxels.

    Returns
    -------
    list of (SegmentedClip, DataFrame)
        For each clip its labels and a table with a row per region: ``index`` (value in the labels),
        ``resolution`` (of supervoxels; else the regions of the map), ``num_voxels`` and the half-open box
        ``t0 t1 y0 y1 x0 x1``, in voxels of the frames the network sees.

    Raises
    ------
    InputError
        Where ``source`` returns other than label maps of the clips.
    """
    maps = (source or Supervoxels(options, backend)).label_clips(clips, frames)
    if source is not None:
        _check_maps(maps, clips)
    cut = []
    for clip, labels in zip(clips, maps, strict=True):
        names = [int(m.max()) + 1 for m in labels] if source is not None else sorted(options.num_regions)
        cut.append(_select(clip, labels, names, options, backend))
    return cut


def _check_maps(maps: Sequence[Tensor], clips: Sequence[Clip]) -> None:
    shapes = [tuple(labels.shape) for labels in maps]
    dtypes = {str(labels.dtype) for labels in maps}
    wanted = [tuple(clip.frames.shape[:3]) for clip in clips]
    if [shape[1:] for shape in shapes] != wanted or 0 in {shape[0] for shape in shapes}:
        fact = f"shapes {shapes[:3]} for clips of {wanted[:3]}"
        raise InputError(expected("regions", "label maps", "of shape (S, T, H, W)", fact))
    if dtypes != {"torch.int32"}:
        raise InputError(expected("regions", "label maps", "of int32", ", ".join(sorted(dtypes))))


def _select(
    clip: Clip, labels: Tensor, resolutions: Sequence[int], options: SegmentOptions, backend: SegmentOps
) -> tuple[SegmentedClip, pd.DataFrame]:
    """Choose the regions of one clip; ``labels`` is (S, stride * T, H, W), negative in the background."""
    labels = labels.clamp(min=-1)
    seen = labels[:, :: clip.stride].contiguous()
    sizes = [np.bincount(m.flatten().numpy() + 1)[1:] for m in seen]
    least = options.min_volume_share * seen[0].numel()
    kept: list[NDArray[np.bool_]] = []
    for s, size in enumerate(sizes):
        keep = size > least
        for coarser in range(s):
            shared = backend.region_overlap(
                seen[coarser][None], seen[s][None], len(sizes[coarser]), len(size)
            )[0].numpy()
            jaccard = shared / np.maximum(sizes[coarser][:, None] + size[None, :] - shared, 1)
            keep &= ~(jaccard[kept[coarser]] > options.max_jaccard).any(axis=0)
        kept.append(keep)

    tables, start = [], 0
    renumbered = torch.empty_like(labels)
    for s, (keep, size) in enumerate(zip(kept, sizes, strict=True)):
        num_labels = max(len(keep), int(labels[s].max()) + 1)  # a region may miss the network's frames
        new = np.full(num_labels + 1, -1, dtype=np.int32)  # the last is the background's
        old = np.flatnonzero(keep)
        new[old] = start + np.arange(len(old), dtype=np.int32)
        renumbered[s] = torch.from_numpy(new)[labels[s].long()]
        boxes = ndimage.find_objects(seen[s].numpy() + 1)
        box = np.array([[(a.start, a.stop) for a in boxes[i]] for i in old], dtype=np.int32).reshape(-1, 6)
        table = {"index": new[old], "resolution": np.full(len(old), resolutions[s], dtype=np.int32)}
        table["num_voxels"] = size[old].astype(np.int32)
        table.update({name: box[:, i] for i, name in enumerate(BOX)})
        tables.append(pd.DataFrame(table))
        start += len(old)
    return SegmentedClip(clip, renumbered, start), pd.concat(tables, ignore_index=True)
