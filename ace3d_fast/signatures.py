"""Arguments of public functions against their annotations: a wrong type is told by name, at the door."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from numbers import Integral, Real
from os import PathLike, fspath
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from ace3d_fast.errors import InputError, expected

P = ParamSpec("P")
R = TypeVar("R")

_NAMES = {int: "an integer", float: "a number", bool: "True or False", str: "text", NoneType: "None"}
_MOST_SHOWN = 60  # characters of a value


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let ``function`` refuse arguments that are not what its annotations say.

    Numbers of NumPy count as numbers, whole numbers as floats, and whatever has a path as a `Path`; which
    values are allowed is left to the function.

    Raises
    ------
    InputError
        By the decorated function, in one line.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def check(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            arguments = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # which words it as Python does
        hints = _hints(function)
        for name, value in arguments.items():
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                continue  # left to the function that they go to
            if not _fits(value, hints[name]):
                wanted = f"to be {_said(hints[name])}"
                raise InputError(expected(function.__name__, name, wanted, _shown(value)))
        return function(*args, **kwargs)

    return check


@cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function)


def _fits(value: object, hint: Any) -> bool:
    origin, given = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in given)
    if origin is Literal:
        return isinstance(value, str)
    if origin is not None and issubclass(origin, Sequence):
        return _is_sequence(value) and all(_fits(one, given[0]) for one in value)  # type: ignore[attr-defined]
    if origin is not None:
        return origin is not Callable or callable(value)
    return _is_one(value, hint)


def _is_one(value: object, kind: Any) -> bool:
    """Whether ``value`` is of a class, or of a protocol by the names of its methods."""
    if kind is Any:
        return True
    if getattr(kind, "_is_protocol", False):
        return all(hasattr(value, name) for name in vars(kind) if not name.startswith("_"))
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, PathLike if issubclass(kind, PathLike) else kind)


def _is_sequence(value: object) -> bool:
    """Whether it has a length and an order, as lists and arrays have; text counts as one value."""
    ordered = hasattr(value, "__len__") and hasattr(value, "__getitem__")
    return ordered and not isinstance(value, str | bytes | Mapping)


def _said(hint: Any) -> str:
    origin, given = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [_said(one) for one in given if one is not NoneType]
        return " or ".join(dict.fromkeys(kinds))
    if origin is Literal:
        return _NAMES[str]
    if origin is not None and issubclass(origin, Sequence):
        return f"a sequence, each {_said(given[0])}"
    if origin is not None:
        return "a function"
    if isinstance(hint, type) and issubclass(hint, PathLike):
        return "a path"
    return _NAMES.get(hint, f"a {hint.__name__}")


def _shown(value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    text = repr(fspath(value) if isinstance(value, PathLike) else value).replace("\n", " ")
    return f"{text} ({kind})" if len(text) <= _MOST_SHOWN else f"a {kind}"
