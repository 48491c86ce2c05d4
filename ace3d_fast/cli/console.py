"""What the program shows while it works, and at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

if TYPE_CHECKING:
    from ace3d_fast.types import Progress

PLAIN_WIDTH = 150  # of tables that go to a file or another program


class RichProgress:
    """One bar for each stage, with the time that is left; the bars of finished stages stay.

    Parameters
    ----------
    bars : rich.progress.Progress
    """

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: list[TaskID] = []  # a stage can hold another

    def start(self, stage: str, total: int | None) -> None:
        """Begin ``stage``, of ``total`` steps where that is known."""
        self._tasks.append(self._bars.add_task(stage, total=total))

    def advance(self, steps: int = 1) -> None:
        """Count ``steps`` of the current stage as done."""
        if self._tasks:
            self._bars.advance(self._tasks[-1], steps)

    def finish(self) -> None:
        """End the current stage."""
        if self._tasks:
            task = self._tasks.pop()
            done = self._bars.tasks[self._bars.task_ids.index(task)].completed
            self._bars.update(task, total=done or 1, completed=done or 1)
            self._bars.stop_task(task)


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Bars on the terminal; silence where output or errors go elsewhere."""
    from ace3d_fast.types import SilentProgress

    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield SilentProgress()
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]left[/dim]"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield RichProgress(bars)


def output() -> Console:
    """Where results are printed."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def new_table(title: str | None = None) -> Table:
    """A table without a frame: eight columns of a run fit a terminal of 80."""
    return Table(title=title, title_justify="left", show_edge=False, pad_edge=False)


def say(console: Console, text: str) -> None:
    """Print a sentence: wrapped between words on a terminal, in one line elsewhere."""
    console.print(text, markup=False, soft_wrap=not console.is_terminal)
