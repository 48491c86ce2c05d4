import ctypes
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
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    for name in ("build_backend", "native_build"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def without_torch(build, folder, monkeypatch):
    monkeypatch.setattr(build.sysconfig, "get_path", lambda name, vars=None: str(folder))
    monkeypatch.setattr(build.site, "getusersitepackages", lambda: str(folder))
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("tools")
def test_the_build_takes_the_headers_of_the_torch_that_runs_it():
    import build_backend
    import native_build

    assert native_build.find_torch() == Path(torch.__file__).parent
    assert build_backend.torch_requirement() == []


@pytest.mark.usefixtures("tools")
def test_without_a_torch_the_build_asks_for_the_pinned_one(tmp_path, monkeypatch):
    import build_backend
    import native_build

    without_torch(native_build, tmp_path, monkeypatch)
    (requirement,) = build_backend.torch_requirement()
    assert f"\n{requirement}\n" in (ROOT / "constraints.txt").read_text()


@pytest.mark.usefixtures("tools")
def test_a_torch_without_the_stable_headers_is_none(tmp_path, monkeypatch):
    import native_build

    (tmp_path / "torch" / "include").mkdir(parents=True)
    without_torch(native_build, tmp_path, monkeypatch)
    assert native_build.find_torch() is None


def test_the_libraries_can_be_built_where_setuptools_is_old_or_missing():
    script = "import sys; sys.modules['setuptools'] = None; import native_build; print(native_build.ROOT)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    command = [sys.executable, "-c", script]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert output.strip() == str(ROOT)


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
