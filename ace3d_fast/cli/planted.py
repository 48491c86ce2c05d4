"""``ace3d-fast planted``."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ace3d_fast.errors import InputError, expected

if TYPE_CHECKING:
    from rich.table import Table

    from ace3d_fast.planted_benchmark.figures import Figure
    from ace3d_fast.planted_benchmark.settings import Settings


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
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="New folder for planted.json and the rows."),
    ] = None,
) -> None:
    """Measure whether explanations are true, on planted videos whose true concepts are known.

    Example: ace3d-fast planted --quick --out runs/planted
    """
    from ace3d_fast.cli.console import output, say, show_progress
    from ace3d_fast.planted_benchmark.run import run_benchmark
    from ace3d_fast.planted_benchmark.settings import FULL, QUICK

    if processes < 1:
        raise InputError(expected("planted", "processes", "of at least 1", processes))
    settings = QUICK if quick else FULL
    if seeds is not None:
        settings = replace(settings, seeds=_seeds(seeds))
    if out is not None:
        _check_out(out, settings)
    with show_progress() as progress:
        found = run_benchmark(settings, num_processes=processes, progress=progress)
    console = output()
    console.print(_table(found.figures))
    for note in found.notes:
        say(console, note)
    seconds = f"{found.wall_seconds:.0f} s, {found.cpu_seconds:.0f} s of processor time"
    console.print(f"{len(settings.seeds)} networks in {seconds}")
    if out is not None:
        console.print(str(found.write(out)), soft_wrap=True, markup=False)


def _seeds(text: str) -> tuple[int, ...]:
    from ace3d_fast.config import check_seed

    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise InputError(expected("planted", "seeds", "to be different whole numbers, as 0,1,2", repr(text)))
    numbers = tuple(int(part) for part in parts)
    for number in numbers:
        check_seed("planted", number)
    return numbers


def _check_out(out: Path, settings: Settings) -> None:
    """Refuse, as ``run`` does, a folder that holds anything but the same benchmark, which is replaced."""
    todo = "choose another --out"
    if out.exists() and not out.is_dir():
        raise InputError(expected("planted", "out", "a folder", f"the file {out}", todo))
    if not out.is_dir() or not any(out.iterdir()):
        return
    try:
        known = json.loads((out / "planted.json").read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        fact = f"{out} with other files in it"
        raise InputError(expected("planted", "out", "a new or empty folder", fact, todo)) from None
    if known != json.loads(json.dumps(asdict(settings))):
        fact = f"a benchmark with other settings: {out}"
        raise InputError(expected("planted", "out", "without another benchmark", fact, todo))


def _table(figures: list[Figure]) -> Table:
    from ace3d_fast.cli.console import new_table

    table = new_table()
    for name in ("measured", "of", "value", "95 % interval", "bar", "", "over"):
        table.add_column(name, justify="right" if name == "value" else "left")
    for row in figures:
        interval = f"{row.low:.3f} to {row.high:.3f}" if row.low == row.low else ""
        met = {True: "[green]met[/]", False: "[red]not met[/]", None: ""}[row.met]
        table.add_row(row.name, row.method, f"{row.value:.3f}", interval, row.bar, met, row.unit)
    return table
