"""video → clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ace3d_fast.errors import VideoError
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.types import Clip, ClipSampling, Video
from ace3d_fast.video.decode import read_clips


def sample_clips(
    videos: Iterable[Video],
    sampling: ClipSampling,
    *,
    on_bad_video: Callable[[Video, VideoError], None] | None = None,
    watch: Stopwatch | None = None,
) -> Iterator[tuple[Video, list[Clip]]]:
    """Decode each video into consecutive clips that do not overlap.

    Parameters
    ----------
    videos : iterable of Video
    sampling : ClipSampling
    on_bad_video : callable, optional
        Told of a video that cannot be used, which is then passed over; without it the error is raised.
    watch : Stopwatch, optional
        Counts ``decode`` seconds.

    Yields
    ------
    (Video, list of Clip)
        One video at a time, so memory follows the longest video's clips, not the whole input.
    """
    watch = watch or Stopwatch()
    for video in videos:
        try:
            with watch.time("decode"):
                clips = list(read_clips(video, sampling))
        except VideoError as error:
            if on_bad_video is None:
                raise
            on_bad_video(video, error)
            continue
        yield video, clips
