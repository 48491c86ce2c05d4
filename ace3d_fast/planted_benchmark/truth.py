"""What the regions of planted videos really show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.store import RunFolder
from ace3d_fast.video.planted import PRIMITIVES, read_truth

BACKGROUND = -1
MIN_SHARE = 0.5  # of a region's voxels, for the region to show a primitive
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class RegionTruth:
    """Overlap of regions and primitives; rows follow the region table.

    Attributes
    ----------
    videos : Path
    shared : (R, P) int64
        Voxels of a region that show each of `PRIMITIVES`.
    shown : (clips, P) int64
        Voxels of each primitive in a clip.
    primitive : (R,) int64
        The primitive that fills at least half of the region, `BACKGROUND` where there is none.
    """

    videos: Path
    shared: NDArray[np.int64]
    shown: NDArray[np.int64]
    primitive: NDArray[np.int64]

    def masks(self, video: str, clip: int, num_frames: int) -> NDArray[np.bool_]:
        """(P, T, H, W): the voxels of each primitive in a clip."""
        masks, _ = read_truth(self.videos / video)
        return masks[:, clip * num_frames : (clip + 1) * num_frames]


def region_truth(run: RunFolder, regions: pd.DataFrame, videos: Path) -> RegionTruth:
    """Compare the regions of a run on planted ``videos`` with the masks that were written beside them."""
    shared = np.zeros((len(regions), len(PRIMITIVES)), dtype=np.int64)
    shown = np.zeros((int(regions["clip_id"].max()) + 1, len(PRIMITIVES)), dtype=np.int64)
    for clip_id, rows in regions.groupby("clip_id"):
        first = rows.iloc[0]
        labels = run.read_clip(str(first["video"]), int(first["clip"])).network_labels.numpy()
        masks, _ = read_truth(videos / str(first["video"]))
        start = int(first["clip"]) * labels.shape[1]
        masks = masks[:, start : start + labels.shape[1]]
        size = int(rows["index"].max()) + 1
        counts = np.zeros((size, len(masks)), dtype=np.int64)
        for p in np.flatnonzero(masks.any(axis=(1, 2, 3))):
            counts[:, p] = sum(np.bincount(m[masks[p]] + 1, minlength=size + 1)[1:] for m in labels)
        shared[rows.index] = counts[rows["index"].to_numpy()]
        shown[int(str(clip_id))] = masks.sum(axis=(1, 2, 3))
    share = shared / regions["num_voxels"].to_numpy()[:, None]
    best = share.argmax(axis=1)
    primitive = np.where(share.max(axis=1) >= MIN_SHARE, best, BACKGROUND).astype(np.int64)
    return RegionTruth(videos, shared, shown, primitive)
