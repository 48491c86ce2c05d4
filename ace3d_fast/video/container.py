"""An open video file: its picture, its packets, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from ace3d_fast.errors import VideoError, expected
from ace3d_fast.words import percent

DEMUX_ERRORS = (av.FFmpegError, IndexError)  # the latter where a stream appears on the way
MAX_MISSING_SHARE = 0.05  # of a file's announced length, before it counts as truncated


def packets_of(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """The packets of a stream; what FFmpeg cannot read is a `VideoError`."""
    try:
        yield from container.demux(stream)
    except DEMUX_ERRORS as error:
        reason = getattr(error, "strerror", None) or "its streams change"
        fact = f"a part that FFmpeg cannot read ({reason.lower()})"
        raise VideoError(
            expected("read_clips", str(path), "to decode", fact, "the file is damaged")
        ) from error


@contextmanager
def open_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """The open container and the stream of its picture."""
    if not path.is_file():
        fact = "a folder" if path.is_dir() else "no such file"
        raise VideoError(expected("read_clips", str(path), "to be a video file", fact, "check the path"))
    if path.stat().st_size == 0:
        raise VideoError(expected("read_clips", str(path), "to be a video", "an empty file", "copy it again"))
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "unreadable"
        fact = f"a file of {path.stat().st_size} bytes that FFmpeg cannot open ({reason.lower()})"
        todo = "it is truncated or no video"
        raise VideoError(expected("read_clips", str(path), "to be a video", fact, todo)) from error
    with container:
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            kinds = sorted({str(s.type) for s in container.streams}) or ["no stream"]
            fact = f"a file with {' and '.join(kinds)} only"
            raise VideoError(
                expected(
                    "read_clips",
                    str(path),
                    "to hold moving pictures",
                    fact,
                    "give a file with a video stream",
                )
            )
        if streams[0].codec_context is None:
            fact = "a picture in a format that FFmpeg does not know"
            raise VideoError(expected("read_clips", str(path), "to hold moving pictures", fact))
        yield container, streams[0]


def _is_cover(stream: Any) -> bool:
    """Whether the stream is a still picture attached to audio."""
    attached = getattr(getattr(av.stream, "Disposition", None), "attached_pic", 0)
    return bool(getattr(stream, "disposition", 0) & attached)


def frame_rate(stream: Any) -> float:
    """Frames per second as the file tells it; 25 where it does not."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)


def count_packets(container: Any, stream: Any, path: Path) -> tuple[int, float]:
    """(Number of the picture's packets, seconds they span); raises where the file ends before its time.

    Reads the packets without decoding them. The length a file announces is trusted in the formats that
    announce one: MP4 and its kin, Matroska and WebM, AVI.
    """
    num_packets, first, last = 0, float("inf"), 0.0
    try:
        for packet in container.demux():
            if packet.pts is None or packet.size == 0:
                num_packets += packet.stream is stream and packet.size > 0
                continue
            num_packets += packet.stream is stream
            if packet.stream is stream or stream.duration is None:
                start = float(packet.pts * packet.time_base)
                first = min(first, start)
                last = max(last, start + float((packet.duration or 0) * packet.time_base))
    except DEMUX_ERRORS:
        pass  # what could be read is judged below
    if num_packets == 0:
        raise too_few(path, 0)
    name = container.format.name
    announced, present = 0.0, max(last, last - first)  # some formats announce where they end, not how long
    if "mp4" in name or "matroska" in name:
        announced = float(stream.duration * stream.time_base if stream.duration else 0)
        announced = announced or (container.duration or 0) / 1e6
    elif "avi" in name and stream.frames:
        announced, present = float(stream.frames), float(num_packets)
    if present < (1 - MAX_MISSING_SHARE) * announced - 1e-6:
        fact = f"{percent(present / announced)} of its announced length"
        raise VideoError(expected("read_clips", str(path), "to be whole", fact, "the file is truncated"))
    return num_packets, last - first if first < last else 0.0


def too_few(path: Path, num_frames: int) -> VideoError:
    """The error for a video of one frame, or none."""
    got = "a single frame" if num_frames else "no frame"
    return VideoError(
        expected(
            "read_clips", str(path), "to hold at least 2 frames", got, "leave it out, or record it again"
        )
    )
