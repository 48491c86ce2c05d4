"""``ace3d-fast info``."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from ace3d_fast import __version__

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "pandas",
    "pyarrow",
    "av",
    "pytorchvideo",
    "plotly",
)


def info() -> None:
    """Print versions, the instruction set in use and the devices.

    Example: ace3d-fast info
    """
    from rich.table import Table

    from ace3d_fast.cli.console import output

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in _facts():
        table.add_row(name, value)
    output().print(table)


def _facts() -> list[tuple[str, str]]:
    import torch

    from ace3d_fast import ops
    from ace3d_fast.words import count

    build = ops.build_info()
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    cuda_library = f"compiled by {build['cuda_compiler']}" if build["cuda_compiler"] else "not compiled"
    cores, threads = count(os.cpu_count(), "core"), count(torch.get_num_threads(), "thread")
    devices = [f"cpu ({cores}, {threads})"]
    devices += [f"cuda:{i} ({name})" for i, name in enumerate(gpus)]
    return [
        ("ace3d_fast", __version__),
        ("python", platform.python_version()),
        ("platform", platform.platform()),
        ("instruction set", str(build["instruction_set"])),
        ("compiler", str(build["compiler"])),
        ("cuda library", cuda_library),
        ("devices", ", ".join(devices)),
        *((package, _version(package)) for package in PACKAGES),
    ]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
