"""A run on a device that is not the CPU, without a GPU: tensors left on the wrong one are errors here too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
CHECKS = (
    *sorted(HERE.glob("check_*.py")),
    *(TESTS / "cuda" / name for name in ("check_run.py", "test_cuda_run.py")),
)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("device") / "second_device.so"
    installed = Path(torch.__file__).parent
    command = ["g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-Wall", "-Werror"]
    command += [f"-isystem{installed / 'include'}", str(HERE / "second_device.cpp")]
    command += [f"-L{installed / 'lib'}", "-ltorch_cpu", "-lc10", "-o", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_what_is_done_on_a_second_device_is_what_the_cpu_does(library):
    environment = {
        **os.environ,
        "ACE3D_SECOND_DEVICE": str(library),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "far", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, *map(str, CHECKS)], cwd=TESTS.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
