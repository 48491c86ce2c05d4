"""Where the real network and clips are: outside the package, and not everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def find_real_data() -> Path:
    """``$ACE3D_REAL_DATA``, else ``../shared/real`` beside the checkout; skips the test where neither is."""
    named = os.environ.get("ACE3D_REAL_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "real"
    if not (folder / "x3d_xs" / "golden.npz").is_file():
        pytest.skip(f"needs the real data: no x3d_xs/golden.npz in {folder} (set ACE3D_REAL_DATA)")
    return folder
