"""video → clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import torch

from ace3d_fast.errors import InputError, VideoError, expected
from ace3d_fast.models.names import nearest, plain
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.types import Clip, ClipSampling, Video
from ace3d_fast.video.decode import read_all_frames, read_clips

MAX_NAMED = 20  # classes that a message lists


def sample_clips(
    videos: Iterable[Video],
    sampling: ClipSampling,
    *,
    whole: bool = False,
    keep_tail: bool = False,
    block_clips: int = 16,
    on_bad_video: Callable[[Video, VideoError], None] | None = None,
    watch: Stopwatch | None = None,
) -> Iterator[list[Clip]]:
    """Decode each video into consecutive clips that do not overlap.

    Parameters
    ----------
    videos : iterable of Video
    sampling : ClipSampling
    whole : bool
        One clip per video, of all its frames squashed to a square (arXiv 2206.05275), instead. One of fewer
        frames than the network sees repeats its last.
    keep_tail : bool
        A last clip that is not whole repeats its last frame; by default it is dropped.
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
        clips = _whole(video, sampling) if whole else read_clips(video, sampling, keep_tail=keep_tail)
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


def _whole(video: Video, sampling: ClipSampling) -> Iterator[Clip]:
    frames = read_all_frames(video, sampling.crop_px, sampling.limits)
    missing = max(0, sampling.num_frames - len(frames))
    frames = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)]) if missing else frames
    yield Clip(video, 0, 0.0, frames, num_repeated=missing)


def check_videos(
    videos: Sequence[Video], target_class: str, skipped: Sequence[Mapping[str, str]] = ()
) -> None:
    """Check that there are videos of the explained class and of another.

    Parameters
    ----------
    videos : sequence of Video
        The usable videos.
    target_class : str
    skipped : sequence of mapping
        ``video`` and ``reason`` of those that are not; named in the message.

    Raises
    ------
    InputError
        Videos of the class, or counterexamples, are missing.
    """
    labels = sorted({video.label for video in videos})
    bad = "".join(f"; skipped {row['video']}: {row['reason']}" for row in skipped)
    if target_class not in labels:
        name = f"videos of class {target_class!r}"
        todo = f"classes found: {', '.join(labels) or 'none'}"
        if len(labels) > MAX_NAMED:
            todo = f"{len(labels)} classes found, {nearest(target_class, labels)}"
        elif alike := [label for label in labels if plain(label) == plain(target_class)]:
            todo = f"write {alike[0]!r}, as the videos do; {todo}"
        raise InputError(expected("run", name, "to exist", f"none among {len(videos)} videos", todo + bad))
    if len(labels) < 2:
        todo = "add videos of other classes: they are the counterexamples"
        raise InputError(
            expected("run", "videos", "of at least two classes", f"only {target_class!r}", todo + bad)
        )
