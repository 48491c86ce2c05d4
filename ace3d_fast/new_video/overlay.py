"""Frames with their supervoxels coloured by concept."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.types import SegmentedClip

OVERLAY_PX = 320  # frames are enlarged by a whole number to about this
GOLDEN_RATIO = 0.618033988749895
# How much of a concept's colour lies over the picture, by verdict; the rest of the frame stays as it is.
OPACITY = {"accepted": 0.55, "not_significant": 0.25, "context": 0.15, "rejected": 0.0}

Frames = NDArray[np.uint8]
Color = tuple[int, int, int]


def concept_colors(concepts: Sequence[int]) -> dict[int, Color]:
    """A colour for each concept; hues of neighbours in the order are far apart."""
    colors = {}
    for place, concept in enumerate(concepts):
        red, green, blue = colorsys.hls_to_rgb((0.02 + place * GOLDEN_RATIO) % 1.0, 0.5, 0.85)
        colors[concept] = (round(255 * red), round(255 * green), round(255 * blue))
    return colors


class Paint(NamedTuple):
    """For each region, and in row 0 for the background, its colour (3,), opacity and rank."""

    colors: NDArray[np.float32]
    opacity: NDArray[np.float32]
    rank: NDArray[np.float32]


def choose_paint(
    regions: pd.DataFrame, num_regions: int, statuses: Mapping[int, str], colors: Mapping[int, Color]
) -> Paint:
    """Paint for the regions of a clip.

    ``regions`` has a row for each, with ``index``, ``concept`` and ``logit_estimate``.

    Where regions of several resolutions lie over each other, an accepted concept goes before another, then
    the larger estimate.
    """
    paint = Paint(
        np.zeros((num_regions + 1, 3), np.float32),
        np.zeros(num_regions + 1, np.float32),
        np.full(num_regions + 1, -1.0, np.float32),
    )
    size = regions["logit_estimate"].abs().fillna(0.0).to_numpy()
    size = size / max(float(size.max(initial=0.0)), 1e-12)
    rows = zip(regions["index"].tolist(), regions["concept"].tolist(), size.tolist(), strict=True)
    for index, concept, share in rows:
        if concept in statuses:
            paint.colors[index + 1] = colors[concept]
            paint.opacity[index + 1] = OPACITY[statuses[concept]]
            paint.rank[index + 1] = share + 2 * OPACITY[statuses[concept]] if paint.opacity[index + 1] else 0
    return paint


def paint_frames(clip: SegmentedClip, paint: Paint) -> Frames:
    """The clip's frames, (T, H, W, 3) uint8, enlarged and painted, borders of painted regions drawn in."""
    labels = clip.labels.numpy() + 1
    best = paint.rank[labels].argmax(axis=0)[None]
    shown = np.take_along_axis(labels, best, axis=0)[0]
    opacity = paint.opacity[shown][..., None]
    frames = clip.clip.frames.numpy()
    mixed = (frames * (1 - opacity) + paint.colors[shown] * opacity + 0.5).astype(np.uint8)
    scale = max(1, round(OVERLAY_PX / frames.shape[1]))
    large: Frames = mixed.repeat(scale, axis=1).repeat(scale, axis=2)
    shown = shown.repeat(scale, axis=1).repeat(scale, axis=2)
    border = np.zeros(shown.shape, dtype=bool)
    border[:, 1:] |= shown[:, 1:] != shown[:, :-1]
    border[:, :, 1:] |= shown[:, :, 1:] != shown[:, :, :-1]
    border &= paint.opacity[shown] > 0
    large[border] = paint.colors[shown[border]].astype(np.uint8)
    return large
