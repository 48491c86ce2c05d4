"""Video files for tests, written frame by frame so that every frame tells its number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from ace3d_fast.types import ClipSampling, Video

STEP = 6  # grey levels from one frame to the next


def sampling(num_frames: int, fps: float, px: int = 32, segment_fps: float = 0.0) -> ClipSampling:
    return ClipSampling(num_frames, fps, px, px, target_segment_fps=segment_fps or fps)


def video_of(path: Path) -> Video:
    return Video(path.name, path, "class", path.name)


def grey_frames(num_frames: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Frame ``k`` is grey of level ``STEP * k``."""
    levels = (STEP * np.arange(num_frames)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (num_frames, height, width, 3)).copy()


def frame_numbers(frames: Any) -> list[int]:
    """Which of `grey_frames` each of ``frames`` is."""
    return [round(float(frame.float().mean()) / STEP) for frame in frames]


def write_with_times(path: Path, frames: np.ndarray, times_ms: list[int], codec: str = "mpeg4") -> Path:
    """Write ``frames``, the k-th shown from ``times_ms[k]`` on."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        stream.options = {"qscale": "2"}
        for frame, time in zip(frames, times_ms, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


def remux(source: Path, path: Path, **options: str) -> Path:
    """Copy the packets of ``source`` into another container."""
    with av.open(str(source)) as given, av.open(str(path), "w", options=options) as out:
        stream = given.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return path


def write_sound(path: Path) -> Path:
    """Write half a second of silence."""
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=44100)
        for index in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.rate, frame.pts = 44100, index * 1024
            out.mux(sound.encode(frame))
        out.mux(sound.encode())
    return path
