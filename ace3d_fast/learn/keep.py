"""Which clusters are worth testing as concepts: the two keep rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ace3d_fast.learn.checks import Labels, group_codes
from ace3d_fast.words import percent

# What stands once in a clip, like a mark in a corner, has one region in each at most, and supervoxels miss
# some: of ten clips, ten regions would be too much to ask.
MIN_REGIONS_PER_CLIP = 0.6


@dataclass(frozen=True, slots=True)
class Keep:
    """The verdict on one cluster, with the figures behind it.

    Attributes
    ----------
    kept : bool
    reason : str
        Why it was rejected, in words and figures; empty when kept.
    num_regions, num_clips, num_videos : int
    largest_video_share : float
        Share of the regions that come from one video, the largest; 0 for an empty cluster.
    """

    kept: bool
    reason: str
    num_regions: int
    num_clips: int
    num_videos: int
    largest_video_share: float


def keep_calibrated(
    labels: ArrayLike,
    videos: Labels,
    clips: Labels,
    *,
    num_videos: int,
    num_clips: int | None = None,
    num_clusters: int | None = None,
    min_regions: int = 10,
    min_clips: int = 5,
    min_video_share: float = 0.35,
    min_videos: int = 3,
    max_video_share: float = 0.6,
) -> list[Keep]:
    """Keep clusters that enough videos, clips and regions share.

    Parameters
    ----------
    labels : (rows,) int
        Cluster of each region; negative values belong to none.
    videos : (rows,)
        Video of each region.
    clips : (rows,)
        Clip of each region; clips are told apart within a video.
    num_videos : int
        Videos that were clustered, including those without any member.
    num_clips : int, optional
        Clips that were clustered.
    num_clusters : int, optional
        Clusters to judge; by default up to the largest label.
    min_regions, min_clips : int
        Least number of member regions, and of clips they come from. Where ``num_clips`` is given, no more
        than 0.6 regions for each of these clips are asked for.
    min_video_share, min_videos : float, int
        At least ``max(min_videos, ceil(min_video_share * num_videos))`` videos are needed.
    max_video_share : float
        Greatest share of the regions that one video may hold.

    Returns
    -------
    list of Keep
        One for each cluster.

    Raises
    ------
    InputError
        ``videos`` or ``clips`` are not as long as ``labels``.
    """
    # 1e-9: .35 * 20 is 7.000000000000001 in binary, and the rule means 7
    needed = max(min_videos, ceil(min_video_share * num_videos - 1e-9))
    needed_regions = min_regions
    if num_clips is not None:
        needed_regions = min(min_regions, ceil(MIN_REGIONS_PER_CLIP * num_clips - 1e-9))

    def objections(counts: Keep) -> list[str]:
        found = []
        if counts.num_videos < needed:
            found.append(f"in {counts.num_videos} of {num_videos} videos, needs {needed}")
        if counts.largest_video_share > max_video_share + 1e-9:
            share = f"one video holds {percent(counts.largest_video_share)} of its regions"
            found.append(f"{share}, at most {percent(max_video_share)} allowed")
        if counts.num_clips < min_clips:
            found.append(f"in {_count(counts.num_clips, 'clip')}, needs {min_clips}")
        if counts.num_regions < needed_regions:
            found.append(f"{_count(counts.num_regions, 'region')}, needs {needed_regions}")
        return found

    return _judge("keep_calibrated", labels, videos, clips, num_clusters, objections)


def keep_published(
    labels: ArrayLike,
    videos: Labels,
    clips: Labels,
    *,
    num_videos: int,
    num_clusters: int | None = None,
    min_regions: int = 10,
) -> list[Keep]:
    """Keep clusters by the published rule (arXiv 2206.05275).

    With n regions from n_v of N videos a cluster is kept if n > ``min_regions`` and one of:
    n_v > .4 n; n_v > .1 n and n_v > .1 N; n_v > .08 n and n_v > .35 N. Parameters, returned
    values and errors are those of `keep_calibrated`.
    """

    def objections(counts: Keep) -> list[str]:
        n, n_v = counts.num_regions, counts.num_videos
        if n <= min_regions:
            return [f"{_count(n, 'region')}, needs more than {min_regions}"]
        spread = (
            n_v > 0.4 * n
            or (n_v > 0.1 * n and n_v > 0.1 * num_videos)
            or (n_v > 0.08 * n and n_v > 0.35 * num_videos)
        )
        if spread:
            return []
        crowded = n_v <= 0.08 * n  # however few videos there are in all
        fault = "too many regions a video" if crowded else "too few videos"
        return [f"{n} regions in {n_v} of {num_videos} videos: {fault}"]

    return _judge("keep_published", labels, videos, clips, num_clusters, objections)


def _judge(
    where: str,
    labels: ArrayLike,
    videos: Labels,
    clips: Labels,
    num_clusters: int | None,
    objections: Callable[[Keep], list[str]],
) -> list[Keep]:
    """Count every cluster and word the objections to it."""
    codes = np.asarray(labels, dtype=np.int64)
    video_codes = group_codes(where, "videos", videos, codes.size)
    clip_codes = group_codes(where, "clips", clips, codes.size)
    if num_clusters is None:
        num_clusters = int(codes.max(initial=-1)) + 1
    verdicts = []
    for cluster in range(num_clusters):
        members = codes == cluster
        counts = _count_members(video_codes[members], clip_codes[members])
        reason = "; ".join(objections(counts))
        verdicts.append(
            Keep(
                not reason,
                reason,
                counts.num_regions,
                counts.num_clips,
                counts.num_videos,
                counts.largest_video_share,
            )
        )
    return verdicts


def _count_members(videos: NDArray[np.int64], clips: NDArray[np.int64]) -> Keep:
    """Counts of one cluster; ``kept`` is not decided yet."""
    if videos.size == 0:
        return Keep(False, "", 0, 0, 0, 0.0)
    per_video = np.unique(videos, return_counts=True)[1]
    num_clips = np.unique(np.stack([videos, clips]), axis=1).shape[1]
    return Keep(False, "", videos.size, num_clips, per_video.size, float(per_video.max() / videos.size))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
