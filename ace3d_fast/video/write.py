"""Frames → an mp4 file that browsers play."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ace3d_fast.errors import InputError, expected

Frames = NDArray[np.uint8]


class VideoWriter:
    """Writes frames as they come; the file appears at ``path`` when the ``with`` block ends without an error.

    Parameters
    ----------
    path : str or Path
        Its folder is made if need be.
    fps : float
    crf : int
        Quality of H.264: 0 is lossless, 18 looks like the original, 23 is small. MPEG-4 stands in at a
        matching quality where FFmpeg has no H.264 encoder.

    Notes
    -----
    Colour is stored at half resolution (4:2:0); an odd side is padded by repeating its last line. Same
    frames, same bytes for one version of PyAV.
    """

    def __init__(self, path: str | Path, fps: float, *, crf: int = 18) -> None:
        if not fps > 0:
            raise InputError(expected("VideoWriter", "fps", "to be positive", fps))
        self.path = Path(path)
        self.rate = Fraction(fps).limit_denominator(1001)
        self.crf = crf
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> VideoWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(self._part), "w", format="mp4", options={"movflags": "faststart"})
        return self

    def write(self, frame: Frames) -> None:
        """Append one frame, (H, W, 3) uint8 RGB, of the size of the first.

        Raises
        ------
        InputError
            For another shape or dtype.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            fact = f"{frame.dtype} of shape {frame.shape}"
            raise InputError(expected("VideoWriter", "a frame", "to be (H, W, 3) uint8", fact))
        height, width = frame.shape[:2]
        if height % 2 or width % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._add_stream(frame.shape[1], frame.shape[0])
        if (self._stream.height, self._stream.width) != frame.shape[:2]:
            fact = f"{width} by {height} px"
            size = f"to be {self._stream.width} by {self._stream.height} px as the first"
            raise InputError(expected("VideoWriter", "a frame", size, fact))
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        self._container.mux(self._stream.encode(picture))

    def _add_stream(self, width: int, height: int) -> Any:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream = self._container.add_stream(codec, rate=self.rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        if codec == "libx264":
            # Its macroblock tree reads memory that nobody wrote: files of the same frames would differ.
            stream.options = {"crf": str(self.crf), "preset": "fast", "x264-params": "mbtree=0"}
        else:
            stream.options = {"qscale": str(max(1, self.crf // 6))}
        return stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        whole = kind is None and self._stream is not None
        try:
            if whole:
                self._container.mux(self._stream.encode())
            self._container.close()
            if whole:
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)
        if kind is None and not whole:
            raise InputError(expected("VideoWriter", str(self.path), "to get at least one frame", "none"))


def write_video(path: str | Path, frames: Iterable[Frames], fps: float, *, crf: int = 18) -> Path:
    """Write ``frames``, (T, H, W, 3) uint8 RGB or any iterable of such frames, as an mp4 file.

    Raises
    ------
    InputError
        As `VideoWriter`; no file is left then.
    """
    with VideoWriter(path, fps, crf=crf) as writer:
        for frame in frames:
            writer.write(np.asarray(frame))
    return writer.path
