"""``ace3d-fast report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that [b]run[/b] wrote.")],
) -> None:
    """Write report.html of a run again.

    Example: ace3d-fast report runs/tennis
    """
    from ace3d_fast.report import write_report
    from ace3d_fast.store import RunFolder

    path = write_report(RunFolder.open(folder))
    typer.echo(str(path))
