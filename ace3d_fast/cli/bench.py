"""``ace3d-fast bench``."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ace3d_fast.cli import options
from ace3d_fast.words import percent

if TYPE_CHECKING:
    from rich.table import Table

    from ace3d_fast.comparison import Comparison

MISSING = "\N{EN DASH}"
PLANTED_CLASS = "red_checker"
PLANTED_VIDEOS = {"videos_per_class": 3, "clips_per_video": 2}
LEAST_SECONDS = 0.01  # a ratio of shorter times says nothing


def bench(
    videos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="VIDEOS", help=f"{options.VIDEOS_HELP} Default: generated videos."),
    ] = None,
    model: options.Model = "planted:net",
    target_class: Annotated[
        str, typer.Option("--target-class", "-c", metavar="CLASS", help="Class to explain.")
    ] = PLANTED_CLASS,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures to this file too.")
    ] = None,
    max_videos: Annotated[
        int | None,
        typer.Option(metavar="N", help="Most videos of each class, at least 3. Default: all."),
    ] = None,
    reference_preset: Annotated[
        options.Preset, typer.Option(help="Recipe of the reference backend; the native one is calibrated.")
    ] = options.Preset.stce,
    layer: options.Layer = None,
    weights: options.Weights = None,
    labels: options.Labels = None,
    seed: options.Seed = 0,
    clip_frames: options.ClipFrames = None,
    clip_fps: options.ClipFps = None,
    resize: options.Resize = None,
    size: options.Size = None,
    mean: options.Mean = None,
    std: options.Std = None,
) -> None:
    """Time both backends on the same videos, each with one thread.

    The reference backend goes the published way: scikit-image, NumPy, scikit-learn, and one forward for every
    window of every region. That both give one answer is checked first.

    Example: ace3d-fast bench --json bench.json
    """
    pixel_mean, pixel_std = options.parse_numbers("--mean", mean), options.parse_numbers("--std", std)

    from ace3d_fast.cli.console import output, say, show_progress
    from ace3d_fast.comparison import compare_backends
    from ace3d_fast.text_files import check_place, write_text

    if json_file is not None:
        check_place(json_file, "bench", "json")
    with ExitStack() as stack:
        progress = stack.enter_context(show_progress())
        found = compare_backends(
            videos or [_planted_videos(stack, seed)],
            target_class=target_class,
            max_videos=max_videos,
            reference_preset=reference_preset.value,
            progress=progress,
            model=model,
            layer=layer,
            weights=weights,
            labels=labels,
            seed=seed,
            clip_frames=clip_frames,
            clip_fps=clip_fps,
            resize=resize,
            size=size,
            mean=pixel_mean,
            std=pixel_std,
        )
    console = output()
    say(console, f"{found.num_videos} videos, one thread; agreement of both backends: {_checks(found)}")
    console.print(_table(found))
    if json_file is not None:
        write_text(json_file, json.dumps(found.to_dict(), indent=2) + "\n")
        console.print(str(json_file), soft_wrap=True, markup=False)


def _planted_videos(stack: ExitStack, seed: int) -> Path:
    from ace3d_fast.video.planted import write_planted_videos

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    return write_planted_videos(folder, seed=seed, **PLANTED_VIDEOS)


def _checks(found: Comparison) -> str:
    labels, features = found.checks["label_agreement"], found.checks["feature_error"]
    return f"{percent(labels, 2)} of labels, features within {features:.1e}"


def _table(found: Comparison) -> Table:
    """Seconds and ratio of each stage; stages that only one backend has show a dash."""
    from ace3d_fast.cli.console import new_table

    table = new_table()
    table.add_column("stage")
    for name in ("native", "reference", "ratio"):
        table.add_column(name, justify="right")
    for row in found.stages.to_dict("records"):
        is_total = row["stage"] == "total"
        if is_total:
            table.add_section()
        native, reference = row["native_seconds"], row["reference_seconds"]
        ratio = f"{reference / native:.1f}" if min(native, reference) >= LEAST_SECONDS else MISSING
        style = "bold" if is_total else None
        table.add_row(str(row["stage"]), _seconds(native), _seconds(reference), ratio, style=style)
    return table


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= LEAST_SECONDS else MISSING
