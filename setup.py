"""Puts the native libraries that tools/native_build.py builds into the package."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))

from native_build import build_libraries, copy_libraries, put_beside_sources


class NativeBuild(build_ext):
    """Build every native library with one run of CMake."""

    def build_extension(self, ext: Extension) -> None:
        """Build, and copy into the folder of the package."""
        self.libraries_built = build_libraries()
        copy_libraries(self.libraries_built, Path(self.get_ext_fullpath(ext.name)).parent)

    def copy_extensions_to_source(self) -> None:
        """Put the libraries beside the sources, where an editable install looks for them."""
        put_beside_sources(self.libraries_built)


setup(ext_modules=[Extension("ace3d_fast._core", sources=[])], cmdclass={"build_ext": NativeBuild})
