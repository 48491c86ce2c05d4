"""What a command line got wrong, in the form of the library's own errors."""

from __future__ import annotations

import re
from typing import Any

import typer

from ace3d_fast.errors import expected

# Typer hides its parser, or takes click's, by version; this is its base of all that is wrong in a line.
UsageError: type[Any] = typer.BadParameter.__mro__[1]


def word_usage_error(error: Any, command: str | None) -> str:
    """Word ``error``, a `UsageError` of ``command`` (None: before one was found), on one line."""
    where = command or "command line"
    todo = f"see ace3d-fast {command} --help" if command else "see ace3d-fast --help"
    kind, name = type(error).__name__, _parameter_name(error)
    if kind == "NoSuchOption":
        nearest = ", ".join(error.possibilities or ())
        todo = f"nearest: {nearest}" if nearest else todo
        return expected(where, "option", "to exist", error.option_name, todo)
    if kind == "MissingParameter":
        return expected(where, name, "to be given", "nothing", todo)
    if kind == "BadOptionUsage":
        takes_one = "requires" in error.message
        requirement, fact = ("with a value", "none") if takes_one else ("without a value", "one")
        return expected(where, error.option_name, requirement, fact, todo)
    if kind == "BadParameter":
        requirement, fact = _value(error)
        return expected(where, name, requirement, fact, todo)
    fact = " ".join(error.format_message().split()).removeprefix("Got ")
    return expected(where, "arguments", "that fit together", fact, todo)


def _parameter_name(error: Any) -> str:
    """Name of what was given or left out: of an option its long form, of an argument that of the help."""
    parameter = getattr(error, "param", None)
    if parameter is None:
        return "values"
    options = [name for name in parameter.opts if name.startswith("-")]
    return max(options, key=len) if options else str(parameter.metavar or parameter.name)


def _value(error: Any) -> tuple[str, str]:
    """What a value must be, and the value that was given."""
    message = error.message.removeprefix("Value error, ").rstrip(".")
    refused = re.fullmatch(r"(.+?) is not (.+)", message)
    if refused:
        return f"to be {refused[2]}", refused[1]
    errors: list[Any] = getattr(error.__cause__, "errors", list)()  # pydantic's, which tell the value too
    should = re.match(r"Input should (be [^,]+)", message)
    if errors and should:
        return f"to {should[1]}", repr(errors[0]["input"])
    return "to be valid", message
