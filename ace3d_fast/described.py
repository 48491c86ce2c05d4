"""All regions of all clips, and what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.shelf import read_arrays, read_tables
from ace3d_fast.stages.features import center_features
from ace3d_fast.types import Video

MAX_ARRAY_BYTES = 2**28
ABOUT = ["video", "label", "group"]
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

    Arrays of more than `MAX_ARRAY_BYTES` are files in ``folder``, read as they are needed. They lose their
    names in the end, and their bytes go with this process. No other run may use ``folder`` meanwhile.
    """
    folders = [path for _, path in pieces]
    clips, clips_of_piece = read_tables(folders, "clips")
    cut, regions_of_piece = read_tables(folders, "regions")
    about = pd.DataFrame([(video.id, video.label, video.group) for video, _ in pieces], columns=ABOUT)
    piece_of_clip, piece_of_region = (
        np.repeat(np.arange(len(pieces)), counts) for counts in (clips_of_piece, regions_of_piece)
    )
    clips = pd.concat([about.take(piece_of_clip).reset_index(drop=True), clips], axis=1)
    clips.insert(0, "clip_id", np.arange(len(clips)))
    span = int(clips["clip"].max()) + 1
    ascending = piece_of_clip * span + clips["clip"].to_numpy()
    clip_id = np.searchsorted(ascending, piece_of_region * span + cut["clip"].to_numpy())
    of_clip = clips.drop(columns="clip").take(clip_id).reset_index(drop=True)
    table = pd.concat([cut, of_clip], axis=1).astype({"clip": np.int32, "clip_id": np.int32})
    digests = {video.id: path.name for video, path in pieces}
    arrays: dict[str, Any] = {}
    row = clip = 0
    sizes, numbers = (table[name].to_numpy() for name in ("num_voxels", "clip"))
    for path, num_regions, num_clips in zip(folders, regions_of_piece, clips_of_piece, strict=True):
        rows, places = slice(row, row + num_regions), slice(clip, clip + num_clips)
        row, clip = rows.stop, places.stop
        found = read_arrays(path)
        if center:
            found["features"] = center_features(found["features"], sizes[rows], numbers[rows])
        for name, values in found.items():
            part, total = (rows, len(table)) if name in BY_REGION else (places, len(clips))
            if name not in arrays:
                arrays[name] = _room(folder / f"{name}.npy", (total, values.shape[1]))
            arrays[name][part] = values
    arrays = {name: _settled(values) for name, values in arrays.items()}
    return Described(table, clips, **arrays, skipped=skipped, digests=digests)


def _room(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    if 4 * shape[0] * shape[1] <= MAX_ARRAY_BYTES:
        return np.empty(shape, dtype=np.float32)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


def _settled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """``values``, and where they are a file only what is read of it in memory from here on."""
    if not isinstance(values, np.memmap) or values.filename is None:
        return values
    values.flush()
    reread: NDArray[np.float32] = np.load(values.filename, mmap_mode="r")
    Path(values.filename).unlink()
    return reread
