"""``ace3d-fast explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from ace3d_fast.new_video import VideoExplanation


def explain(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Video file.")],
    run: Annotated[Path, typer.Option("--run", "-r", metavar="DIR", help="Folder that [b]run[/b] wrote.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="New folder. Default: explained/<name> in the run's.",
        ),
    ] = None,
    removed: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Concepts of a clip that are removed to measure their effect; 0: estimate.",
        ),
    ] = 8,
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="The run's network, where it is not there any more.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its weights, where they are not there any more.")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="cpu|cuda", help="Default: that of the run.")] = None,
) -> None:
    """Find a run's concepts in a new video: which, when, where, and how much each moves the logit.

    Example: ace3d-fast explain final.mp4 --run runs/tennis --out final
    """
    from ace3d_fast.cli.console import output, say, show_progress
    from ace3d_fast.new_video import explain_video
    from ace3d_fast.new_video.page import mean_probability, strongest
    from ace3d_fast.words import count, seconds

    with show_progress() as progress:
        found = explain_video(
            video,
            run,
            out=out,
            num_removed=removed,
            model=model,
            weights=weights,
            device=device,
            progress=progress,
        )
    console = output()
    target, length = found.learned.options.target_class, seconds(found.num_seconds)
    said = f"The network gives {target} a mean probability of {mean_probability(found.totals)} over {length}"
    clips = count(found.num_clips, "clip")
    say(console, f"{said} ({clips}). {strongest(found.totals, found.learned)}")
    console.print(_table(found))
    console.print(str(found.page_path), soft_wrap=True, markup=False)


def _table(found: VideoExplanation) -> Table:
    """A row for each concept: how long it is there, its mean effect, and where it is strongest."""
    from rich.markup import escape

    from ace3d_fast.cli.console import new_table
    from ace3d_fast.cli.results import STYLES
    from ace3d_fast.new_video.page import EFFECT_NAMES, clock
    from ace3d_fast.words import signed

    table = new_table(f"For each concept, {EFFECT_NAMES[found.totals.effect]}")
    for name in ("concept", "status", "found for", "mean", "most", "at"):
        table.add_column(name, justify="left" if name in ("concept", "status") else "right")
    for concept in found.totals.concepts:
        start, most = concept.moments[0] if concept.moments else (None, None)
        table.add_row(
            escape(found.learned.name(concept.concept)),
            f"[{STYLES[concept.status]}]{concept.status.replace('_', ' ')}[/]",
            clock(concept.seconds),
            signed(concept.mean_effect),
            signed(most),
            "" if start is None else clock(start),
        )
    return table
