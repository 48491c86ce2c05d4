"""``ace3d-fast segment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ace3d_fast.cli.options import QUALITY_HELP, MaxFramePixels, MaxHours, Quality, parse_counts


def segment(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Video file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for label maps and overlay.")],
    num_regions: Annotated[
        str, typer.Option(help="About how many supervoxels a window has, at each resolution.")
    ] = "15,50,80",
    fps: Annotated[float, typer.Option(help="Frames per second that are segmented.")] = 7.5,
    resize: Annotated[int, typer.Option(metavar="PX", help="Short side of the picture.")] = 182,
    window: Annotated[int, typer.Option(metavar="FRAMES", help="Frames that are cut together.")] = 48,
    overlap: Annotated[
        int, typer.Option(metavar="FRAMES", help="Frames that two windows share; 0: no supervoxel goes on.")
    ] = 16,
    compactness: Annotated[float, typer.Option(help="Weight of position against colour.")] = 20.0,
    sigma: Annotated[float, typer.Option(help="Width of the smoothing, in pixels.")] = 1.0,
    frame_distance: Annotated[
        float,
        typer.Option(metavar="PX", help="How far apart two frames count as; more: shorter supervoxels."),
    ] = 1.0,
    quality: Annotated[Quality, typer.Option(help=QUALITY_HELP)] = Quality.standard,
    max_frame_pixels: MaxFramePixels = None,
    max_hours: MaxHours = None,
) -> None:
    """Cut a video into supervoxels: label maps and a video of their outlines.

    Example: ace3d-fast segment dive.mp4 --num-regions 15,50,80 --out dive
    """
    counts = parse_counts(num_regions) or ()

    from ace3d_fast.cli.console import show_progress
    from ace3d_fast.config import SegmentOptions
    from ace3d_fast.stages.segment_video import segment_video
    from ace3d_fast.types import VideoLimits
    from ace3d_fast.words import count

    usual = VideoLimits()
    limits = VideoLimits(max_frame_pixels or usual.max_frame_pixels, max_hours or usual.max_hours)
    options = SegmentOptions(
        num_regions=counts,
        compactness=compactness,
        sigma=sigma,
        frame_distance_px=frame_distance,
        quality=quality.value,
    )
    with show_progress() as progress:
        made = segment_video(
            video,
            out,
            options,
            fps=fps,
            resize_px=resize,
            window_frames=window,
            overlap_frames=overlap,
            limits=limits,
            progress=progress,
        )
    counts_found = ", ".join(str(number) for number in made.num_regions)
    frames, parts = count(made.num_frames, "frame"), count(made.num_windows, "part")
    typer.echo(f"{frames} in {parts}; supervoxels: {counts_found}")
    typer.echo(f"{made.folder / 'overlay.mp4'}")
