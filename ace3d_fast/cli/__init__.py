"""The program ``ace3d-fast``: one file for each command."""

from __future__ import annotations


def main() -> None:
    """Run the program with the arguments of this process."""
    from ace3d_fast.cli.app import app

    app(prog_name="ace3d-fast")


__all__ = ["main"]
