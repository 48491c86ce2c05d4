"""Builds the native libraries with CMake and Ninja; CMakeLists.txt is the only list of their sources.

`setup.py` builds them into the package. ``python tools/native_build.py`` puts them beside the sources, and
does not need setuptools.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def find_torch() -> Path | None:
    """Folder of the torch to build against: the target environment's, else an importable one."""
    folders = [Path(sysconfig.get_path(name)) for name in ("platlib", "purelib")]
    configuration = Path(sys.prefix, "pyvenv.cfg")
    isolated = configuration.is_file() and not re.search(
        r"include-system-site-packages\s*=\s*true", configuration.read_text().lower()
    )
    if not isolated:
        base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
        folders += [Path(sysconfig.get_path(name, vars=base)) for name in ("platlib", "purelib")]
        folders.append(Path(site.getusersitepackages()))
    for folder in folders:
        if _has_headers(folder / "torch"):
            return folder / "torch"
    spec = importlib.util.find_spec("torch")
    if spec is not None and spec.origin is not None and _has_headers(Path(spec.origin).parent):
        return Path(spec.origin).parent
    return None


def _has_headers(torch: Path) -> bool:
    return (torch / "include" / "torch" / "csrc" / "stable" / "library.h").is_file()


def find_program(name: str) -> str:
    """Path of ``name``: from the pip package that the build requires, else from PATH."""
    try:
        package = importlib.import_module(name)
        folder = getattr(package, "CMAKE_BIN_DIR", None) or getattr(package, "BIN_DIR", None)
        program = shutil.which(name, path=folder) if folder else None
    except ImportError:
        program = None
    program = program or shutil.which(name)
    if program is None:
        raise SystemExit(f"build: expected {name} to be installed, got none; run `pip install {name}`")
    return program


def name_cuda_compiler() -> None:
    """Tell CMake of the toolkit's own folder, where it does not look for the compiler."""
    nvcc = Path("/usr/local/cuda/bin/nvcc")
    if shutil.which("nvcc") is None and nvcc.is_file():
        os.environ.setdefault("CUDACXX", str(nvcc))


def build_libraries() -> list[Path]:
    """Configure and build; the libraries built."""
    torch = find_torch()
    if torch is None:
        raise SystemExit("build: expected torch>=2.10 in the target environment, got none; install it first")
    import pybind11

    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    sanitize = os.environ.get("ACE3D_SANITIZE", "")
    build = ROOT / "build" / f"cmake-{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
    if sanitize:
        build = build.with_name(f"{build.name}-{sanitize.replace(',', '-')}")
    build.mkdir(parents=True, exist_ok=True)
    configure = [
        find_program("cmake"),
        "-S",
        str(ROOT),
        "-B",
        str(build),
        "-G",
        "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={find_program('ninja')}",
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={build / 'lib'}",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DACE3D_TORCH={torch}",
        f"-DACE3D_VERSION={version[1]}",
        f"-DACE3D_CUDA={os.environ.get('ACE3D_CUDA', 'AUTO')}",
        f"-DACE3D_CUDA_ARCHITECTURES={os.environ.get('ACE3D_CUDA_ARCHITECTURES', '')}",
        f"-DACE3D_SANITIZE={sanitize}",
    ]
    name_cuda_compiler()
    subprocess.run(configure, check=True)
    subprocess.run([configure[0], "--build", str(build)], check=True)
    return sorted((build / "lib").glob("*.so"))


def put_beside_sources(libraries: list[Path]) -> None:
    """Replace the libraries in the package's own folder, where an editable install looks for them."""
    folder = ROOT / "ace3d_fast"
    for stale in folder.glob("*.so"):
        stale.unlink()
    copy_libraries(libraries, folder)


def copy_libraries(libraries: list[Path], folder: Path) -> None:
    """Copy what was built into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for library in libraries:
        shutil.copy2(library, folder / library.name)


if __name__ == "__main__":
    put_beside_sources(build_libraries())
