import ctypes
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ace3d_fast
from ace3d_fast.ops import build_info

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def backend():
    spec = importlib.util.spec_from_file_location("build_backend", ROOT / "tools" / "build_backend.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_build_takes_the_headers_of_the_torch_that_runs_it(backend):
    assert backend.find_torch() == Path(torch.__file__).parent
    assert backend.torch_requirement() == []


def test_without_a_torch_the_build_asks_for_the_pinned_one(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(backend.sysconfig, "get_path", lambda name, vars=None: str(tmp_path))
    monkeypatch.setattr(backend.site, "getusersitepackages", lambda: str(tmp_path))
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    (requirement,) = backend.torch_requirement()
    assert f"\n{requirement}\n" in (ROOT / "constraints.txt").read_text()


def test_a_torch_without_the_stable_headers_is_none(backend, tmp_path, monkeypatch):
    (tmp_path / "torch" / "include").mkdir(parents=True)
    monkeypatch.setattr(backend.sysconfig, "get_path", lambda name, vars=None: str(tmp_path))
    monkeypatch.setattr(backend.site, "getusersitepackages", lambda: str(tmp_path))
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    assert backend.find_torch() is None


def test_cuda_kernels_load_beside_a_torch_without_cuda():
    library = Path(ace3d_fast.__file__).parent / "_ops_cuda.so"
    assert library.is_file() == bool(build_info()["cuda_compiler"])
    if library.is_file() and sys.platform == "linux":
        ctypes.CDLL(str(library))


def test_the_instruction_set_can_be_lowered_and_not_invented():

    script = "from ace3d_fast import _core; print(_core.build_info()['instruction_set'])"
    best = build_info()["instruction_set"]
    for wish, expected in (("baseline", "baseline"), ("avx9000", best)):
        environment = {**os.environ, "ACE3D_INSTRUCTION_SET": wish}
        output = subprocess.run(
            [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
        )
        assert output.stdout.strip() == expected
