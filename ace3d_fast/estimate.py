"""What a run would do and take, from its first clips: `ace3d-fast run --dry-run`."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from ace3d_fast import __version__
from ace3d_fast.config import RunOptions
from ace3d_fast.engines.upload import Block
from ace3d_fast.errors import InputError, VideoError, expected
from ace3d_fast.learn.clusters import fit_clusters
from ace3d_fast.learn.significance import lowest_p
from ace3d_fast.learn.splits import split_videos
from ace3d_fast.models.targets import TargetFunction
from ace3d_fast.pipeline import prepare
from ace3d_fast.regions.source import RegionSource
from ace3d_fast.stages.clips import sample_clips
from ace3d_fast.steps import Steps
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import SHARD_CLIPS, RunFolder, check_out
from ace3d_fast.trials import count_trial_forwards
from ace3d_fast.types import Clip, ClipFeatures, Progress, SegmentedClip, SilentProgress, Video
from ace3d_fast.video.decode import probe_video

GUESSED_CONCEPTS = 10  # where the number of clusters is to be found
NUM_SUBSAMPLES = 10  # on which each number of clusters is fitted again
MAX_CLUSTERED_ROWS = 4000
PROBED_SETS = 8
TIMED_CLIPS = 4
SPREAD = (
    0.3  # of copies of the sample's regions, of their own spread: k-means then needs as long as on real ones
)
NULLS_AND_REPORT_SECONDS = 3.0  # bootstraps, permutations, tables and the page; measured: 2 to 4
REPORT_BYTES = 5_500_000  # Plotly, mostly; the clips of a concept come on top
CONCEPT_PAGE_BYTES = 400_000
REGION_ROW_BYTES = 45
TABLE_BYTES_OF_A_REGION = 1000  # its rows of all tables, while they live together; measured: 540 to 790


@dataclass(frozen=True)
class RunEstimate:
    """What a run would do and take.

    Attributes
    ----------
    videos : DataFrame
        A row per usable video: ``video``, ``label``, ``num_clips``, ``decode_seconds``.
    skipped : list of (str, str)
        Videos that cannot be used, and why.
    options : RunOptions
    split : str
        How videos discover, train and score.
    lowest_p : float
    num_regions : int
        Of all clips.
    num_concepts : int
        Clusters; a guess where the run is to choose their number.
    num_forwards : int
        Clips that go through the network.
    seconds : dict of str to float
        By stage; what is done at the same time as something longer counts nothing.
    memory_bytes, disk_bytes : int
    """

    videos: pd.DataFrame
    skipped: list[tuple[str, str]]
    options: RunOptions
    split: str
    lowest_p: float
    num_regions: int
    num_concepts: int
    num_forwards: int
    seconds: dict[str, float]
    memory_bytes: int
    disk_bytes: int

    @property
    def total_seconds(self) -> float:
        """Of all stages."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class _Sample:
    """What one clip showed: seconds of a clip, of a masked forward, and sizes."""

    clip: SegmentedClip
    table: pd.DataFrame
    features: ClipFeatures
    clip_seconds: float
    masked_seconds: float


def estimate_run(
    options: RunOptions,
    *,
    out: Path | str | None = None,
    module: nn.Module | None = None,
    regions: RegionSource | None = None,
    target: TargetFunction | None = None,
    progress: Progress | None = None,
) -> RunEstimate:
    """Decode the first clips, cut, describe and mask one of them, and count what the rest would take.

    Parameters
    ----------
    options : RunOptions
    out : Path or str, optional
        Where the run would go: checked as the run would check it.
    module : torch.nn.Module, optional
        The network; by default ``options.model`` is loaded.
    regions : RegionSource, optional
        By default what ``options.segment.regions`` names.
    target : callable, optional
        The function; by default ``options.target`` is loaded, where there is one.
    progress : Progress, optional

    Raises
    ------
    InputError
        As `ace3d_fast.pipeline.run_pipeline`, for what shows before the whole run.
    """
    if options.whole_videos:
        todo = "leave out --dry-run, or take the backend native"
        raise InputError(expected("run", "a dry run", "of a run on clips", "one of whole videos", todo))
    if out is not None:
        check_out(out, {**options.to_dict(), "version": __version__})
    progress = progress or SilentProgress()
    ready = prepare(options, module, regions, target)
    progress.start("read videos", len(ready.videos))
    videos, skipped = _probe_videos(ready.videos, options, progress)
    progress.finish()
    progress.start("try a clip", None)
    network = ready.network
    quiet = SilentProgress()
    steps = Steps(options, RunFolder("."), network, ready.classes, Stopwatch(), quiet, ready.regions)
    sample = _try_clip(steps, [v for v in ready.videos if v.id in set(videos["video"])])
    progress.finish()
    mine = videos[videos["label"].isin(list(ready.classes))]
    per_clip = len(sample.table)
    num_mine = int(mine["num_clips"].sum()) * per_clip
    num_regions = int(videos["num_clips"].sum()) * per_clip
    of_class = videos[videos["label"] == options.target_class]
    groups = {video.id: video.group for video in ready.videos}
    split, scored_share = _split(options, of_class, groups)
    concepts = options.concepts.num_clusters or GUESSED_CONCEPTS
    masked = _count_masked(options, of_class, per_clip, concepts, scored_share)
    if options.controls and options.scores.measure_effects:
        finest = int((sample.table["resolution"] == sample.table["resolution"].max()).sum())
        scoring = max(1, round(len(of_class) * scored_share))
        masked["put it through trials"] = count_trial_forwards(network.module, scoring, finest)
    clip_seconds = sample.clip_seconds * int(videos["num_clips"].sum())
    decode_seconds = float(videos["decode_seconds"].sum())
    beside = (os.cpu_count() or 1) > 1
    describe = max(decode_seconds, clip_seconds) if beside else decode_seconds + clip_seconds
    seconds = {
        "decode, segment, forward": describe,
        "cluster regions": _cluster_seconds(options, num_mine * scored_share, sample, concepts),
        **{name: number * sample.masked_seconds for name, number in masked.items()},
        "test scores, write the report": NULLS_AND_REPORT_SECONDS,
    }
    return RunEstimate(
        videos,
        skipped,
        options,
        split,
        lowest_p(options.scores.num_permutations),
        num_regions,
        concepts,
        int(videos["num_clips"].sum()) + sum(masked.values()),
        seconds,
        _memory_bytes(sample, num_regions),
        _disk_bytes(options, videos, list(ready.classes), num_regions, concepts),
    )


def _probe_videos(
    videos: Sequence[Video], options: RunOptions, progress: Progress
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Clips of each video, and the seconds to decode it: timed on one video for each size of picture."""
    rows: list[dict[str, Any]] = []
    skipped: list[tuple[str, str]] = []
    frame_seconds: dict[tuple[int, int], float] = {}
    span = options.sampling.span_seconds
    for video in videos:
        try:
            info = probe_video(video.path, options.sampling.limits)
            size = (info.width, info.height)
            if size not in frame_seconds:
                frame_seconds[size] = _decode_seconds(video, options, min(info.num_frames, span * info.fps))
        except VideoError as error:
            skipped.append((video.id, str(error)))
            continue
        finally:
            progress.advance()
        num_clips = max(1, math.floor(info.duration_seconds / span + 1e-6))
        decode = frame_seconds[size] * info.num_frames
        rows.append(
            {"video": video.id, "label": video.label, "num_clips": num_clips, "decode_seconds": decode}
        )
    return pd.DataFrame(rows, columns=["video", "label", "num_clips", "decode_seconds"]), skipped


def _decode_seconds(video: Video, options: RunOptions, num_frames: float) -> float:
    """Seconds for a frame of the file, from its first clips, of ``num_frames`` each."""
    next(iter(sample_clips([video], options.sampling, block_clips=1)))  # the first one sets things up
    started = time.perf_counter()
    timed = len(list(islice(sample_clips([video], options.sampling, block_clips=1), TIMED_CLIPS)))
    return (time.perf_counter() - started) / max(num_frames * timed, 1.0)


def _try_clip(steps: Steps, videos: Sequence[Video]) -> _Sample:
    options = steps.options
    video = next((v for v in videos if v.label == options.target_class), None)
    if video is None:
        todo = "look at the videos that were skipped"
        raise InputError(expected("run", "videos of the class", "that can be used", "none", todo))
    clips: list[Clip] = next(iter(sample_clips([video], options.sampling, block_clips=4)))
    steps.describer.describe_blocks([Block(clips[:1])])  # the first forward sets things up
    started = time.perf_counter()
    cut, found = steps.describer.describe_blocks([Block(clips)])
    clip_seconds = (time.perf_counter() - started) / len(clips)
    clip, table = cut[0][0]
    masked_seconds = 0.0
    if options.scores.measure_effects or options.evaluation.max_concepts:
        sets = [[index] for index in islice(table["index"].tolist(), PROBED_SETS)]
        probe = steps.probe()
        probe.without(clip, sets[:1])
        started = time.perf_counter()
        probe.alone(clip, sets)
        probe.without(clip, sets)
        masked_seconds = (time.perf_counter() - started) / (2 * len(sets))
    return _Sample(clip, table, found[0][0], clip_seconds, masked_seconds)


def _split(options: RunOptions, target: pd.DataFrame, groups: Mapping[str, str]) -> tuple[str, float]:
    """How videos are used, and the share of them that scores; ``groups`` are the videos'."""
    names = target["video"].tolist()
    if not options.scores.disjoint_videos:
        return "every video discovers, trains and scores", 1.0
    few = int(target["num_clips"].sum()) < 3 * options.concepts.min_clips
    if few or split_videos(names, [groups[name] for name in names], seed=options.seed).leave_one_out:
        return "each video is scored by what was fitted without it", 1.0
    return "thirds of the videos discover, train and score", 1 / 3


def _count_masked(
    options: RunOptions, target: pd.DataFrame, per_clip: int, concepts: int, scored_share: float
) -> dict[str, int]:
    """Masked forwards by stage."""
    scoring = max(1, round(len(target) * scored_share))
    clips = sum(sorted(np.minimum(target["num_clips"], options.evaluation.clips_per_video))[-scoring:])
    clips = min(int(clips), options.evaluation.max_clips)
    sets = _count_sets(options, concepts, clips)
    counts = {}
    if options.scores.measure_effects:
        usable = int(target["num_clips"].sum()) * per_clip * min(1.0, 2 * scored_share)
        members = min(concepts * options.scores.forwards_per_concept, usable)
        scored = members * min(1.0, scored_share / min(1.0, 2 * scored_share))
        pool = min(scored, usable - members) if usable > members else 0
        alone = members + pool + options.cavs.num_negatives
        counts["forward regions alone and removed"] = round(alone + scored + pool)
        counts["freeze and shuffle regions"] = 3 * options.scores.num_motion_members * max(1, concepts // 4)
    counts["add and remove concepts"] = clips * sets * 2 * len(options.evaluation.fills)
    return counts


def _count_sets(options: RunOptions, concepts: int, num_clips: int) -> int:
    """Different sets of regions that the curves of each clip ask for, where every concept is in it."""
    rng = np.random.default_rng(options.seed)
    evaluation = options.evaluation
    most = min(evaluation.max_concepts, concepts)
    num_random, num_area = evaluation.draws(num_clips)
    orders = [np.arange(concepts), np.arange(concepts)[::-1]]
    orders += [rng.permutation(concepts) for _ in range(num_random)]
    sets = {frozenset(order[:k].tolist()) for order in orders for k in range(most + 1)}
    return len(sets) + most * num_area


def _cluster_seconds(options: RunOptions, num_rows: float, sample: _Sample, concepts: int) -> float:
    """Time of all fits, from one on rows like those of the sample."""
    rows = int(min(num_rows, MAX_CLUSTERED_ROWS))
    features = sample.features.features
    if rows < 2 or not features.size:
        return 0.0
    rng = np.random.default_rng(options.seed)
    x = features[rng.integers(len(features), size=rows)].astype(np.float64)
    x = x + rng.normal(scale=max(SPREAD * float(x.std()), 1e-9), size=x.shape)
    fit = partial(fit_clusters, method=options.concepts.method, seed=options.seed)
    fit(x[:2], 1)  # the first fit loads scikit-learn
    started = time.perf_counter()
    fit(x, min(concepts, rows))
    one = time.perf_counter() - started
    tried = len(options.concepts.candidates) if options.concepts.num_clusters is None else 0
    return one * ((tried + 1) * (NUM_SUBSAMPLES + 1))


def _memory_bytes(sample: _Sample, num_regions: int) -> int:
    """What this process took at most, with the blocks and tables of a whole run."""
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clip = sample.clip
    block = SHARD_CLIPS * (clip.clip.frames.nbytes + clip.labels.nbytes)
    channels = sample.features.features.shape[1]
    arrays = 2 * 4 * channels  # feature and gradient; where they are files, what is read of them
    return int(peak + 3 * block + num_regions * (TABLE_BYTES_OF_A_REGION + arrays))


def _disk_bytes(
    options: RunOptions, videos: pd.DataFrame, explained: Sequence[str], num_regions: int, concepts: int
) -> int:
    sampling = options.sampling
    pixels = sampling.crop_px**2
    voxel = 3 + 2 * len(options.segment.num_regions)
    is_mine = videos["label"].isin(explained)
    frames = np.where(is_mine, sampling.num_segment_frames, sampling.num_frames)
    clips = int((videos["num_clips"] * frames).sum()) * pixels * voxel
    return clips + num_regions * REGION_ROW_BYTES + REPORT_BYTES + concepts * CONCEPT_PAGE_BYTES
