"""The commands put together; errors of the library and of the command line become one line, exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ace3d_fast import __version__
from ace3d_fast.cli.bench import bench
from ace3d_fast.cli.compare import compare
from ace3d_fast.cli.demo import demo
from ace3d_fast.cli.explain import explain
from ace3d_fast.cli.info import info
from ace3d_fast.cli.layers import layers
from ace3d_fast.cli.planted import planted
from ace3d_fast.cli.quiz import quiz
from ace3d_fast.cli.report import report
from ace3d_fast.cli.run import run
from ace3d_fast.cli.segment import segment
from ace3d_fast.cli.serve import serve
from ace3d_fast.cli.usage import UsageError, word_usage_error
from ace3d_fast.errors import Ace3dError, InputError, expected

EXIT_CODE = 2
EXIT_CODE_INTERRUPTED = 130  # as shells have it


class _Group(TyperGroup):
    """Says what was found wrong on one line, without a traceback or a box."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        if not args:
            return super().make_context(info_name, args, parent, **extra)  # shows the help
        with _one_line(None):
            return super().make_context(info_name, args, parent, **extra)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None:
            nearest = get_close_matches(args[0], self.commands)
            todo = f"nearest: {', '.join(nearest)}" if nearest else "see ace3d-fast --help"
            raise InputError(expected("command line", "command", "to exist", repr(args[0]), todo))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _one_line(ctx):
            return super().invoke(ctx)


@contextmanager
def _one_line(ctx: Any) -> Iterator[None]:
    """Turn what the library refuses, or the parser of ``ctx``'s command, into one line and the exit code."""
    try:
        yield
    except (Ace3dError, UsageError) as error:
        command = ctx.invoked_subcommand if ctx else None
        told = str(error) if isinstance(error, Ace3dError) else word_usage_error(error, command)
        typer.echo(f"ace3d-fast: {told}", err=True)
        raise typer.Exit(EXIT_CODE) from error
    except KeyboardInterrupt:
        goes_on = ctx is not None and ctx.invoked_subcommand == "run"
        todo = "; the same command goes on: finished videos are kept" if goes_on else ""
        typer.echo(f"ace3d-fast: interrupted{todo}", err=True)
        raise typer.Exit(EXIT_CODE_INTERRUPTED) from None


app = typer.Typer(
    name="ace3d-fast",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode="rich",
)
for _command in (run, explain, compare, quiz, segment, layers, report, serve, bench, planted, demo, info):
    app.command()(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ace3d-fast {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Explain what a 3D ConvNet sees in videos, by concepts in space and time.

    [bold]run[/bold] is the main job. [bold]demo[/bold] shows it on generated videos; [bold]layers[/bold]
    helps to choose a layer.
    """
