"""The only file that knows the order of the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ace3d_fast import __version__
from ace3d_fast.config import Execution, RunOptions
from ace3d_fast.controls import pooled_against_masked, sampled_regions
from ace3d_fast.errors import InputError, expected
from ace3d_fast.evaluation import evaluate_run, measure_run_motion
from ace3d_fast.learn.splits import MIN_VIDEOS, split_videos
from ace3d_fast.models.labels import read_labels
from ace3d_fast.models.load import digest, load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.registry import find_entry
from ace3d_fast.models.targets import OTHERWISE, TargetFunction, as_target
from ace3d_fast.names import keep_names
from ace3d_fast.regions.folder import RegionFolder
from ace3d_fast.regions.source import RegionSource, open_source
from ace3d_fast.report import write_report
from ace3d_fast.stages.clips import check_videos
from ace3d_fast.steps import Steps
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import RunFolder, check_out
from ace3d_fast.summary import summarize
from ace3d_fast.trials import control_table
from ace3d_fast.types import Progress, SilentProgress, Video
from ace3d_fast.video.inputs import choose_videos, class_names, list_videos
from ace3d_fast.vocabulary import plan_vocabulary, score_vocabulary
from ace3d_fast.workplace import Workplace


@dataclass(frozen=True)
class Prepared:
    """What a run begins with: its videos, the network, the logits of the classes that are explained, and
    the source of other regions than supervoxels."""

    videos: list[Video]
    network: Network
    classes: dict[str, int]
    regions: RegionSource | None


def prepare(
    options: RunOptions,
    module: nn.Module | None = None,
    regions: RegionSource | None = None,
    target: TargetFunction | None = None,
) -> Prepared:
    """List the videos and load the network: everything that can be wrong before a video is decoded.

    Raises
    ------
    InputError
        Options, videos or network that cannot be used.
    """
    regions = regions or open_source(options.segment.regions, options.sampling)
    if regions is not None and options.whole_videos:
        fact = f"{options.segment.regions} with preset stce on the reference backend"
        raise InputError(expected("run", "regions", "to be supervoxels where clips are whole videos", fact))
    listed = list_videos(options.videos, follow_links=options.follow_links)
    shared = options.concepts.vocabulary == "shared"
    videos = choose_videos(listed, options.target_class, shared=shared)
    check_videos(videos, options.target_class)
    if isinstance(regions, RegionFolder):
        regions.check(videos)
    mine = [video for video in videos if video.label == options.target_class]
    split_videos([v.id for v in mine], [v.group for v in mine], seed=options.seed)  # fails before decoding
    if module is None:
        module = load_module(options.model, options.weights).module
    asked = target or options.target
    sampling = options.sampling
    network = Network(
        module,
        options.layer,
        options.normalization,
        _class_names(options, listed),
        device=options.device,
        precision=options.precision,
        input_shape=(sampling.num_frames, sampling.crop_px),
        target=None if asked is None else as_target(asked),
    )
    return Prepared(videos, network, _explained(options, network, videos), regions)


def run_pipeline(
    options: RunOptions,
    out: Path | str,
    *,
    execution: Execution | None = None,
    module: nn.Module | None = None,
    regions: RegionSource | None = None,
    target: TargetFunction | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Explain one class of a network by concepts, and write the run to ``out``.

    Parameters
    ----------
    options : RunOptions
    out : Path or str
        A new or empty folder, or one that holds a run of the same options, which is replaced. Where the same
        concepts are found again, their names and what else was put there (explained videos) stay.
    execution : Execution, optional
    module : torch.nn.Module, optional
        The network; by default ``options.model`` is loaded.
    regions : RegionSource, optional
        By default what ``options.segment.regions`` names.
    target : callable, optional
        The function; by default ``options.target`` is loaded, where there is one.
    progress : Progress, optional

    Returns
    -------
    RunFolder
        The complete run. Nothing is left at ``out`` if an error is raised; what was finished by then, or
        when the process was killed, is kept beside it, and the next run to ``out`` goes on from there.

    Raises
    ------
    InputError
        Options, videos or network that cannot be used.
    """
    progress = progress or SilentProgress()
    watch = Stopwatch()
    config = {**options.to_dict(), "version": __version__}
    path = check_out(out, config)
    ready = prepare(options, module, regions, target)
    videos, network, classes = ready.videos, ready.network, ready.classes
    execution = execution or Execution()
    place = Workplace(path, shelf=execution.work_dir)
    with place as run:
        steps = Steps(
            options, run, network, classes, watch, progress, ready.regions, place.shelf, execution, module
        )
        described = steps.describe(videos)
        splits = steps.split(described)
        split = splits[options.target_class]
        found = steps.cluster(described, splits)
        plan, matrix = steps.plan(described, found, split), None
        sample = sampled_regions(steps, described)
        if options.concepts.vocabulary == "shared" and options.scores.measure_effects:
            shared = plan_vocabulary(steps, described, found, splits)
            responses = steps.measure(described, plan, shared, sample)
            if responses is not None:
                matrix = score_vocabulary(steps, described, shared, responses, splits)
        else:
            responses = steps.measure(described, plan, sample)
        tested = steps.test(described, found, split, plan, responses)
        if responses is not None:
            measure_run_motion(steps, described, tested, plan, responses)
            halo = pooled_against_masked(steps, described, responses, sample.alone, split)
            tested.facts["pooled_against_masked"] = halo
            if options.controls:
                with steps.stage("controls", "controls"):
                    trials = control_table(steps, described, tested, split, plan, responses)
                run.write_table("controls", trials)
        evaluation = evaluate_run(steps, described, tested, split, plan, responses)
        run.write_json("config.json", config)
        run.write_table("regions", described.regions)
        run.write_table("concepts", tested.concepts)
        run.write_table("scores", tested.scores)
        run.write_table("evaluation", evaluation)
        if matrix is not None:
            run.write_table("matrix", matrix)
        run.write_cavs(tested.cavs)
        run.write_centers(found.centers, found.reach)
        tested.facts |= {"class_names": network.class_names, "network_digest": digest(network.module)}
        tested.facts["target_digest"] = None if network.target is None else network.target.digest
        run.write_json(
            "summary.json",
            summarize(
                options,
                described.clips,
                described.logits,
                steps.classes,
                split,
                tested.facts,
                described.skipped,
            ),
        )
        del described, responses  # the report reads what was written
        with steps.stage("report", "write the report"):
            run.write_json("timings.json", watch.to_dict())
            keep_names(path, run.path, run.key)
            write_report(run)
        run.write_json("timings.json", watch.to_dict())
    return RunFolder.open(path)


def _explained(options: RunOptions, network: Network, videos: Sequence[Video]) -> dict[str, int]:
    """Logit of the target class, and with a shared vocabulary of every class that has enough videos."""
    classes = {options.target_class: network.class_index(options.target_class)}
    if options.concepts.vocabulary == "shared":
        groups: dict[str, set[str]] = {}
        for video in videos:
            groups.setdefault(video.label, set()).add(video.group)
        for label in sorted(groups):
            if len(groups[label]) >= MIN_VIDEOS and network.has_class(label):
                classes.setdefault(label, network.class_index(label))
    return classes


def _class_names(options: RunOptions, videos: Sequence[Video]) -> Sequence[str]:
    """Names of the logits: two with a target; else of the label file, the registry or the folders."""
    if options.target is not None:
        return options.target_class, OTHERWISE
    if options.labels_file:
        return read_labels(options.labels_file)
    return find_entry(options.model).class_names or class_names(videos)
