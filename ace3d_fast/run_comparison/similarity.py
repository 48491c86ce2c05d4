"""How alike the concepts of two runs are: voxels they share in the same videos, or their centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.store import RunFolder
from ace3d_fast.types import ClipSampling

GRID_CELLS = 48  # a side, over the part of the picture that both runs see
SAMPLES_PER_SECOND = 5.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Footage:
    """Where and when a run looks at its videos: seconds of a clip, and the share of the short side."""

    span_seconds: float
    crop_share: float

    @classmethod
    def of(cls, run: RunFolder) -> _Footage:
        sampling = ClipSampling(**run.config["sampling"])
        return cls(sampling.span_seconds, sampling.crop_px / sampling.resize_px)


def shared_videos(a: RunFolder, b: RunFolder) -> list[tuple[str, str]]:
    """Videos whose regions both runs gave to concepts, as pairs of the names they have in each."""
    mine, theirs = (
        {_file(run, video): video for video in run.regions.loc[run.regions["concept"] >= 0, "video"].unique()}
        for run in (a, b)
    )
    return [(mine[file], theirs[file]) for file in sorted(mine.keys() & theirs.keys())]


def _file(run: RunFolder, video: str) -> str:
    """The video's file where it is there, so that two names of it are one; else its name in the run."""
    path = run.videos[video].path
    return str(path.resolve()) if path.is_file() else video


def voxel_overlap(a: RunFolder, b: RunFolder, videos: list[tuple[str, str]]) -> Floats:
    """Jaccard index of the voxels of each pair of concepts, (concepts of a, concepts of b).

    Both runs are read at the same places: a grid over the part of the picture that both see, and
    `SAMPLES_PER_SECOND` times a second, as long as both have clips. A voxel belongs to a concept if one of
    its regions does, at any resolution.
    """
    names_a, names_b = (run.concepts["concept"].tolist() for run in (a, b))
    both = np.zeros((len(names_a), len(names_b)))
    sizes_a, sizes_b = np.zeros(len(names_a)), np.zeros(len(names_b))
    share = min(_Footage.of(run).crop_share for run in (a, b))
    for video_a, video_b in videos:
        readers = [_Masks(a, video_a, names_a, share), _Masks(b, video_b, names_b, share)]
        seconds = np.arange(
            0.5 / SAMPLES_PER_SECOND, min(r.end_seconds for r in readers), 1 / SAMPLES_PER_SECOND
        )
        for time in seconds.tolist():
            mask_a, mask_b = (reader.at(time) for reader in readers)
            both += mask_a @ mask_b.T
            sizes_a += mask_a.sum(axis=1)
            sizes_b += mask_b.sum(axis=1)
    return np.asarray(both / np.maximum(sizes_a[:, None] + sizes_b[None] - both, 1.0))


class _Masks:
    """Masks of a run's concepts in one of its videos, at any time."""

    def __init__(self, run: RunFolder, video: str, names: list[int], share: float) -> None:
        self._run, self._video, self._names = run, video, names
        footage = _Footage.of(run)
        self._span = footage.span_seconds
        regions = run.regions[run.regions["video"] == video]
        self._clips: dict[int, pd.DataFrame] = {int(str(c)): rows for c, rows in regions.groupby("clip")}
        self.end_seconds = self._span * (max(self._clips) + 1)
        inner = share / footage.crop_share
        self._cells = 0.5 + (np.arange(GRID_CELLS) + 0.5 - GRID_CELLS / 2) / GRID_CELLS * inner
        self._index = -1
        self._labels: NDArray[np.int32] = np.zeros((0, 0, 0, 0), np.int32)
        self._table: NDArray[np.bool_] = np.zeros((0, 0), dtype=bool)

    def at(self, seconds: float) -> Floats:
        """(concepts, cells) of zeros and ones."""
        index = min(int(seconds / self._span), max(self._clips))
        if index != self._index:
            self._load(index)
        _, num_frames, side, _ = self._labels.shape
        frame = min(int((seconds - index * self._span) / self._span * num_frames), num_frames - 1)
        cells = np.clip((self._cells * side).astype(int), 0, side - 1)
        labels = self._labels[:, frame][:, cells][:, :, cells]
        mask: Floats = self._table[:, labels + 1].any(axis=1).reshape(len(self._names), -1).astype(np.float64)
        return mask

    def _load(self, index: int) -> None:
        clip = self._run.read_clip(self._video, index)
        rows = self._clips.get(index)
        self._index, self._labels = index, clip.labels.numpy()
        self._table = np.zeros((len(self._names), clip.num_regions + 1), dtype=bool)
        if rows is not None:
            for place, name in enumerate(self._names):
                self._table[place, rows.loc[rows["concept"] == name, "index"].to_numpy() + 1] = True


def center_cosine(a: RunFolder, b: RunFolder) -> Floats:
    """Cosine of each pair of centres, (concepts of a, concepts of b)."""
    units = []
    for run in (a, b):
        centers = run.centers["centers"][run.concepts["concept"].to_numpy()]
        units.append(centers / np.maximum(np.linalg.norm(centers, axis=1, keepdims=True), 1e-12))
    return np.asarray(units[0] @ units[1].T)
