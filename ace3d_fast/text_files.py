"""Text files that are whole or not there, and names that are text."""

from __future__ import annotations

import os
from pathlib import Path


def write_text(path: Path, text: str) -> Path:
    """Write ``text`` in UTF-8 to ``path``, which gets its name when the file is whole.

    Odd bytes in it, of paths that are no UTF-8, become escapes such as ``\\udcff``, which JSON reads back.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return partial.replace(path)


def as_text(name: str | Path) -> str:
    """``name`` with those bytes that are no UTF-8 on the disk as ``\\xff``: tables hold text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
