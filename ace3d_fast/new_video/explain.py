"""``ace3d-fast explain``: a new video, clip by clip, against the concepts of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from ace3d_fast import __version__
from ace3d_fast.config import RunOptions
from ace3d_fast.engines.local import prefetch
from ace3d_fast.engines.upload import uploaded
from ace3d_fast.errors import InputError, expected
from ace3d_fast.models.network import Network
from ace3d_fast.new_video.files import TableWriter
from ace3d_fast.new_video.learned import WHERE, LearnedConcepts
from ace3d_fast.new_video.overlay import choose_paint, concept_colors, paint_frames
from ace3d_fast.new_video.page import write_explain_page
from ace3d_fast.new_video.readings import Reader, Reading
from ace3d_fast.new_video.totals import Totals
from ace3d_fast.regions.source import open_source
from ace3d_fast.signatures import checked
from ace3d_fast.stages.clips import sample_clips
from ace3d_fast.steps import Steps
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import SHARD_CLIPS, RunFolder, check_out
from ace3d_fast.text_files import as_text
from ace3d_fast.types import Progress, SilentProgress, Video
from ace3d_fast.video.decode import probe_video
from ace3d_fast.video.write import VideoWriter
from ace3d_fast.workplace import Workplace


@dataclass(frozen=True)
class VideoExplanation:
    """What `explain_video` wrote.

    Attributes
    ----------
    folder : Path
    totals : Totals
        Facts about the whole video, by concept.
    learned : LearnedConcepts
        The concepts of the run.
    """

    folder: Path
    totals: Totals
    learned: LearnedConcepts

    @property
    def num_clips(self) -> int:
        """Clips of the video, the last one perhaps shorter."""
        return self.totals.num_clips

    @property
    def num_seconds(self) -> float:
        """Length of the video."""
        return self.totals.end_seconds

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """A row per clip and concept (`timeline.parquet`)."""
        return pd.read_parquet(self.folder / "timeline.parquet")

    @cached_property
    def regions(self) -> pd.DataFrame:
        """A row per region (`regions.parquet`)."""
        return pd.read_parquet(self.folder / "regions.parquet")

    @property
    def page_path(self) -> Path:
        """The page with timeline and player."""
        return self.folder / "explain.html"


@checked
def explain_video(
    video: str | Path,
    run: RunFolder | str | Path,
    *,
    out: str | Path | None = None,
    num_removed: int = 8,
    module: nn.Module | None = None,
    model: str | None = None,
    weights: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> VideoExplanation:
    """Find the concepts of a run in a video, and measure how much each moves the logit of its class.

    The video is cut into clips and supervoxels as the run's own were. A region belongs to the concept with
    the nearest centre, or to none where it is further out than every region of the run. Memory does not grow
    with the length of the video.

    Parameters
    ----------
    video : str or Path
    run : RunFolder or path
    out : str or Path, optional
        A new or empty folder, or one of the same call; by default ``explained/<name of the video>`` in the
        run's folder. Nothing is left there when an error is raised.
    num_removed : int
        Concepts of each clip that are removed, in a forward each: those with the largest estimates. 0: the
        effect on the logit is estimated only.
    module, model, weights
        The run's network, if it is in memory or not where the run found it.
    device : str, optional
        By default that of the run.
    progress : Progress, optional

    Returns
    -------
    VideoExplanation

    Raises
    ------
    InputError
        The run, the network or an option cannot be used.
    VideoError
        The video cannot be used.
    """
    if num_removed < 0:
        raise InputError(expected(WHERE, "num_removed", "of at least 0", num_removed))
    run = run if isinstance(run, RunFolder) else RunFolder.open(run)
    learned = LearnedConcepts.of(run)
    path = Path(video)
    info = probe_video(path, learned.options.sampling.limits)
    folder = Path(out) if out is not None else run.path / "explained" / path.stem
    config = {"video": str(path), "run": str(run.path), "num_removed": num_removed, "version": __version__}
    check_out(folder, config, where=WHERE)
    network = learned.network(module=module, model=model, weights=weights, device=device)
    options = learned.options
    progress = progress or SilentProgress()
    watch = Stopwatch()
    with Workplace(folder) as part:
        num_clips = max(1, math.ceil(info.duration_seconds / options.sampling.span_seconds - 1e-6))
        progress.start("explain", num_clips)
        name = as_text(path.name)
        source = Video(name, path, options.target_class, name)
        totals = _read(source, part, learned, network, num_removed, watch, progress)
        progress.finish()
        part.write_json("config.json", config)
        with watch.time("page"):
            write_explain_page(part.path, source.id, learned, totals)
        part.write_json("timings.json", watch.to_dict())
    return VideoExplanation(folder, totals, learned)


def _read(
    video: Video,
    part: RunFolder,
    learned: LearnedConcepts,
    network: Network,
    num_removed: int,
    watch: Stopwatch,
    progress: Progress,
) -> Totals:
    """Read the video, and write tables and overlay as it goes."""
    options = learned.options
    classes = {options.target_class: network.class_index(options.target_class)}
    source = open_source(options.segment.regions, options.sampling)
    steps = Steps(options, part, network, classes, watch, progress, source)
    reader = Reader(learned, steps.probe(), steps.class_index, num_removed)
    totals = Totals(learned.statuses, "logit_drop" if num_removed else "logit_estimate")
    colors = concept_colors(list(learned.statuses))
    with (
        TableWriter(part.path, "timeline", csv=True) as timeline,
        TableWriter(part.path, "regions") as regions,
        VideoWriter(part.path / "overlay.mp4", options.sampling.segment_fps, crf=23) as overlay,
    ):
        for readings in _readings(video, steps, options, reader):
            with watch.time("write"):
                timeline.write(pd.concat([reading.timeline for reading in readings], ignore_index=True))
                regions.write(pd.concat([reading.regions for reading in readings], ignore_index=True))
            for reading in readings:
                totals.add(reading.timeline)
                clip = reading.clip
                paint = choose_paint(reading.regions, clip.num_regions, learned.statuses, colors)
                with watch.time("overlay"):
                    for frame in paint_frames(clip, paint)[: len(clip.clip.frames) - clip.clip.num_repeated]:
                        overlay.write(frame)
                progress.advance()
    return totals


def _readings(video: Video, steps: Steps, options: RunOptions, reader: Reader) -> Iterator[list[Reading]]:
    """Readings of the video's clips, block by block; the next block is decoded meanwhile."""
    blocks = sample_clips(
        [video], options.sampling, keep_tail=True, block_clips=SHARD_CLIPS, watch=steps.watch
    )
    device = steps.network.device if options.backend == "native" else torch.device("cpu")
    for block in prefetch(uploaded(blocks, device)):
        (cut,), (found,) = steps.describer.describe_blocks([block])
        with steps.watch.time("effects"):
            readings = [
                reader.read(clip, table, features) for (clip, table), features in zip(cut, found, strict=True)
            ]
        yield readings
