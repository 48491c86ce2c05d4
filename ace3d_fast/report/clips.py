"""Example clips: a region outlined, everything else muted, as a looping WebP."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ace3d_fast.types import SegmentedClip

OUTLINE = (255, 214, 0)
HAIRLINE = (20, 20, 20)
MUTED_COLOR = 0.15  # what remains of the colours outside the region
MUTED_LIGHT = 0.55  # what remains of the brightness there
LAST_FRAME_HOLD_MS = 350
MAX_FRAMES = 48  # of a longer clip, the stretch that shows most of the region
_DARKER = [round(MUTED_LIGHT * value) for value in range(256)]
_THRESHOLD = [255 if value >= 128 else 0 for value in range(256)]
# Tried in this order until a clip fits its share of the report's size.
SHRINKING = ((1, 78), (0.9, 65), (0.8, 50), (0.65, 45), (0.5, 40), (0.33, 35))  # share of the side, quality


@dataclass(frozen=True)
class AnimatedClip:
    """A looping picture: ``data`` is a WebP file, ``width`` × ``height`` pixels."""

    data: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The file as a data URI."""
        return "data:image/webp;base64," + base64.b64encode(self.data).decode("ascii")


def animate_region(
    segmented: SegmentedClip, index: int, *, fps: float, side: int, max_bytes: int
) -> AnimatedClip:
    """Picture region ``index`` of a clip, playing in real time.

    The loop is entered at the frame that shows most of the region, so that a still of it shows the region.

    Parameters
    ----------
    segmented : SegmentedClip
    index : int
        Value of the region in ``segmented.labels``.
    fps : float
        Frames per second of ``segmented.clip.frames``.
    side : int
        Longer side of the picture, in pixels; less where ``max_bytes`` asks for it.
    max_bytes : int
        Wanted size of the file; the smallest version is returned where none fits.
    """
    frames = segmented.clip.frames.numpy()
    mask = (segmented.labels == index).any(dim=0).numpy()
    stretch = _busiest_stretch(mask)
    frames, mask = frames[stretch], mask[stretch]
    durations = [round(1000 / fps)] * len(frames)
    durations[-1] += LAST_FRAME_HOLD_MS
    first = int(mask.sum(axis=(1, 2)).argmax())
    durations = durations[first:] + durations[:first]
    encoded = AnimatedClip(b"", 0, 0)
    for share, quality in SHRINKING:
        pictures = highlight(frames, mask, round(share * side))
        pictures = pictures[first:] + pictures[:first]
        encoded = AnimatedClip(_encode(pictures, durations, quality), *pictures[0].size)
        if len(encoded.data) <= max_bytes:
            break
    return encoded


def highlight(frames: NDArray[np.uint8], mask: NDArray[np.bool_], side: int) -> list[Image.Image]:
    """Outline ``mask`` and mute the rest.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8
    mask : (T, H, W) bool
    side : int
        Longer side of the pictures, in pixels.
    """
    height, width = mask.shape[1:]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return [_highlight_frame(frame, inside, size) for frame, inside in zip(frames, mask, strict=True)]


def _busiest_stretch(mask: NDArray[np.bool_]) -> slice:
    """Up to `MAX_FRAMES` frames in a row; of equally busy stretches the first."""
    length = min(MAX_FRAMES, len(mask))
    total = np.concatenate([[0], mask.sum(axis=(1, 2)).cumsum()])
    start = int((total[length:] - total[:-length]).argmax())
    return slice(start, start + length)


def _highlight_frame(frame: NDArray[np.uint8], mask: NDArray[np.bool_], size: tuple[int, int]) -> Image.Image:
    picture = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
    smooth = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    region = smooth.point(_THRESHOLD)
    gray = picture.convert("L").convert("RGB")
    muted = Image.blend(gray, picture, MUTED_COLOR).point(_DARKER * 3)
    shown = Image.composite(picture, muted, region)
    if region.getbbox() is None:
        return shown
    inside = np.asarray(region) > 0
    edge = inside & ~_shrink(inside)
    outline = edge | (_grow(inside) & ~inside)
    hairline = _grow(outline) & ~inside & ~outline
    pixels = np.array(shown)
    pixels[hairline] = HAIRLINE
    pixels[outline] = OUTLINE
    return Image.fromarray(pixels)


def _grow(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` and the pixels that touch it, corners included."""
    return _rows_beside(_rows_beside(mask).T).T


def _shrink(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` without the pixels that touch the outside or the picture's edge."""
    outside = np.pad(~mask, 1, constant_values=True)
    return ~_grow(outside)[1:-1, 1:-1]


def _rows_beside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    return grown


def _encode(pictures: Sequence[Image.Image], durations: list[int], quality: int) -> bytes:
    file = io.BytesIO()
    pictures[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=list(pictures[1:]),
        duration=durations,
        loop=0,
        quality=quality,
        method=2,
    )
    return file.getvalue()
