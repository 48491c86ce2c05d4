"""Finding a name that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def plain(name: str) -> str:
    """``name`` in lower case with single spaces for underscores, dashes and blanks."""
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def nearest(name: str, names: Iterable[str], *, count: int = 3) -> str:
    """Word the names most like ``name``: ``nearest: a, b, c``; empty where there are none."""
    by_plain = {plain(candidate): candidate for candidate in names}
    found = difflib.get_close_matches(plain(name), by_plain, n=count, cutoff=0.0)
    return "nearest: " + ", ".join(by_plain[match] for match in found) if found else ""
