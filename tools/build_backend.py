"""Build backend: setuptools, and the question it cannot answer: whose torch headers to compile against.

The build takes the headers of the torch that the package will run beside. An isolated build hides that torch,
so it is looked up by path. Only where there is none is the pinned one of ``constraints.txt`` asked for.
"""

from __future__ import annotations

import importlib.util
import re
import site
import sys
import sysconfig
from pathlib import Path

from setuptools import build_meta as _setuptools
from setuptools.build_meta import *  # noqa: F403

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


def torch_requirement() -> list[str]:
    """The pinned torch where there is none to build against, else nothing."""
    if find_torch() is not None:
        return []
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line.split(";")[0].strip() for line in lines if line.startswith("torch==")]


def get_requires_for_build_wheel(config_settings: dict[str, str] | None = None) -> list[str]:
    """What the build needs beside ``build-system.requires``."""
    return _setuptools.get_requires_for_build_wheel(config_settings) + torch_requirement()


def get_requires_for_build_editable(config_settings: dict[str, str] | None = None) -> list[str]:
    """What an editable build needs beside ``build-system.requires``."""
    return _setuptools.get_requires_for_build_editable(config_settings) + torch_requirement()
