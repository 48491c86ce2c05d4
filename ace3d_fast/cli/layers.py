"""``ace3d-fast layers``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ace3d_fast.cli import options

if TYPE_CHECKING:
    from ace3d_fast.models.layers import LayerInfo

TIMES = "\N{MULTIPLICATION SIGN}"


def layers(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="path/to/file.py:factory, module:factory or a known network."),
    ],
    clip_frames: options.ClipFrames = None,
    size: options.Size = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List those too that other paths pass by or that have few cells.")
    ] = False,
) -> None:
    """List the layers of a network that one can explain.

    For each: the grid it makes of a clip, what one cell of the grid sees of the clip, and what to know before
    choosing it. An arrow marks the layer to try first.

    Example: ace3d-fast layers pytorchvideo:x3d_xs
    """

    from ace3d_fast.cli.console import new_table, output, say
    from ace3d_fast.errors import InputError, expected
    from ace3d_fast.models.layers import NOTES, default_layer, list_layers
    from ace3d_fast.models.load import load_module

    loaded = load_module(model)
    sampling = loaded.entry.sampling
    clip = (clip_frames or sampling.num_frames, size or sampling.crop_px)
    found = list_layers(loaded.module, clip, everything=everything)
    if not found:
        requirement = "to have a part that runs once, puts out a grid and is not cut off from clip or logits"
        todo = "name one to `ace3d-fast run`, which says what it lacks"
        raise InputError(expected("layers", model, requirement, "none", todo))
    chosen = _first_choice(loaded.entry.layers, default_layer(found))
    sound = [layer for layer in found if everything or (layer.is_bottleneck and layer.explainable)]
    table = new_table()
    for name in ("layer", "channels"):
        table.add_column(name, overflow="fold")
    for name in (f"grid\nT {TIMES} H {TIMES} W", "sees\nframes", "sees\npx"):
        table.add_column(name, justify="right")
    table.add_column("notes")
    shown = sound or found
    for layer in shown:
        channels, *grid = layer.shape
        table.add_row(
            f"{'→ ' if layer.name == chosen else '  '}{layer.name}",
            str(channels),
            f" {TIMES} ".join(map(str, grid)),
            _field(layer.field_frames),
            _field(layer.field_px),
            ", ".join(layer.notes),
        )
    console = output()
    say(console, f"{model}: a clip of {clip[0]} frames of {clip[1]} px")
    console.print(table)
    if any(layer.name == chosen for layer in shown):
        say(console, f"→ {chosen}: the layer to try first")
    for note, meaning in NOTES.items():
        if any(note in layer.notes for layer in shown):
            say(console, f"{note}: {meaning}")


def _first_choice(known: tuple[str, ...], deepest: LayerInfo | None) -> str | None:
    """What the registry says, else the deepest layer that suits."""
    return known[0] if known else deepest.name if deepest else None


def _field(size: int | None) -> str:
    return "all" if size is None else str(size)
