"""video file → clips of RGB frames, with memory that does not grow with the file.

Frame ``k`` of a clip is the source frame nearest ``k / segment_fps`` by its timestamp (the earlier of two
equally near), counted from the first frame. FFmpeg's swscale converts the colour and scales in one pass, only
for the frames that are used; its bilinear filter widens when it shrinks, so it does not alias. Colours
are right on average; converting at full size without these flags, as is common, is one grey level too dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.errors import InputError, VideoError, expected
from ace3d_fast.types import Clip, ClipSampling, Video, VideoLimits
from ace3d_fast.video.container import (
    MAX_MISSING_SHARE,
    count_packets,
    frame_rate,
    open_video,
    packets_of,
    too_few,
)
from ace3d_fast.video.limits import USUAL, check_pixels, check_seconds

SCALING = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
LONGEST_GAP_SECONDS = 60.0  # a longer jump between timestamps is a break in the file, not a still picture


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Facts about a video's picture.

    Attributes
    ----------
    num_frames : int
        Counted packets; a decoder may give fewer frames.
    fps : float
    width, height : int
        Pixels, as stored.
    duration_seconds : float
    """

    num_frames: int
    fps: float
    width: int
    height: int
    duration_seconds: float


def probe_video(path: str | Path, limits: VideoLimits = USUAL) -> VideoInfo:
    """Read the facts of a video, without decoding it.

    Raises
    ------
    VideoError
        Where the file is missing, no video, truncated, holds no picture, or goes beyond ``limits``.
    """
    path = Path(path)
    with open_video(path) as (container, stream):
        rate = frame_rate(stream)
        check_pixels(path, stream.width, stream.height, limits)
        num_packets, seconds = count_packets(container, stream, path)
        info = VideoInfo(num_packets, rate, stream.width, stream.height, seconds or num_packets / rate)
    check_seconds(path, info.duration_seconds, limits)
    return info


def read_clips(
    video: Video, sampling: ClipSampling, *, limit: int | None = None, keep_tail: bool = False
) -> Iterator[Clip]:
    """Decode ``video`` into consecutive clips that do not overlap.

    Parameters
    ----------
    video : Video
    sampling : ClipSampling
    limit : int, optional
        Most clips to read.
    keep_tail : bool
        A last clip that is not whole repeats its last frame; by default it is dropped.

    Yields
    ------
    Clip
        Frames (stride * T, crop, crop, 3) uint8 RGB: the short side of the picture (rotated as the file says)
        resized to ``resize_px``, the centre cut out. A video shorter than one clip repeats its last frame.

    Raises
    ------
    VideoError
        Where the video cannot be used: no video, truncated, no frame or a single one, or beyond the limits.
    """
    limits = sampling.limits
    probe_video(video.path, limits)
    wanted = sampling.num_segment_frames
    picture = _Picture(sampling.resize_px, sampling.crop_px)
    frames: list[Tensor] = []
    index = 0
    for frame in _frames_at(video.path, sampling.segment_fps, picture, limits):
        frames.append(frame)
        if len(frames) == wanted:
            yield _clip(video, index, frames, sampling)
            frames, index = [], index + 1
            if index == limit:
                return
    if frames and (keep_tail or index == 0):
        missing = wanted - len(frames)
        yield replace(_clip(video, index, frames + [frames[-1]] * missing, sampling), num_repeated=missing)


def read_frames(
    path: str | Path, fps: float, resize_px: int, limits: VideoLimits = USUAL
) -> Iterator[Tensor]:
    """Decode the frames nearest to ``0, 1, 2 … / fps`` seconds, whole, one at a time.

    Yields
    ------
    (H, W, 3) uint8
        RGB, the short side (rotated as the file says) resized to ``resize_px``.

    Raises
    ------
    InputError
        Where ``fps`` or ``resize_px`` is not positive.
    VideoError
        As `read_clips`.
    """
    if not (fps > 0 and resize_px > 0):
        raise InputError(
            expected("read_frames", "fps and resize_px", "to be positive", f"{fps} and {resize_px}")
        )
    path = Path(path)
    probe_video(path, limits)
    yield from _frames_at(path, fps, _Picture(resize_px, None), limits)


def read_all_frames(video: Video, size_px: int, limits: VideoLimits = USUAL) -> Tensor:
    """Decode every frame, squashed to a square: (T, size_px, size_px, 3) uint8.

    The published pipeline's reading (arXiv 2206.05275); memory grows with the length of the video.

    Raises
    ------
    VideoError
        As `read_clips`.
    """
    probe_video(video.path, limits)
    reformatter = VideoReformatter()
    with open_video(video.path) as (container, stream):
        decoded = _decode(container, stream, video.path, limits)
        frames = [_to_rgb(reformatter, frame, size_px, size_px) for frame in decoded]
    if len(frames) < 2:
        raise too_few(video.path, len(frames))
    return torch.from_numpy(np.stack(frames))


def _clip(video: Video, index: int, frames: list[Tensor], sampling: ClipSampling) -> Clip:
    return Clip(video, index, index * sampling.span_seconds, torch.stack(frames), sampling.stride)


class _Picture:
    """Turns a decoded frame into its resized self, (H, W, 3) uint8, or the square centre of it."""

    def __init__(self, resize_px: int, crop_px: int | None) -> None:
        self.resize_px, self.crop_px = resize_px, crop_px
        self._reformatter = VideoReformatter()

    def size_of(self, frame: Any) -> tuple[int, int]:
        """Width and height of a frame, resized and not turned yet."""
        scale = self.resize_px / min(frame.width, frame.height)
        least = self.crop_px or 1
        width, height = (max(least, round(side * scale)) for side in (frame.width, frame.height))
        return width, height

    def __call__(self, frame: Any) -> Tensor:
        width, height = self.size_of(frame)
        rgb = _to_rgb(self._reformatter, frame, width, height)
        if self.crop_px is None:
            return torch.from_numpy(np.ascontiguousarray(rgb))
        top, left = ((side - self.crop_px) // 2 for side in rgb.shape[:2])
        return torch.from_numpy(rgb[top : top + self.crop_px, left : left + self.crop_px].copy())


def _to_rgb(reformatter: VideoReformatter, frame: Any, width: int, height: int) -> NDArray[np.uint8]:
    """Scale to ``width`` × ``height`` as stored, then turn the picture as the file says."""
    scaled = reformatter.reformat(frame, width, height, "rgb24", interpolation=SCALING, threads=1)
    rgb = np.asarray(scaled.to_ndarray(), dtype=np.uint8)
    quarter_turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.rot90(rgb, quarter_turns) if quarter_turns else rgb


def _frames_at(path: Path, fps: float, picture: _Picture, limits: VideoLimits) -> Iterator[Tensor]:
    """The frames nearest to ``0, 1, 2 … / fps`` seconds after the first one."""
    previous: Any = None
    previous_seconds, index, num_frames = 0.0, 0, 0
    period = 1.0 / fps
    for seconds, frame in _timed(path, limits):
        num_frames += 1
        check_pixels(path, *picture.size_of(frame), limits)
        check_seconds(path, seconds, limits)
        if previous is not None:
            until = (previous_seconds + seconds) / 2 + 1e-9
            period = seconds - previous_seconds
            if index / fps <= until:
                shown = picture(previous)
                while index / fps <= until:
                    yield shown
                    index += 1
        previous, previous_seconds = frame, seconds
    if num_frames < 2:
        raise too_few(path, num_frames)
    if index / fps <= previous_seconds + period / 2:
        shown = picture(previous)
        while index / fps <= previous_seconds + period / 2:
            yield shown
            index += 1


def _timed(path: Path, limits: VideoLimits = USUAL) -> Iterator[tuple[float, Any]]:
    """(seconds since the first frame, frame), strictly increasing.

    A frame without a timestamp follows its predecessor by one frame period; so does one whose timestamp goes
    back or leaps by more than a minute, and time counts on from there.
    """
    with open_video(path) as (container, stream):
        period = 1.0 / frame_rate(stream)
        origin: float | None = None
        seconds = 0.0
        for index, frame in enumerate(_decode(container, stream, path, limits)):
            follows = seconds + period if index else 0.0
            stamp = frame.time
            if stamp is None:
                seconds = follows
            elif origin is None or not seconds < stamp - origin <= seconds + LONGEST_GAP_SECONDS:
                seconds, origin = follows, stamp - follows
            else:
                seconds = stamp - origin
            yield seconds, frame


def _decode(container: Any, stream: Any, path: Path, limits: VideoLimits) -> Iterator[Any]:
    """Frames in the order they are shown; packets that do not decode are passed over, up to a share."""
    stream.thread_type = "AUTO"
    # A size that grows on the way is refused before FFmpeg makes room for it; its margins count there.
    stream.codec_context.options = {"max_pixels": str(2 * limits.max_frame_pixels + 2**16)}
    num_packets = num_bad = 0
    for packet in packets_of(container, stream, path):
        num_packets += 1
        try:
            frames = packet.decode()
        except av.FFmpegError:
            num_bad += 1
            continue
        for frame in frames:
            check_pixels(path, frame.width, frame.height, limits)
            yield frame
    if num_bad > MAX_MISSING_SHARE * num_packets:
        fact = f"{num_bad} of {num_packets} packets that do not"
        raise VideoError(expected("read_clips", str(path), "to decode", fact, "the file is damaged"))
