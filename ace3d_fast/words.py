"""Numbers as a reader wants them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def is_known(value: Any) -> bool:
    """Whether ``value`` is a finite number."""
    try:
        return value is not None and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _write(value: Any, form: str) -> str:
    """A real minus sign, and no sign where nothing but zeros is left."""
    if not is_known(value):
        return MISSING
    text = format(float(value), form)
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", MINUS)


def decimal(value: Any, digits: int = 2) -> str:
    """``0.437`` as ``0.44``; what was not computed as a dash."""
    return _write(value, f".{digits}f")


def signed(value: Any, digits: int = 2) -> str:
    """``0.437`` as ``+0.44``, ``-1`` as ``−1.00``."""
    return _write(value, f"+.{digits}f")


def significant(value: Any, digits: int = 3) -> str:
    """A signed number of unknown scale, to ``digits`` significant digits."""
    return _write(value, f"+.{digits}g")


def percent(value: Any, digits: int = 0) -> str:
    """``0.437`` as ``44 %``."""
    return f"{_write(100 * float(value), f'.{digits}f')} %" if is_known(value) else MISSING


def probability(value: Any) -> str:
    """A p or q value: three decimals, more where it is smaller."""
    if not is_known(value):
        return MISSING
    number = float(value)
    return f"{number:.3f}" if number >= 0.001 or number == 0 else f"{number:.1g}"


def interval(low: Any, high: Any, write: Callable[[Any], str] = signed) -> str:
    """``[+0.10, +0.90]``, or nothing where a bound was not computed."""
    return f"[{write(low)}, {write(high)}]" if is_known(low) and is_known(high) else ""


def seconds(value: Any) -> str:
    """``75.2`` as ``1 min 15 s``."""
    if not is_known(value):
        return MISSING
    number = float(value)
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    return f"{minutes} min {rest} s"


def megabytes(num_bytes: int) -> str:
    """``12345678`` as ``12.3 MB``, from a thousand MB on in GB."""
    value = num_bytes / 1e6
    return f"{value / 1e3:.1f} GB" if value >= 1000 else f"{value:.1f} MB"


def count(number: Any, noun: str, plural: str = "") -> str:
    """``1 video``, ``2 videos``."""
    return f"{int(number):,} {noun if int(number) == 1 else plural or noun + 's'}"
