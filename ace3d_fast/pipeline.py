"""The only file that knows the order of the stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from ace3d_fast import __version__
from ace3d_fast.config import RunOptions
from ace3d_fast.learn.splits import split_videos
from ace3d_fast.models.labels import read_labels
from ace3d_fast.models.load import load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.registry import find_entry
from ace3d_fast.report import write_report
from ace3d_fast.stages.clips import check_videos
from ace3d_fast.steps import Steps
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import RunFolder, Workplace, check_out
from ace3d_fast.summary import summarize
from ace3d_fast.types import Progress, SilentProgress, Video
from ace3d_fast.video.inputs import list_videos


def run_pipeline(
    options: RunOptions, out: Path | str, *, module: nn.Module | None = None, progress: Progress | None = None
) -> RunFolder:
    """Explain one class of a network by concepts, and write the run to ``out``.

    Parameters
    ----------
    options : RunOptions
    out : Path or str
        A new or empty folder, or one that holds a run of the same options, which is replaced.
    module : torch.nn.Module, optional
        The network; by default ``options.model`` is loaded.
    progress : Progress, optional

    Returns
    -------
    RunFolder
        The complete run. Nothing is left at ``out`` if an error is raised.

    Raises
    ------
    InputError
        Options, videos or network that cannot be used.
    """
    progress = progress or SilentProgress()
    watch = Stopwatch()
    config = {**options.to_dict(), "version": __version__}
    path = check_out(out, config)
    videos = list_videos(options.videos)
    check_videos(videos, options.target_class)
    mine = [video for video in videos if video.label == options.target_class]
    split_videos([v.id for v in mine], [v.group for v in mine], seed=options.seed)  # fails before decoding
    if module is None:
        module = load_module(options.model, options.weights).module
    names = _class_names(options, videos)
    sampling = options.sampling
    network = Network(
        module,
        options.layer,
        options.normalization,
        names,
        device=options.device,
        input_shape=(sampling.num_frames, sampling.crop_px),
    )
    class_index = network.class_index(options.target_class)
    with Workplace(path) as run:
        steps = Steps(options, run, network, class_index, watch, progress)
        described = steps.describe(videos)
        split = steps.split(described)
        found = steps.cluster(described, split)
        plan = steps.plan(described, found, split)
        responses = steps.measure(described, plan)
        tested = steps.test(described, found, split, plan, responses)
        evaluation = steps.evaluate(described, tested, split)
        run.write_json("config.json", config)
        run.write_table("regions", described.regions)
        run.write_table("concepts", tested.concepts)
        run.write_table("scores", tested.scores)
        run.write_table("evaluation", evaluation)
        run.write_cavs(tested.cavs)
        run.write_json(
            "summary.json",
            summarize(
                options,
                described.clips,
                described.logits,
                class_index,
                split,
                tested.facts,
                described.skipped,
            ),
        )
        with watch.time("report"):
            run.write_json("timings.json", watch.to_dict())
            write_report(run)
        run.write_json("timings.json", watch.to_dict())
    return RunFolder.open(path)


def _class_names(options: RunOptions, videos: Sequence[Video]) -> Sequence[str]:
    """Names of the logits: the label file's, else the registry's, else the folders', sorted."""
    if options.labels_file:
        return read_labels(options.labels_file)
    return find_entry(options.model).class_names or sorted({video.label for video in videos})
