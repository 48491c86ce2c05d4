"""``ace3d-fast serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run, or a folder of runs.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8765,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in; there is no password.")
    ] = False,
) -> None:
    """Show the runs in DIR in a browser; names typed there are kept in the runs' folders.

    Example: ace3d-fast serve runs
    """
    from ace3d_fast.serve.server import serve_runs

    shown = f"[{host}]" if ":" in host else host
    serve_runs(
        folder,
        host=host,
        port=port,
        allow_remote=allow_remote,
        when_ready=lambda: typer.echo(f"http://{shown}:{port}/ (stop with Ctrl+C)"),
    )
