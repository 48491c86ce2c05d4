"""The commands put together; errors of the library become one line and exit code 2."""

from __future__ import annotations

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
from ace3d_fast.errors import Ace3dError

EXIT_CODE = 2


class _Group(TyperGroup):
    """Says what the library found wrong, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Ace3dError as error:
            typer.echo(f"ace3d-fast: {error}", err=True)
            raise typer.Exit(EXIT_CODE) from error


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
