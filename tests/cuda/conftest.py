"""Tests that need a GPU: skipped without one, failed without one where ACE3D_REQUIRE_CUDA=1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from compared import DEVICE

import ace3d_fast

LIBRARY = Path(ace3d_fast.__file__).parent / "_ops_cuda.so"


@pytest.fixture(autouse=True)
def _needs_cuda() -> None:
    if DEVICE != "cuda":
        return
    missing = [] if torch.cuda.is_available() else ["no CUDA device"]
    missing += [] if LIBRARY.is_file() else [f"no {LIBRARY.name}"]
    if missing and os.environ.get("ACE3D_REQUIRE_CUDA") == "1":
        pytest.fail(", ".join(missing))
    if missing:
        pytest.skip(", ".join(missing))
