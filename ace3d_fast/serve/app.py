"""The pages of a folder of runs, and what their readers type, as a Starlette application."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ace3d_fast.errors import Ace3dError
from ace3d_fast.names import check_names, write_names
from ace3d_fast.report.facts import status_counts
from ace3d_fast.report.page import render_report
from ace3d_fast.report.shell import render_page
from ace3d_fast.store import RunFolder
from ace3d_fast.words import percent

FOLDER = Path(__file__).parent
MAX_DEPTH = 3
MAX_BODY_BYTES = 1_000_000
MAX_PLAYER_BYTES = 60_000_000  # nobody mails this page: all videos may play
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class HostCheck:
    """Refuses requests that were sent to a name which is not this server's.

    A web page elsewhere can point its own name at this machine (DNS rebinding) and would then read what is
    served here; its requests carry that name.

    Parameters
    ----------
    app : ASGI application
    names : iterable of str
        Names that are this server's, lower case.
    any_address : bool
        Accept every IP address, which no rebinding can use; else those of the loopback alone.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], any_address: bool) -> None:
        self.app, self.names, self.any_address = app, frozenset(names), any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        hosts = [*given, *(urlsplit(origin).netloc for origin in origins)]
        if scope["type"] == "http" and len(given) == 1 and all(map(self._is_mine, hosts)):
            await self.app(scope, receive, send)
        else:
            refusal = PlainTextResponse("this server answers to its own address alone\n", 421, HEADERS)
            await refusal(scope, receive, send)

    def _is_mine(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name != "" and name in self.names
        return self.any_address or address.is_loopback


@dataclass(frozen=True)
class RunLine:
    """A run in the list."""

    name: str
    link: str
    target: str
    network: str
    accuracy: str
    accepted: str
    videos: int


def find_runs(folder: Path) -> dict[str, Path]:
    """Complete runs in ``folder``, itself included, by their path in it."""
    found = {}
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        deeper = []
        for path in level:
            if all((path / name).is_file() for name in ("config.json", "summary.json", "concepts.parquet")):
                found[path.relative_to(folder).as_posix() if path != folder else folder.resolve().name] = path
            else:
                deeper += [sub for sub in sorted(path.iterdir()) if sub.is_dir() and sub.name[0] != "."]
        level = deeper
    return found


def make_app(folder: Path, *, names: Iterable[str] = ("localhost",), any_address: bool = False) -> Starlette:
    """The application over ``folder``; ``names`` and ``any_address`` as in `HostCheck`."""
    pages: dict[Path, tuple[tuple[int, ...], str]] = {}
    lock = Lock()

    def index(_: Request) -> Response:
        runs = find_runs(folder)
        if list(runs.values()) == [folder]:
            return RedirectResponse(_link(next(iter(runs))), headers=HEADERS)
        lines = [_line(name, path) for name, path in runs.items()]
        page = render_page(
            FOLDER / "runs.html",
            scripts=[FOLDER / "runs.js"],
            data={},
            folder=str(folder.resolve()),
            lines=lines,
        )
        return HTMLResponse(page, headers=HEADERS)

    def report(request: Request) -> Response:
        path = find_runs(folder).get(request.path_params["name"])
        if path is None:
            return PlainTextResponse("no such run here\n", 404, HEADERS)
        stamp = tuple(
            file.stat().st_mtime_ns if file.exists() else 0
            for file in (path / "summary.json", path / "concepts.parquet", path / "names.json")
        )
        with lock:  # a page is made once, however many ask for it
            if path not in pages or pages[path][0] != stamp:
                pages[path] = (stamp, _render(path))
            return HTMLResponse(pages[path][1], headers=HEADERS)

    async def save_names(request: Request) -> Response:
        path = find_runs(folder).get(request.path_params["name"])
        if path is None:
            return PlainTextResponse("no such run here\n", 404, HEADERS)
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return PlainTextResponse("names are application/json\n", 415, HEADERS)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                return PlainTextResponse("too many names\n", 413, HEADERS)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return PlainTextResponse("no JSON\n", 400, HEADERS)
        await run_in_threadpool(_save, path, found)
        return Response(status_code=204, headers=HEADERS)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/runs/{name:path}/names", save_names, methods=["PUT"]),
            Route("/runs/{name:path}/", report),
        ],
        middleware=[Middleware(HostCheck, names=names, any_address=any_address)],
        exception_handlers={Ace3dError: _say},
    )


def _render(path: Path) -> str:
    run = RunFolder.open(path)
    return render_report(run, max_player_bytes=MAX_PLAYER_BYTES, save_names_to="names")


def _save(path: Path, found: Any) -> None:
    key = RunFolder.open(path).key
    write_names(path, key, check_names(found, key, "what was sent"))


def _say(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 422, HEADERS)


def _link(name: str) -> str:
    return f"/runs/{quote(name)}/"


def _line(name: str, path: Path) -> RunLine:
    run = RunFolder(path)
    return RunLine(
        name,
        _link(name),
        str(run.summary["target_class"]),
        f"{run.config['model']} at {run.config['layer']}",
        percent(run.summary["accuracy"]),
        f"{status_counts(run).get('accepted', 0)} of {run.summary['num_tested']}",
        int(run.summary["num_target_videos"]),
    )
