"""Kernels at the far end of the largest volumes, under sanitizers; see large_indices.cpp."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from emulated_library import COMPILE, HERE, ROOT, SANITIZE

NO_MEMORY = 77


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_indices_hold_for_almost_2_to_the_31_voxels(tmp_path: Path) -> None:
    program = tmp_path / "program"
    sources = [HERE / "large_indices.cpp", ROOT / "csrc" / "region_pool" / "region_pool_simd.cpp"]
    flags = [*SANITIZE["address"], "-DACE3D_ISA=baseline", "-Wno-psabi"]
    subprocess.run([*COMPILE, *flags, *map(str, sources), "-o", str(program)], check=True)
    result = subprocess.run([str(program)], capture_output=True, text=True)
    if result.returncode == NO_MEMORY:
        pytest.skip("the system reserves no memory beyond what it has")
    assert result.returncode == 0, result.stdout + result.stderr
