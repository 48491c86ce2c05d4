"""Text files that are whole or not there, and names that are text."""

from __future__ import annotations

import os
from pathlib import Path

from ace3d_fast.errors import InputError, expected


def write_text(path: Path, text: str) -> Path:
    """Write ``text`` in UTF-8 to ``path``, which gets its name when the file is whole.

    Odd bytes in it, of paths that are no UTF-8, become escapes such as ``\\udcff``, which JSON reads back.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return partial.replace(path)


def check_place(path: Path, where: str, name: str) -> None:
    """Check that a file can be put at ``path``, before what is to go there is made.

    ``where`` and ``name`` are the command and its option.

    Raises
    ------
    InputError
        A folder is there, or none to hold it.
    """
    if path.is_dir() or not path.parent.is_dir():
        fact = f"the folder {path}" if path.is_dir() else f"{path.parent}: no such folder"
        todo = f"choose another --{name}"
        raise InputError(expected(where, name, "a file in a folder that is there", fact, todo))


def as_text(name: str | Path) -> str:
    """``name`` with those bytes that are no UTF-8 on the disk as ``\\xff``: tables hold text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
