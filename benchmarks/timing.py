"""Timing that the benchmarks share: interleaved, in one process, medians and quartiles."""

from __future__ import annotations

import argparse
import gc
import json
import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ace3d_fast.ops import build_info

READ_BYTES = 2**28  # far more than the caches hold


@cache
def _much_memory() -> torch.Tensor:
    return torch.ones(READ_BYTES // 4)


def read_memory() -> None:
    """Read `READ_BYTES` once and write next to nothing: timed, this is the read bandwidth of the core."""
    torch.max(_much_memory())


def interleaved(
    calls: dict[str, Callable[[], Any]], repeats: int, *, cold: bool = False
) -> dict[str, list[float]]:
    """CPU milliseconds [quartile, median, quartile] of each call, one after the other in every round.

    CPU time of one thread: what else runs on the machine then disturbs least. Where ``cold``, other memory
    is read before each call, so that no call finds its input in a cache.
    """
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    gc.disable()
    try:
        for _ in range(repeats):
            for name, call in calls.items():
                if cold:
                    read_memory()
                begin = time.process_time()
                call()
                times[name].append((time.process_time() - begin) * 1e3)
    finally:
        gc.enable()
    return {name: [float(q) for q in np.percentile(values, (25, 50, 75))] for name, values in times.items()}


def planted_clip(shape: tuple[int, int, int], seed: int = 0) -> torch.Tensor:
    """(1, T, H, W, 3) uint8: a dozen soft blobs of colour that move, with camera noise."""
    rng = np.random.default_rng(seed)
    depth, height, width = shape
    t, y, x = (
        grid.astype(np.float32) for grid in np.meshgrid(*map(np.arange, shape), indexing="ij", sparse=True)
    )
    frames = np.empty((*shape, 3), np.float32)
    frames[:] = rng.integers(40, 200, 3)
    for _ in range(12):
        cy, cx, vy, vx = (*(rng.random(2) * (height, width)), *(rng.normal(size=2) * height / depth / 3))
        radius = height * rng.uniform(0.08, 0.25)
        inside = ((y - cy - vy * t) ** 2 + (x - cx - vx * t) ** 2) < radius**2
        frames[inside] = rng.integers(0, 255, 3)
    frames += rng.normal(size=frames.shape).astype(np.float32) * 3
    return torch.from_numpy(frames.clip(0, 255).astype(np.uint8))[None]


def write_results(name: str, rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Write the rows and what they were measured on to ``--json``, where that was given."""
    if arguments.json:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        facts = {"benchmark": name, "machine": machine, "build": build_info(), "threads": 1, "rows": rows}
        Path(arguments.json).write_text(json.dumps(facts, indent=2) + "\n")


def parse_arguments(description: str) -> argparse.Namespace:
    """``--json FILE`` and ``--repeats N``; one thread from here on."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="write the results to FILE")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of each measurement (default 5)")
    torch.set_num_threads(1)
    return parser.parse_args()
