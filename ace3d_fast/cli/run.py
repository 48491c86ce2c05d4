"""``ace3d-fast run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ace3d_fast.cli import options


def run(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEOS", help=options.VIDEOS_HELP)],
    model: options.Model,
    target_class: Annotated[
        str, typer.Option("--target-class", "-c", metavar="CLASS", help="Class to explain.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="New folder for the run.")],
    layer: options.Layer = None,
    weights: options.Weights = None,
    labels: options.Labels = None,
    target: options.Target = None,
    device: options.Device = "cpu",
    precision: options.PrecisionOption = options.Precision.float32,
    seed: options.Seed = 0,
    clip_frames: options.ClipFrames = None,
    clip_fps: options.ClipFps = None,
    resize: options.Resize = None,
    size: options.Size = None,
    max_frame_pixels: options.MaxFramePixels = None,
    max_hours: options.MaxHours = None,
    mean: options.Mean = None,
    std: options.Std = None,
    preset: options.PresetOption = options.Preset.calibrated,
    backend: options.BackendOption = options.Backend.native,
    features: options.FeaturesOption = None,
    regions: options.RegionsOption = None,
    num_regions: options.NumRegions = None,
    quality: options.QualityOption = None,
    num_clusters: options.NumClusters = None,
    clusters: options.ClustersOption = None,
    vocabulary: options.VocabularyOption = None,
    forwards_per_concept: options.ForwardsPerConcept = None,
    controls: options.Controls = False,
    follow_links: options.FollowLinks = False,
    engine: options.EngineOption = options.Engine.local,
    workers: options.Workers = None,
    work_dir: options.WorkDir = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and what it would take; write nothing.")
    ] = False,
) -> None:
    """Explain one class of a network by the concepts in its videos.

    Example: ace3d-fast run videos --model net.py:make --layer layer3 --target-class dive --out runs/dive
    """
    pixel_mean, pixel_std = options.parse_numbers("--mean", mean), options.parse_numbers("--std", std)
    resolutions = options.parse_counts(num_regions)

    from ace3d_fast.api import estimate, explain
    from ace3d_fast.cli.console import output, show_progress
    from ace3d_fast.cli.results import print_estimate, print_results
    from ace3d_fast.config import Execution

    given: dict[str, Any] = {
        "target_class": target_class,
        "model": model,
        "layer": layer,
        "weights": weights,
        "labels": labels,
        "target": target,
        "preset": preset.value,
        "backend": backend.value,
        "features": features.value if features else None,
        "device": device,
        "precision": precision.value,
        "clip_frames": clip_frames,
        "clip_fps": clip_fps,
        "resize": resize,
        "size": size,
        "max_frame_pixels": max_frame_pixels,
        "max_hours": max_hours,
        "mean": pixel_mean,
        "std": pixel_std,
        "regions": regions,
        "num_regions": resolutions,
        "quality": quality.value if quality else None,
        "num_clusters": num_clusters,
        "clusters": clusters.value if clusters else None,
        "vocabulary": vocabulary.value if vocabulary else None,
        "forwards_per_concept": forwards_per_concept,
        "controls": controls,
        "follow_links": follow_links,
        "seed": seed,
    }
    if dry_run:
        Execution(engine.value, workers, work_dir)  # refuses what the run would refuse
        with show_progress() as progress:
            planned = estimate(videos, out=out, progress=progress, **given)
        print_estimate(planned, out, output())
        return
    with show_progress() as progress:
        found = explain(
            videos,
            out=out,
            engine=engine.value,
            workers=workers,
            work_dir=work_dir,
            progress=progress,
            **given,
        )
    print_results(found, output())
