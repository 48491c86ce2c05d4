"""One video → label maps and a video of their outlines, window by window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ace3d_fast import __version__, ops
from ace3d_fast.config import SegmentOptions
from ace3d_fast.errors import InputError, expected
from ace3d_fast.store import check_out
from ace3d_fast.types import Progress, SilentProgress, VideoLimits
from ace3d_fast.video.decode import probe_video, read_frames
from ace3d_fast.video.limits import USUAL
from ace3d_fast.video.write import VideoWriter
from ace3d_fast.workplace import Workplace

OUTLINE = (255, 214, 0)
OVERLAY_HEIGHT = 180  # smaller pictures are enlarged by a whole number to about this


@dataclass(frozen=True)
class SegmentedVideo:
    """What `segment_video` wrote.

    Attributes
    ----------
    folder : Path
        ``labels/<nnnnn>.npz`` for each window, ``windows.json``, ``overlay.mp4``, ``config.json``.
    num_frames, num_windows : int
    num_regions : tuple of int
        Supervoxels of the video at each resolution.
    """

    folder: Path
    num_frames: int
    num_windows: int
    num_regions: tuple[int, ...]


def segment_video(
    video: str | Path,
    out: str | Path,
    options: SegmentOptions | None = None,
    *,
    fps: float = 7.5,
    resize_px: int = 182,
    window_frames: int = 48,
    overlap_frames: int = 16,
    limits: VideoLimits = USUAL,
    progress: Progress | None = None,
) -> SegmentedVideo:
    """Cut a video into supervoxels at several resolutions.

    The video is read window by window (`ace3d_fast.ops.stream_supervoxels`), so memory does not grow with its
    length; a supervoxel keeps its number from one window to the next.

    Parameters
    ----------
    video : str or Path
    out : str or Path
        A new or empty folder, or one of the same call. ``labels/<nnnnn>.npz`` gets ``labels`` (S, T, H, W)
        int16 or int32, one map for each resolution in the order of ``options.num_regions``; numbers begin at
        0 with each map and go on through the video. Nothing is left there when an error is raised.
    options : SegmentOptions, optional
        ``num_regions``, ``compactness``, ``sigma``, ``frame_distance_px`` and ``quality``; all regions are
        kept, whatever their size.
    fps : float
        Frames per second that are segmented.
    resize_px : int
        Short side of the picture, in pixels; the aspect ratio is kept.
    window_frames : int
        Frames that are cut together; ``num_regions`` is for so many.
    overlap_frames : int
        Frames that two windows share: as many as a supervoxel lasts, or more, keep the seams out of sight.
    limits : VideoLimits, optional
    progress : Progress, optional

    Raises
    ------
    InputError
        An option out of range, or ``out`` holds something else.
    VideoError
        The video cannot be used.
    """
    if not 0 < fps < float("inf"):
        raise InputError(expected("segment", "fps", "to be positive", fps))
    options = options or SegmentOptions()
    progress = progress or SilentProgress()
    config = {
        "video": str(video),
        "num_regions": options.num_regions,
        "compactness": options.compactness,
        "sigma": options.sigma,
        "frame_distance_px": options.frame_distance_px,
        "quality": options.quality,
        "fps": fps,
        "resize_px": resize_px,
        "window_frames": window_frames,
        "overlap_frames": overlap_frames,
        "version": __version__,
    }
    folder = check_out(out, config)
    frames = read_frames(video, fps, resize_px, limits)
    info = probe_video(video, limits)
    stream = ops.stream_supervoxels(
        frames,
        options.num_regions,
        window_frames=window_frames,
        overlap_frames=overlap_frames,
        compactness=options.compactness,
        sigma=options.sigma,
        spacing=options.spacing_px,
        quality=options.quality,
    )
    highest = np.zeros(len(options.num_regions), np.int64)
    progress.start("segment", max(1, round(info.duration_seconds * fps)))
    with Workplace(folder) as run:
        run.write_json("config.json", config)
        windows = []
        with VideoWriter(run.path / "overlay.mp4", fps) as overlay:
            for index, part in enumerate(stream):
                windows.append(_save_window(run.path, index, part, fps=fps))
                for frame, maps in zip(part.frames.numpy(), part.labels.numpy().swapaxes(0, 1), strict=True):
                    overlay.write(draw_outlines(frame, maps))
                progress.advance(len(part.frames))
                highest = np.maximum(highest, part.labels.amax(dim=(1, 2, 3)).numpy())
        run.write_json("windows.json", {"windows": [asdict(window) for window in windows]})
    progress.finish()
    num_frames = sum(window.num_frames for window in windows)
    return SegmentedVideo(folder, num_frames, len(windows), tuple((highest + 1).tolist()))


@dataclass(frozen=True)
class _Window:
    file: str
    first_frame: int
    num_frames: int
    start_seconds: float
    num_regions: list[int]


def _save_window(folder: Path, index: int, part: ops.StreamedFrames, *, fps: float) -> _Window:
    file = f"labels/{index:05d}.npz"
    (folder / "labels").mkdir(exist_ok=True)
    labels = part.labels
    narrow = labels.to(torch.int16) if int(labels.max()) < 2**15 else labels
    np.savez_compressed(folder / file, labels=narrow.numpy())
    counts = [len(np.unique(resolution)) for resolution in labels.numpy()]
    return _Window(file, part.first_frame, labels.shape[1], part.first_frame / fps, counts)


def draw_outlines(frame: NDArray[np.uint8], maps: Iterable[NDArray[np.int32]]) -> NDArray[np.uint8]:
    """``frame`` (H, W, 3) once for each label map (H, W), side by side, the borders of regions drawn in."""
    panels = []
    scale = max(1, round(OVERLAY_HEIGHT / frame.shape[0]))
    for labels in maps:
        picture, large = (np.repeat(np.repeat(x, scale, 0), scale, 1) for x in (frame, labels))
        border = np.zeros(large.shape, dtype=bool)
        border[1:] |= large[1:] != large[:-1]
        border[:, 1:] |= large[:, 1:] != large[:, :-1]
        picture[border] = OUTLINE
        panels.append(picture)
    return np.concatenate(panels, axis=1)
