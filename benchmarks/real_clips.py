"""Clips of real videos, where they are at hand: ``$ACE3D_REAL_DATA``, else ``../shared/real``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from ace3d_fast.video.decode import read_frames

FPS = 7.5


def real_clips(num_clips: int, num_frames: int, short_side_px: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and frames (T, H, W, 3) uint8 of the first clip of one video of each class."""
    named = os.environ.get("ACE3D_REAL_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "real"
    classes = sorted(path for path in (folder / "videos").glob("*") if path.is_dir())
    if not classes:
        print(f"no videos in {folder}: real clips are left out")
    for path in islice(classes, num_clips):
        video = min(path.iterdir())
        frames = list(islice(read_frames(video, FPS, short_side_px), num_frames))
        yield video.stem, torch.stack(frames).numpy()
