"""The main job as one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ace3d_fast.config import (
    Backend,
    ClusterMethod,
    Engine,
    Execution,
    FeatureMode,
    Preset,
    Quality,
    RunOptions,
    Vocabulary,
    with_preset,
)
from ace3d_fast.errors import InputError, expected
from ace3d_fast.estimate import RunEstimate, estimate_run
from ace3d_fast.models.registry import find_entry
from ace3d_fast.models.targets import TargetFunction, target_name
from ace3d_fast.pipeline import run_pipeline
from ace3d_fast.regions.source import RegionSource
from ace3d_fast.signatures import checked
from ace3d_fast.store import RunFolder
from ace3d_fast.types import Precision, Progress


@checked
def explain(
    videos: str | Path | Sequence[str | Path],
    *,
    target_class: str,
    model: str,
    out: str | Path,
    layer: str | None = None,
    module: nn.Module | None = None,
    weights: str | Path | None = None,
    labels: str | Path | None = None,
    target: str | TargetFunction | None = None,
    preset: Preset = "calibrated",
    backend: Backend = "native",
    features: FeatureMode | None = None,
    device: str = "cpu",
    precision: Precision = "float32",
    clip_frames: int | None = None,
    clip_fps: float | None = None,
    resize: int | None = None,
    size: int | None = None,
    max_frame_pixels: int | None = None,
    max_hours: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    regions: str | Path | RegionSource | None = None,
    num_regions: int | Sequence[int] | None = None,
    quality: Quality | None = None,
    num_clusters: int | None = None,
    clusters: ClusterMethod | None = None,
    vocabulary: Vocabulary | None = None,
    forwards_per_concept: int | None = None,
    controls: bool = False,
    follow_links: bool = False,
    seed: int = 0,
    engine: Engine = "local",
    workers: int | None = None,
    work_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Explain what a 3D ConvNet looks at in the videos of one class.

    Parameters
    ----------
    videos : path or sequence of paths
        A folder of class subfolders, a CSV with columns ``path,label[,group]``, or video files (whose
        class is their folder's name). Videos of other classes are the counterexamples.
    target_class : str
        The class to explain.
    model : str
        ``path/to/file.py:factory``, ``module:factory``, or a name of ``ace3d_fast.models.registry.entries``.
    out : path
        Folder of the run; new, empty, or holding a run of the same options.
    layer : str, optional
        Name of the submodule to explain; by default the registry entry's first.
    module : torch.nn.Module, optional
        The network itself, if it is in memory already; ``model`` then only names it and its defaults.
    weights : path, optional
        State dict: safetensors, or a ``.pt`` file that holds nothing but tensors.
    labels : path, optional
        File with a class name a line, in the order of the logits; by default the sorted classes of
        ``videos``.
    target : callable or str, optional
        What is explained in place of the class's logit: maps what the network puts out, of any kind, to one
        number per clip, (N,); positive counts as recognised. As text ``path/to/file.py:function`` or
        ``package.module:function``; only such a target lets a later run take up kept work, and new videos
        be explained. Workers get a callable only if it can be pickled.
    preset : {"calibrated", "stce"}
        Remedied or published recipe.
    backend : {"native", "reference"}
        Compiled ops, or the pure-Python path.
    features : {"pooled", "patch"}, optional
        By default what the preset says.
    device : str
        ``cpu`` or ``cuda``: where supervoxels are cut, and the network runs.
    precision : {"float32", "bfloat16"}
        Of the network's convolutions and matrix products.
    max_frame_pixels, max_hours
        Videos beyond these are skipped, with the reason; by default 2**26 and 24.
    clip_frames, clip_fps, resize, size, mean, std
        Frames of a clip, their rate per second, short side in pixels before the central square of
        ``size`` pixels is cut, normalisation of pixels in [0, 1] (one value, or one per channel); by
        default the registry entry's.
    regions : str, path or RegionSource, optional
        Other regions than ``supervoxels``: ``grid:TxHxW``, ``flow:N``, a folder of label files
        (``ace3d_fast.regions.files``), or a source of your own.
    num_regions : int or sequence of int, optional
        Resolutions of the supervoxels, by default 15, 50, 80.
    quality : {"standard", "high"}, optional
        "high": supervoxels follow boundaries better, for up to twice the time of cutting them.
    num_clusters : int, optional
        Number of clusters; by default so that most of them recur (25 for ``stce``).
    clusters : {"kmeans", "agglomerative", "hdbscan", "nmf"}, optional
        How regions are clustered, by default by k-means.
    vocabulary : {"class", "shared"}, optional
        ``shared`` clusters the regions of all classes together and scores every concept for every class
        (table ``matrix``).
    forwards_per_concept : int, optional
        Most regions of a concept that are forwarded alone and removed.
    follow_links : bool
        Take files in folders of ``videos`` that are links to what lies outside.
    controls : bool
        Put the explanation through trials (table ``controls``): null concepts, other seeds, muFidelity,
        curves in the layer's space, randomised networks.
    seed : int
        Same seed, same input: same tables.
    engine : {"local", "ray"}
        Where workers are: processes of this machine, or actors of a Ray cluster (extra ``ray``).
    workers : int, optional
        Workers that describe videos, on one thread each; the tables are the same for any number of them.
        On the CPU, as many threads of this process (at most its cores) then forward masked clips. By default
        this process does it all, on all of torch's threads.
    work_dir : path or str, optional
        Folder, or URL of fsspec, that keeps finished work (described videos, clusters, effects) for other
        runs too; by default it is kept beside ``out`` until the run is whole. Ray needs one that all machines
        share.
    progress : Progress, optional

    Returns
    -------
    RunFolder
        Its tables are DataFrames: ``concepts``, ``scores``, ``regions``, ``evaluation``.

    Raises
    ------
    InputError
        Anything given that cannot be used; the message is one line.
    """
    options = run_options(
        videos,
        target_class=target_class,
        model=model,
        layer=layer,
        weights=weights,
        labels=labels,
        target=target,
        preset=preset,
        backend=backend,
        features=features,
        device=device,
        precision=precision,
        clip_frames=clip_frames,
        clip_fps=clip_fps,
        resize=resize,
        size=size,
        max_frame_pixels=max_frame_pixels,
        max_hours=max_hours,
        mean=mean,
        std=std,
        regions=regions,
        num_regions=num_regions,
        quality=quality,
        num_clusters=num_clusters,
        clusters=clusters,
        vocabulary=vocabulary,
        forwards_per_concept=forwards_per_concept,
        controls=controls,
        follow_links=follow_links,
        seed=seed,
    )
    execution = Execution(engine, workers, None if work_dir is None else str(work_dir))
    function = None if isinstance(target, str) else target
    return run_pipeline(
        options,
        out,
        execution=execution,
        module=module,
        regions=_own_source(regions),
        target=function,
        progress=progress,
    )


@checked
def run_options(
    videos: str | Path | Sequence[str | Path],
    *,
    target_class: str,
    model: str,
    layer: str | None = None,
    weights: str | Path | None = None,
    labels: str | Path | None = None,
    target: str | TargetFunction | None = None,
    preset: Preset = "calibrated",
    backend: Backend = "native",
    features: FeatureMode | None = None,
    device: str = "cpu",
    precision: Precision = "float32",
    clip_frames: int | None = None,
    clip_fps: float | None = None,
    resize: int | None = None,
    size: int | None = None,
    max_frame_pixels: int | None = None,
    max_hours: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    regions: str | Path | RegionSource | None = None,
    num_regions: int | Sequence[int] | None = None,
    quality: Quality | None = None,
    num_clusters: int | None = None,
    clusters: ClusterMethod | None = None,
    vocabulary: Vocabulary | None = None,
    forwards_per_concept: int | None = None,
    controls: bool = False,
    follow_links: bool = False,
    seed: int = 0,
) -> RunOptions:
    """The options of a run, as `explain` takes them.

    Raises
    ------
    InputError
        An option that cannot be used.
    """
    paths = [videos] if isinstance(videos, str | Path) else list(videos)
    entry = find_entry(model)
    chosen_layer = layer or next(iter(entry.layers), None)
    if chosen_layer is None:
        todo = f"see ace3d-fast layers {model}"
        raise InputError(expected("explain", "layer", f"for {model}", "none", todo))
    sampling = replace(
        entry.sampling,
        num_frames=entry.sampling.num_frames if clip_frames is None else clip_frames,
        fps=entry.sampling.fps if clip_fps is None else clip_fps,
        resize_px=entry.sampling.resize_px if resize is None else resize,
        crop_px=entry.sampling.crop_px if size is None else size,
        max_frame_pixels=entry.sampling.max_frame_pixels if max_frame_pixels is None else max_frame_pixels,
        max_hours=entry.sampling.max_hours if max_hours is None else max_hours,
    )
    normalization = replace(
        entry.normalization,
        mean=entry.normalization.mean if mean is None else _channels("mean", mean),
        std=entry.normalization.std if std is None else _channels("std", std),
    )
    options = with_preset(
        RunOptions(
            videos=tuple(str(path) for path in paths),
            target_class=target_class,
            model=model,
            layer=chosen_layer,
            sampling=sampling,
            normalization=normalization,
            weights=None if weights is None else str(weights),
            labels_file=None if labels is None else str(labels),
            target=None if target is None else target_name(target),
            backend=backend,
            device=device,
            precision=precision,
            seed=seed,
            controls=controls,
            follow_links=follow_links,
        ),
        preset,
    )
    if features is not None:
        options = replace(options, features=replace(options.features, mode=features))
    segment = replace(options.segment, quality=quality or options.segment.quality)
    if regions is not None:
        named = isinstance(regions, str | Path)
        segment = replace(segment, regions=str(regions) if named else type(regions).__name__)
    if num_regions is not None:
        segment = replace(segment, num_regions=tuple(np.ravel(num_regions).tolist()))
    options = replace(options, segment=segment)
    options = replace(
        options,
        concepts=replace(
            options.concepts,
            num_clusters=options.concepts.num_clusters if num_clusters is None else num_clusters,
            method=clusters or options.concepts.method,
            vocabulary=vocabulary or options.concepts.vocabulary,
        ),
    )
    if forwards_per_concept is not None:
        scores = replace(options.scores, forwards_per_concept=forwards_per_concept)
        options = replace(options, scores=scores)
    return options


@checked
def estimate(
    videos: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    module: nn.Module | None = None,
    target: str | TargetFunction | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> RunEstimate:
    """What `explain` would do with the same ``options``, and about what it would take.

    Raises
    ------
    InputError
        As `explain`.
    """
    function = None if isinstance(target, str) else target
    given = run_options(videos, target=target, **options)
    source = _own_source(options.get("regions"))
    return estimate_run(given, out=out, module=module, regions=source, target=function, progress=progress)


def _own_source(regions: str | Path | RegionSource | None) -> RegionSource | None:
    """``regions`` where they are a source, and not the name of one."""
    return None if regions is None or isinstance(regions, str | Path) else regions


def _channels(name: str, given: float | Sequence[float]) -> tuple[float, float, float]:
    values = np.ravel(given).tolist()
    if len(values) == 1:
        return (values[0], values[0], values[0])
    if len(values) == 3:
        return (values[0], values[1], values[2])
    raise InputError(expected("explain", name, "of 1 or 3 values", f"{len(values)}"))
