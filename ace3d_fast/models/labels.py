"""Class names of a network."""

from __future__ import annotations

from pathlib import Path

from ace3d_fast.errors import InputError, expected


def read_labels(path: str | Path) -> list[str]:
    """Read a file, or a pipe, with one class name a line, in the order of the network's outputs.

    Raises
    ------
    InputError
        Where the file is missing, a folder, no text, empty, or has an empty line between two names.
    """
    path = Path(path)
    if not path.exists() or path.is_dir():  # a pipe will do
        fact = "a folder" if path.is_dir() else "nothing there"
        todo = "check the path given to --labels"
        raise InputError(expected("read_labels", str(path), "to be a file of class names", fact, todo))
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(
            expected("read_labels", str(path), "to be text in UTF-8", "other bytes", "save the file as UTF-8")
        ) from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError(
            expected(
                "read_labels",
                str(path),
                "to hold one class name a line",
                "an empty file",
                "write a class name a line, in the order of the network's outputs",
            )
        )
    if "" in lines:
        fact = f"an empty line {lines.index('') + 1}"
        raise InputError(
            expected(
                "read_labels", str(path), "to hold one class name a line", fact, "take the empty lines out"
            )
        )
    return lines
