"""Build backend: setuptools, and the question it cannot answer: whose torch headers to compile against.

The build takes the headers of the torch that the package will run beside. An isolated build hides that torch,
so it is looked up by path. Only where there is none is the pinned one of ``constraints.txt`` asked for.
"""

from __future__ import annotations

from native_build import ROOT, find_torch
from setuptools import build_meta as _setuptools
from setuptools.build_meta import *  # noqa: F403


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
