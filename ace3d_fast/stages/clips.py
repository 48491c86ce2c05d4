"""video → clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ace3d_fast.errors import VideoError
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.types import Clip, ClipSampling, Video
from ace3d_fast.video.decode import read_clips


def sample_clips(
    videos: Iterable[Video],
    sampling: ClipSampling,
    *,
    block_clips: int = 16,
    on_bad_video: Callable[[Video, VideoError], None] | None = None,
    watch: Stopwatch | None = None,
) -> Iterator[list[Clip]]:
    """Decode each video into consecutive clips that do not overlap.

    Parameters
    ----------
    videos : iterable of Video
    sampling : ClipSampling
    block_clips : int
        Most clips in one block.
    on_bad_video : callable, optional
        Told of a video that cannot be used, which is then passed over; without it the error is raised.
    watch : Stopwatch, optional
        Counts ``decode`` seconds.

    Yields
    ------
    list of Clip
        The next 1 to ``block_clips`` clips of one video, so memory does not grow with its length.
    """
    watch = watch or Stopwatch()
    for video in videos:
        clips = read_clips(video, sampling)
        try:
            while True:
                with watch.time("decode"):
                    block = list(islice(clips, block_clips))
                if not block:
                    break
                yield block
        except VideoError as error:
            if on_bad_video is None:
                raise
            on_bad_video(video, error)
