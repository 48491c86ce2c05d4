"""``ace3d-fast planted``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ace3d_fast.errors import InputError, expected

if TYPE_CHECKING:
    from rich.table import Table

    from ace3d_fast.planted_benchmark.figures import Figure


def planted(
    quick: Annotated[
        bool, typer.Option("--quick", help="Two networks, fewer videos, no peers: about two minutes.")
    ] = False,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="A network is trained for each. Default: 0,1,2,3,4, quick 0,1."),
    ] = None,
    processes: Annotated[
        int, typer.Option(metavar="N", help="Networks measured at a time, one thread each.")
    ] = 2,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write planted.json and the rows here.")
    ] = None,
) -> None:
    """Measure whether explanations are true, on planted videos whose true concepts are known.

    Example: ace3d-fast planted --quick --out runs/planted
    """
    from ace3d_fast.cli.console import output, show_progress
    from ace3d_fast.planted_benchmark.run import run_benchmark
    from ace3d_fast.planted_benchmark.settings import FULL, QUICK

    if processes < 1:
        raise InputError(expected("planted", "processes", "of at least 1", processes))
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(expected("planted", "out", "a folder", f"the file {out}"))
    settings = QUICK if quick else FULL
    if seeds is not None:
        settings = replace(settings, seeds=_seeds(seeds))
    with show_progress() as progress:
        found = run_benchmark(settings, num_processes=processes, progress=progress)
    console = output()
    console.print(_table(found.figures))
    for note in found.notes:
        console.print(note, soft_wrap=True, markup=False)
    seconds = f"{found.wall_seconds:.0f} s, {found.cpu_seconds:.0f} s of processor time"
    console.print(f"{len(settings.seeds)} networks in {seconds}")
    if out is not None:
        console.print(str(found.write(out)), soft_wrap=True, markup=False)


def _seeds(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise InputError(expected("planted", "seeds", "to be different whole numbers, as 0,1,2", repr(text)))
    return tuple(int(part) for part in parts)


def _table(figures: list[Figure]) -> Table:
    from rich.table import Table

    table = Table()
    for name in ("measured", "of", "value", "95 % interval", "bar", "", "over"):
        table.add_column(name, justify="right" if name == "value" else "left")
    for row in figures:
        interval = f"{row.low:.3f} to {row.high:.3f}" if row.low == row.low else ""
        met = {True: "[green]met[/]", False: "[red]not met[/]", None: ""}[row.met]
        table.add_row(row.name, row.method, f"{row.value:.3f}", interval, row.bar, met, row.unit)
    return table
