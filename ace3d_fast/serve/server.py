"""Serving a folder of runs."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ace3d_fast.errors import InputError, expected


def serve_runs(
    folder: Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    allow_remote: bool = False,
    when_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve the runs in ``folder`` until the process is interrupted.

    Readers see each run's report, with all its videos; names they type go to its ``names.json``.

    Parameters
    ----------
    folder : Path or str
        A run, or a folder of runs.
    host : str
        Address to listen on.
    port : int
    allow_remote : bool
        Accept a ``host`` that other machines can reach. There is no password.
    when_ready : callable
        Is called once the port is held.

    Raises
    ------
    InputError
        No run is there, ``port`` is taken, ``host`` is no loopback address and ``allow_remote`` is not
        given, or the extra ``serve`` is not installed.
    """
    names = check_host(host, allow_remote=allow_remote)
    try:
        import uvicorn

        from ace3d_fast.serve.app import find_runs, make_app
    except ImportError as error:
        todo = "pip install 'ace3d_fast[serve]'"
        raise InputError(expected("serve", "starlette and uvicorn", "installed", error, todo)) from error
    path = Path(folder)
    if not path.is_dir() or not find_runs(path):
        todo = "give a folder that `ace3d-fast run --out` wrote, or one above it"
        raise InputError(expected("serve", "folder", "with complete runs in it", path, todo))
    app = make_app(path, names=names, any_address=allow_remote)
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        fact = f"{host}:{port}: {error.strerror}"
        raise InputError(expected("serve", "port", "that is free", fact, "choose another --port")) from error
    with listener, suppress(KeyboardInterrupt):
        when_ready()
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def check_host(host: str, *, allow_remote: bool) -> set[str]:
    """Names by which a server on ``host`` may be asked, beside addresses.

    Raises
    ------
    InputError
        Other machines can reach ``host``, and that was not allowed.
    """
    if allow_remote:
        return {"localhost", host.lower(), socket.gethostname().lower()}
    try:
        is_loopback = host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        todo = "--allow-remote lets other machines read the runs and change names, without a password"
        raise InputError(expected("serve", "host", "of this machine alone, such as 127.0.0.1", host, todo))
    return {"localhost"}
