"""The exceptions of ace3d_fast, and the one form their messages take."""

from __future__ import annotations


class Ace3dError(Exception):
    """Base of every error whose message is meant for the person at the keyboard."""


class InputError(Ace3dError, ValueError):
    """An option, file or array that does not meet what the called function expects."""


class VideoError(InputError):
    """One video that cannot be used; a run skips it, reports it and goes on."""


class RunFolderError(InputError):
    """An output folder that is unreadable, incomplete or holds another configuration."""


def first_line(error: BaseException) -> str:
    """What an exception says, cut after its first line; where it says nothing, of which kind it is."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def kind_and_line(error: BaseException) -> str:
    """``<kind>: <first line>``, for exceptions of other people's code."""
    kind, line = type(error).__name__, first_line(error)
    return kind if line == kind else f"{kind}: {line}"


def expected(where: str, name: str, requirement: str, fact: object, todo: str = "") -> str:
    """Word a message: ``<where>: expected <name> <requirement>, got <fact>[; <todo>]``."""
    message = f"{where}: expected {name} {requirement}, got {fact}"
    return f"{message}; {todo}" if todo else message
