"""What is explained of a network's output, where it is not the logit of a class."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected, kind_and_line
from ace3d_fast.models.load import names_in
from ace3d_fast.models.names import nearest

TargetFunction = Callable[[Any], Tensor]
OTHERWISE = "otherwise"


@dataclass(frozen=True)
class OutputTarget:
    """A function of a network's output.

    Attributes
    ----------
    function : callable
    name : str
        ``module:function``.
    digest : str
        Of the file that defines it, where it was loaded by name. What a function in memory does cannot be
        told from its name, so each time one is given, the digest is another.
    loaded : bool
        Whether it was loaded by name, and can be loaded elsewhere.
    """

    function: TargetFunction
    name: str
    digest: str = field(default_factory=lambda: uuid.uuid4().hex)
    loaded: bool = False

    def scores(self, output: Any, num_clips: int) -> Tensor:
        """Logits (N, 2): what the function makes of ``output``, and 0.

        Raises
        ------
        InputError
            The function fails, or gives something else than a number per clip.
        """
        requirement = f"to give floating-point numbers ({num_clips},), one per clip"
        try:
            found = self.function(output)
        except Exception as error:  # the user's code
            raise InputError(self._refusal(requirement, kind_and_line(error))) from error
        if not isinstance(found, Tensor):
            raise InputError(self._refusal(requirement, f"a {type(found).__name__}"))
        if tuple(found.shape) not in {(num_clips,), (num_clips, 1)} or not found.is_floating_point():
            raise InputError(self._refusal(requirement, f"{found.dtype} {tuple(found.shape)}"))
        found = found.reshape(num_clips)
        return torch.stack([found, torch.zeros_like(found)], dim=1)

    def _refusal(self, requirement: str, fact: str) -> str:
        return expected("Network", f"target {self.name}", requirement, fact)


def as_target(target: str | TargetFunction) -> OutputTarget:
    """``path/to/file.py:function`` or ``package.module:function`` loaded, or a callable.

    Raises
    ------
    InputError
        There is no such function.
    """
    return load_target(target) if isinstance(target, str) else OutputTarget(target, target_name(target))


def target_name(target: str | TargetFunction) -> str:
    """``module:function`` of a callable; a text as it is."""
    if isinstance(target, str):
        return target
    kind = type(target)
    name = getattr(target, "__qualname__", kind.__qualname__)
    return f"{getattr(target, '__module__', None) or kind.__module__}:{name}"


def load_target(spec: str) -> OutputTarget:
    """Import ``path/to/file.py:function`` or ``package.module:function``.

    Raises
    ------
    InputError
        There is no such function.
    """
    source, _, name = spec.rpartition(":")
    if not source or not name:
        todo = "give path/to/file.py:function or package.module:function"
        raise InputError(expected("run", "target", "to be file.py:function", repr(spec), todo))
    names = names_in(source, "target")
    found = names.get(name)
    if not callable(found):
        todo = nearest(name, [key for key, value in names.items() if callable(value)])
        fact = "none" if found is None else f"a {type(found).__name__}"
        raise InputError(expected("run", f"target {source}", f"to define the function {name!r}", fact, todo))
    file = Path(str(names.get("__file__")))
    code = file.read_bytes() if file.is_file() else b""
    return OutputTarget(found, spec, hashlib.sha256(spec.encode() + b"\0" + code).hexdigest(), loaded=True)
