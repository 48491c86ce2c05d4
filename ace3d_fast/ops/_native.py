"""Loads the native libraries; importing this module registers the ops of namespace ``ace3d``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from ace3d_fast.errors import Ace3dError

Function = TypeVar("Function", bound=Callable[..., Any])

_FOLDER = Path(__file__).resolve().parent.parent


def _load() -> None:
    library = _FOLDER / "_ops.so"
    if not library.is_file():
        raise Ace3dError(f"ace3d_fast: {library.name} is missing; build the package with `pip install .`")
    load: Callable[[str], None] = torch.ops.load_library
    load(str(library))
    cuda = _FOLDER / "_ops_cuda.so"
    if cuda.is_file() and torch.version.cuda is not None:
        load(str(cuda))


def register_fake(op: str) -> Callable[[Function], Function]:
    """Say what ``ace3d::<op>`` returns for tensors without data (tracing, compiling, exporting)."""
    decorate: Callable[[Function], Function] = torch.library.register_fake(f"ace3d::{op}")
    return decorate


_load()
