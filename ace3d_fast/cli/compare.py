"""``ace3d-fast compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from ace3d_fast.run_comparison import RunComparison


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder that [b]run[/b] wrote.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write .html, .csv or .json; may be given again."),
    ] = None,
) -> None:
    """Compare two runs: matched concepts, what appeared, what vanished, and how scores changed.

    Example: ace3d-fast compare runs/epoch_10 runs/epoch_20 --out change.html
    """
    from ace3d_fast.cli.console import output, say
    from ace3d_fast.run_comparison import compare_runs
    from ace3d_fast.run_comparison.page import (
        METHODS,
        check_ending,
        count_changes,
        explain_change,
        write_comparison,
    )
    from ace3d_fast.words import count

    for path in out or []:
        check_ending(path)
    found = compare_runs(a, b)
    console = output()
    matched = f"matched by {METHODS[found.method]}, at least {found.least_similarity}"
    say(console, f"{matched}; {count(found.num_videos, 'video')} in both")
    console.print(_table(found))
    say(console, "; ".join(f"{number} {change}" for change, number in count_changes(found)))
    say(console, explain_change(found))
    for path in out or []:
        console.print(str(write_comparison(found, path)), soft_wrap=True, markup=False)


def _table(found: RunComparison) -> Table:
    """A row for each pair, and for each concept without a match."""
    from ace3d_fast.cli.console import new_table
    from ace3d_fast.cli.results import STYLES
    from ace3d_fast.report.facts import concept_name, rows_of
    from ace3d_fast.run_comparison.page import SCORES, change_interval
    from ace3d_fast.words import MISSING, decimal, signed

    def side(concept: int, status: str) -> str:
        if concept < 0:
            return MISSING
        return f"{concept_name(concept)}\n[{STYLES[status]}]{status.replace('_', ' ')}[/]"

    table = new_table()
    score = SCORES[found.score]
    for name in ("A", "B"):
        table.add_column(name)
    for name in ("similarity", f"{score} A", f"{score} B", "change", "95 %"):
        table.add_column(name, justify="right", no_wrap=" A" not in name and " B" not in name)
    for row in rows_of(found.pairs):
        table.add_row(
            side(row["concept_a"], row["status_a"]),
            side(row["concept_b"], row["status_b"]),
            decimal(row["similarity"]),
            signed(row["score_a"]),
            signed(row["score_b"]),
            signed(row["difference"]),
            change_interval(row),
        )
    return table
