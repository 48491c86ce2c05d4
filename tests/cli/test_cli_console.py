"""Progress is shown on a terminal and nowhere else."""

import importlib
import io
import sys

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from ace3d_fast.cli import console, main
from ace3d_fast.cli.console import RichProgress, show_progress
from ace3d_fast.types import SilentProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_output_that_goes_elsewhere_gets_no_bars(monkeypatch):
    for out, err in ((Terminal(), io.StringIO()), (io.StringIO(), Terminal())):
        monkeypatch.setattr(console.sys, "stdout", out)
        monkeypatch.setattr(console.sys, "stderr", err)
        with show_progress() as progress:
            assert isinstance(progress, SilentProgress)
            progress.start("decode", 3)
        assert out.getvalue() == err.getvalue() == ""


def test_a_terminal_gets_bars_on_stderr(monkeypatch):
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(console.sys, "stdout", out)
    monkeypatch.setattr(console.sys, "stderr", err)
    with show_progress() as progress:
        assert isinstance(progress, RichProgress)
        progress.start("decode", 2)
        progress.advance(2)
        progress.finish()
    assert out.getvalue() == ""
    assert "decode" in err.getvalue()
    assert "2/2" in err.getvalue()


def test_a_stage_that_ends_early_counts_as_done():
    bars = Bars(console=Console(file=io.StringIO()))
    progress = RichProgress(bars)
    progress.start("decode", 10)
    progress.advance(4)
    progress.finish()
    progress.advance()  # between stages nothing is counted
    progress.start("train", None)
    progress.finish()
    assert [(task.completed, task.total, task.finished) for task in bars.tasks] == [
        (4, 4, True),
        (1, 1, True),
    ]


def test_a_stage_within_another_is_counted_by_itself():
    bars = Bars(console=Console(file=io.StringIO()))
    progress = RichProgress(bars)
    progress.start("outer", 2)
    progress.start("inner", 3)
    progress.advance(3)
    progress.finish()
    progress.advance(1)
    assert [(task.completed, task.finished) for task in bars.tasks] == [(1, False), (3, True)]
    progress.advance(1)
    progress.finish()
    assert all(task.finished for task in bars.tasks)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("ascii", b"-1.5 - 4 x 8 -> q <= .05 >= ? ?"),
        ("latin-1", b"-1.5 - 4 \xd7 8 -> q <= .05 >= \xfc ?"),
        ("utf-8", "\u22121.5 \u2013 4 \xd7 8 \u2192 q \u2264 .05 \u2265 \xfc ?".encode()),
    ],
)
def test_a_terminal_without_utf8_keeps_signs_and_operators(monkeypatch, encoding, said):
    text = "\u22121.5 \u2013 4 \xd7 8 \u2192 q \u2264 .05 \u2265 \xfc \udcff"
    written = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, raw in written.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding=encoding, write_through=True))

    def app(**_named):
        print(text, end="")
        print(text, end="", file=sys.stderr)

    monkeypatch.setattr(importlib.import_module("ace3d_fast.cli.app"), "app", app)
    main()
    assert [raw.getvalue() for raw in written.values()] == [said, said]
