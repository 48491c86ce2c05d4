"""All regions of all clips, and what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.stages.features import center_features
from ace3d_fast.types import ClipFeatures


@dataclass
class Described:
    """All regions of all clips, and what the network says of them; rows follow ``regions`` or ``clips``."""

    regions: pd.DataFrame
    clips: pd.DataFrame
    features: NDArray[np.float32]
    region_gradients: NDArray[np.float32]
    gradients: NDArray[np.float32]
    logits: NDArray[np.float32]
    skipped: list[dict[str, str]]


def gather(
    described: Sequence[tuple[dict[str, Any], pd.DataFrame, ClipFeatures]],
    skipped: list[dict[str, str]],
    *,
    center: bool,
) -> Described:
    """Put together what was found clip by clip: facts about the clip, its table of regions, its features."""
    rows = [{"clip_id": i, **about} for i, (about, _, _) in enumerate(described)]
    tables = [table.assign(**row) for row, (_, table, _) in zip(rows, described, strict=True)]
    found = [features for _, _, features in described]
    regions = pd.concat(tables, ignore_index=True)
    regions = regions.astype({"clip": np.int32, "clip_id": np.int32})
    features = np.concatenate([clip.features for clip in found])
    if center:
        sizes, clip_ids = regions["num_voxels"].to_numpy(), regions["clip_id"].to_numpy()
        features = center_features(features, sizes, clip_ids)
    return Described(
        regions,
        pd.DataFrame(rows),
        features,
        np.concatenate([clip.region_gradients for clip in found]),
        np.stack([clip.gradient for clip in found]),
        np.stack([clip.logits for clip in found]),
        skipped,
    )
