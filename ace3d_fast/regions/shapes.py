"""Masks of a frame from COCO run lengths, boxes and capsules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def decode_rle(rle: dict[str, Any]) -> Mask:
    """A mask from COCO's run lengths: ``{"size": [h, w], "counts": [...] or "..."}``.

    Runs of 0 and 1 in turn, down the columns. As a string they are written as by pycocotools: five bits a
    character, low bits first, from the fourth run on as the difference from the run before last.

    Raises
    ------
    ValueError
        Where they do not fill the mask.
    """
    height, width = (int(side) for side in rle["size"])
    counts = rle["counts"]
    runs = _runs_of_text(counts) if isinstance(counts, str) else [int(run) for run in counts]
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError(f"runs of {sum(runs)} pixels for a mask of {height} by {width}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def _runs_of_text(text: str) -> list[int]:
    runs: list[int] = []
    value, shift = 0, 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"the character {letter!r} in run lengths")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise ValueError("run lengths that end within a number")
    return runs


def box_mask(box: Sequence[float], size: tuple[int, int]) -> Mask:
    """Pixels of a frame (h, w) whose centres lie in ``box``: x, y, width, height in pixels."""
    x, y, width, height = (float(value) for value in box)
    if not (width > 0 and height > 0):
        raise ValueError(f"a box of {width} by {height} pixels")
    rows, columns = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    inside_y, inside_x = (rows >= y) & (rows < y + height), (columns >= x) & (columns < x + width)
    return np.asarray(inside_y[:, None] & inside_x, dtype=np.bool_)


def capsule_mask(a: Sequence[float], b: Sequence[float], radius_px: float, size: tuple[int, int]) -> Mask:
    """Pixels of a frame (h, w) with centres within ``radius_px`` of the line from ``a`` to ``b`` (x, y)."""
    if not radius_px > 0:
        raise ValueError(f"a radius of {radius_px} pixels")
    start = np.array([float(value) for value in a[:2]])
    way = np.array([float(value) for value in b[:2]]) - start
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    points = np.stack([x, y], axis=-1) - start
    along = np.clip(points @ way / max(float(way @ way), 1e-12), 0, 1)
    return np.asarray(np.linalg.norm(points - along[..., None] * way, axis=-1) <= radius_px)
