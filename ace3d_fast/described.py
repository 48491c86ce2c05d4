"""All regions of all clips, and what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.shelf import read_arrays, read_table
from ace3d_fast.stages.features import center_features
from ace3d_fast.types import Video

MAX_ARRAY_BYTES = 2**28
BY_REGION = ("features", "region_gradients")


@dataclass
class Described:
    """All regions of all clips, and what the network says of them; rows follow ``regions`` or ``clips``.

    ``digests`` names, for each video, what it was made from.
    """

    regions: pd.DataFrame
    clips: pd.DataFrame
    features: NDArray[np.float32]
    region_gradients: NDArray[np.float32]
    gradients: NDArray[np.float32]
    logits: NDArray[np.float32]
    skipped: list[dict[str, str]]
    digests: dict[str, str]


def gather(
    pieces: Sequence[tuple[Video, Path]], skipped: list[dict[str, str]], *, center: bool, folder: Path
) -> Described:
    """Put together what was found video by video.

    Arrays of more than `MAX_ARRAY_BYTES` are files in ``folder``, read as they are needed.
    """
    clips: list[pd.DataFrame] = []
    regions: list[pd.DataFrame] = []
    num_clips = 0
    for video, path in pieces:
        about = {"video": video.id, "label": video.label, "group": video.group}
        mine = read_table(path, "clips")
        mine.insert(0, "clip_id", np.arange(num_clips, num_clips + len(mine)))
        num_clips += len(mine)
        clips.append(mine.assign(**about)[["clip_id", *about, "clip", "start_seconds"]])
        cut = read_table(path, "regions")
        of_clip = clips[-1].drop(columns="clip").iloc[np.searchsorted(mine["clip"], cut["clip"])]
        regions.append(pd.concat([cut, of_clip.reset_index(drop=True)], axis=1))  # clips ascend
    table = pd.concat(regions, ignore_index=True).astype({"clip": np.int32, "clip_id": np.int32})
    digests = {video.id: path.name for video, path in pieces}
    arrays: dict[str, Any] = {}
    row = clip = 0
    for (_, path), mine, here in zip(pieces, clips, regions, strict=True):
        rows, places = slice(row, row + len(here)), slice(clip, clip + len(mine))
        row, clip = rows.stop, places.stop
        found = read_arrays(path)
        if center:
            sizes = here["num_voxels"].to_numpy()
            found["features"] = center_features(found["features"], sizes, here["clip"].to_numpy())
        for name, values in found.items():
            part, total = (rows, len(table)) if name in BY_REGION else (places, num_clips)
            if name not in arrays:
                arrays[name] = _room(folder / f"{name}.npy", (total, values.shape[1]))
            arrays[name][part] = values
    return Described(table, pd.concat(clips, ignore_index=True), **arrays, skipped=skipped, digests=digests)


def _room(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    if 4 * shape[0] * shape[1] <= MAX_ARRAY_BYTES:
        return np.empty(shape, dtype=np.float32)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
