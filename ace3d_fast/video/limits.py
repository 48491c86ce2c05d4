"""What a video may hold: files of a few bytes can announce more than any memory or patience takes."""

from __future__ import annotations

from pathlib import Path

from ace3d_fast.errors import VideoError, expected
from ace3d_fast.types import VideoLimits

USUAL = VideoLimits()


def check_pixels(path: Path, width: int, height: int, limits: VideoLimits) -> None:
    """Refuse a frame beyond ``limits``."""
    if width * height > limits.max_frame_pixels:
        wanted = f"to have frames of at most {limits.max_frame_pixels} pixels"
        todo = "raise --max-frame-pixels if you trust the file"
        raise VideoError(expected("read_clips", str(path), wanted, f"{width} x {height}", todo))


def check_seconds(path: Path, seconds: float, limits: VideoLimits) -> None:
    """Refuse a playing time beyond ``limits``."""
    if seconds > 3600 * limits.max_hours:
        wanted = f"to last at most {limits.max_hours:g} hours"
        todo = "raise --max-hours if you trust the file"
        raise VideoError(expected("read_clips", str(path), wanted, f"{seconds / 3600:.1f}", todo))
