"""The program ``ace3d-fast``: one file for each command."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

# For terminals that know no UTF-8; anything else they do not know is a question mark there.
ASCII = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
}


def main() -> None:
    """Run the program with the arguments of this process."""
    from ace3d_fast.cli.app import app

    codecs.register_error("ace3d_ascii", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="ace3d_ascii")
    app(prog_name="ace3d-fast")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What to write for characters that an encoding lacks, as `codecs.register_error` wants it."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(ASCII.get(character, "?") for character in lacking), error.end


__all__ = ["main"]
