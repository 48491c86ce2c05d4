"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


@cache
def _library() -> Any:
    return ctypes.CDLL(None)


def release_memory() -> None:
    """Give freed memory back, where the C library is one that is to be told to (glibc).

    Between clips that are decoded and let go, small records of them stay. By itself glibc gives back what
    lies behind the last of these alone: a process grows with the length of its videos.
    """
    trim = getattr(_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)
