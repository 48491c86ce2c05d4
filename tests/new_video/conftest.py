"""A video in which the class comes and goes at known times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import TARGET

from ace3d_fast.types import Video
from ace3d_fast.video.decode import read_clips
from ace3d_fast.video.planted import CLASSES, SAMPLING
from ace3d_fast.video.write import write_video


def planted_clips(planted, name: str, first: int, number: int) -> list[np.ndarray]:
    videos = sorted((planted.videos_folder / name).glob("*.mp4"))[first : first + number]
    return [next(iter(read_clips(Video("v", v, "", "v"), SAMPLING))).frames.numpy() for v in videos]


@pytest.fixture(scope="session")
def mixed_video(planted, tmp_path_factory) -> Path:
    """Clips 0 to 7 of 2 s, and half a clip: 1, 2 and 5 are of the class, the others of other classes."""
    own = planted_clips(planted, TARGET, 10, 3)
    other = planted_clips(planted, CLASSES[1], 9, 6)
    clips = [other[0], own[0], own[1], other[1], other[2], own[2], other[3], other[4], other[5][:8]]
    path = tmp_path_factory.mktemp("mixed") / "mixed <b>video.mp4"
    return write_video(path, np.concatenate(clips), SAMPLING.fps, crf=4)
