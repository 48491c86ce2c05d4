"""Files of safetensors that whoever may read their folder can read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import numpy as of_arrays
from safetensors import torch as of_tensors
from torch import Tensor


def save_arrays(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write C-contiguous ``arrays`` to ``path``."""
    of_arrays.save_file(dict(arrays), path)
    _share(path)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write contiguous ``tensors`` to ``path``."""
    of_tensors.save_file(dict(tensors), path, metadata)
    _share(path)


def _share(path: Path) -> None:
    """Let those read and write who may in the folder: safetensors makes files for their owner alone."""
    path.chmod(path.parent.stat().st_mode & 0o666)
