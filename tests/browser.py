"""Pages opened from their files in a real Chromium, with what they complain of and what they ask for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

PHONE = (390, 844)
DESK = (1280, 900)


def find_chromium() -> str:
    """The browser of this machine; skips the test where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    pytest.skip("needs a Chromium: none of chromium, chromium-browser, google-chrome is in the path")


@contextmanager
def launch() -> Iterator[Any]:
    """A headless Chromium of Playwright."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any,
    path: Path,
    *,
    size: tuple[int, int] = DESK,
    scheme: Literal["light", "dark"] = "light",
    fragment: str = "",
) -> Iterator[Any]:
    """The page of the file ``path``; errors on its console and requests that leave the file fail the test."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, accept_downloads=True
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("console", lambda message: message.type == "error" and faults.append(f"console: {message.text}"))
    page.on("request", lambda request: _is_inside(request.url, path) or faults.append(request.url[:200]))
    page.goto(path.resolve().as_uri() + fragment)
    try:
        yield page
        assert faults == []
    finally:
        context.close()


def _is_inside(url: str, path: Path) -> bool:
    return url.startswith(("data:", "blob:", path.resolve().parent.as_uri()))


def until(page: Any, condition: str, *, seconds: float = 30) -> None:
    """Wait for a JavaScript condition; Playwright's own way needs ``eval``, which the pages forbid."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"waited {seconds} s for {condition}"
        page.wait_for_timeout(20)


def fits_the_width(page: Any) -> bool:
    """Whether nothing sticks out at the side of the window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wide <= 0


def serious_faults(page: Any) -> list[tuple[str, str]]:
    """What axe-core calls serious or critical, with the first element at fault."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    return [(fault["id"], fault["nodes"][0]["html"][:150]) for fault in serious]
