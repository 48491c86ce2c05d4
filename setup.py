"""Runs CMake and Ninja for the native libraries; CMakeLists.txt is the only list of their sources."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

from build_backend import find_torch  # noqa: E402


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


class CMakeBuild(build_ext):
    """Build every native library with one CMake run."""

    def build_extension(self, ext: Extension) -> None:
        """Configure and build into the folder of the package."""
        torch = find_torch()
        if torch is None:
            raise SystemExit(
                "build: expected torch>=2.10 in the target environment, got none; install it first"
            )
        import pybind11

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
            f"-DACE3D_VERSION={self.distribution.get_version()}",
            f"-DACE3D_CUDA={os.environ.get('ACE3D_CUDA', 'AUTO')}",
            f"-DACE3D_CUDA_ARCHITECTURES={os.environ.get('ACE3D_CUDA_ARCHITECTURES', '')}",
            f"-DACE3D_SANITIZE={sanitize}",
        ]
        subprocess.run(configure, check=True)
        subprocess.run([configure[0], "--build", str(build)], check=True)
        self.libraries_built = sorted((build / "lib").glob("*.so"))
        self.copy_libraries(Path(self.get_ext_fullpath(ext.name)).parent)

    def copy_extensions_to_source(self) -> None:
        """Put the libraries beside the sources, where an editable install looks for them."""
        for stale in (ROOT / "ace3d_fast").glob("*.so"):
            stale.unlink()
        self.copy_libraries(ROOT / "ace3d_fast")

    def copy_libraries(self, folder: Path) -> None:
        """Copy what CMake built into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        for library in self.libraries_built:
            shutil.copy2(library, folder / library.name)


setup(ext_modules=[Extension("ace3d_fast._core", sources=[])], cmdclass={"build_ext": CMakeBuild})
