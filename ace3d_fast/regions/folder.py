"""A folder of label files, one per video → label maps of clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.regions.files import SUFFIXES, open_labels
from ace3d_fast.types import Clip, ClipSampling, Video
from ace3d_fast.video.decode import probe_video

MAX_ASPECT_DIFFERENCE = 0.02


class RegionFolder:
    """Regions of videos from files of the user.

    Parameters
    ----------
    folder : str or Path
        Holds for the video ``<class>/<name>.mp4`` one file ``<class>/<name>`` with a suffix of `SUFFIXES`;
        their formats are described in `ace3d_fast.regions.files`.
    sampling : ClipSampling
        How the clips were cut out of the videos: frames, rate, size.

    Raises
    ------
    InputError
        Where there is no such file at all. `label_clips` raises it where one is missing or malformed.
    """

    def __init__(self, folder: str | Path, sampling: ClipSampling) -> None:
        self.folder, self.sampling = Path(folder), sampling
        self._read: tuple[str, NDArray[np.int32]] | None = None
        if not any(path.suffix in SUFFIXES for path in self.folder.rglob("*")):
            fact = f"{folder} without {', '.join('*' + suffix for suffix in SUFFIXES)}"
            todo = "name a file <class>/<name> as the video"
            raise InputError(expected("regions", "a folder", "of label files", fact, todo))

    def check(self, videos: Sequence[Video]) -> None:
        """Check that each of ``videos`` has one label file, before any is decoded.

        Raises
        ------
        InputError
            Where one has none, or several.
        """
        for video in videos:
            self.path_of(video)

    def label_clips(self, clips: Sequence[Clip], frames: Tensor | None = None) -> Sequence[Tensor]:
        """See `ace3d_fast.regions.source.RegionSource`."""
        return [self._label(clip) for clip in clips]

    def _label(self, clip: Clip) -> Tensor:
        wanted = len(clip.frames)
        start = clip.index * wanted
        if self._read is None or self._read[0] != clip.video.id:
            self._read = (clip.video.id, self._read_video(clip.video))
        labels = self._read[1]
        part = labels[:, start : start + wanted]
        missing = wanted - part.shape[1]
        if missing > clip.num_repeated + 1:  # a rate that is rounded may cost a frame
            seconds = labels.shape[1] / self.sampling.segment_fps
            fact = f"labels of {seconds:.2f} s for a clip that begins at {clip.start_seconds:.2f} s"
            raise InputError(expected("regions", str(self.path_of(clip.video)), "as long as its video", fact))
        if missing:
            part = np.concatenate([part, np.repeat(labels[:, -1:], missing, axis=1)], axis=1)
        return torch.from_numpy(np.stack([_counted(level) for level in part]))

    def path_of(self, video: Video) -> Path:
        """The label file of ``video``."""
        stem = self.folder / Path(video.id).with_suffix("")
        paths = [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
        found = [path for path in paths if path.is_file()]
        if len(found) != 1:
            fact = " and ".join(path.name for path in found) or f"none at {stem}"
            raise InputError(expected("regions", f"one label file for {video.id}", "to exist", fact))
        return found[0]

    def _read_video(self, video: Video) -> NDArray[np.int32]:
        """(S, frames at the segmentation rate, crop, crop)."""
        path, sampling = self.path_of(video), self.sampling
        info = probe_video(video.path, sampling.limits)
        labels = open_labels(path)
        height, width = labels.size
        aspect = width / height
        if min(
            abs(math.log(aspect * side)) for side in (info.height / info.width, info.width / info.height)
        ) > (MAX_ASPECT_DIFFERENCE):
            fact = f"{width} by {height} pixels for a video of {info.width} by {info.height}"
            raise InputError(expected("regions", str(path), "of its video's shape", fact))
        step = (labels.fps or info.fps) / sampling.segment_fps
        num_frames = labels.num_frames or math.ceil(info.duration_seconds * (labels.fps or info.fps)) + 1
        # The frame nearest in time, the earlier of two equally near, as clips are decoded
        indices = [math.ceil(k * step - 0.5 - 1e-9) for k in range(math.ceil(num_frames / step) + 1)]
        indices = [index for index in indices if index < num_frames]
        return labels.read(indices, self._places(labels.size))

    def _places(self, size: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of a label frame that lie nearest to the pixels of a clip."""
        crop, scale = self.sampling.crop_px, self.sampling.resize_px / min(size)
        places = []
        for side in size:
            resized = max(crop, round(side * scale))
            pixels = (resized - crop) // 2 + np.arange(crop) + 0.5
            places.append((pixels * side / resized).astype(np.intp))
        return places[0], places[1]


def _counted(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Labels from 0 without gaps; what is negative is -1."""
    values, counted = np.unique(labels, return_inverse=True)
    num_background = int((values < 0).sum())
    return np.maximum(counted.reshape(labels.shape) - num_background, -1).astype(np.int32)
