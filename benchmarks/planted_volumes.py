"""Clips with a true segmentation, for measures of supervoxels."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ace3d_fast.video.planted import CLASSES, make_clip


def planted_volume(
    shape: tuple[int, int, int],
    *,
    seed: int,
    num_objects: int = 12,
    contrast: float = 60.0,
    noise: float = 5.0,
) -> tuple[Tensor, Tensor]:
    """Ellipses that move, turn and grow before one another, textured and shaded, with camera noise.

    Returns
    -------
    frames : (T, H, W, 3) uint8
    truth : (T, H, W) int32
        The objects, each of at least 0.2 % of the voxels, and the background.
    """
    rng = np.random.default_rng(seed)
    depth, height, width = shape
    t, y, x = (
        line.astype(np.float32) for line in np.meshgrid(*map(np.arange, shape), indexing="ij", sparse=True)
    )
    objects, colors = [], [rng.uniform(60, 190, 3)]
    for _ in range(num_objects):
        center = rng.random(2) * (height, width)
        speed = rng.normal(size=2) * height / depth / 3
        axes = height * rng.uniform(0.06, 0.22, 2)
        growth, turn, angle = rng.uniform(-0.3, 0.3), rng.normal() * 0.6, rng.uniform(0, np.pi)
        phase = t / max(depth - 1, 1)
        dy, dx = y - center[0] - speed[0] * t, x - center[1] - speed[1] * t
        cos, sin = np.cos(angle + turn * phase), np.sin(angle + turn * phase)
        scale = 1 + growth * phase
        u, v = (dy * cos + dx * sin) / (axes[0] * scale), (dx * cos - dy * sin) / (axes[1] * scale)
        objects.append(u**2 + v**2 < 1)
        shift = rng.normal(size=3)
        shift *= contrast * rng.uniform(0.5, 2) / np.linalg.norm(shift)
        colors.append(np.clip(colors[0] + shift, 0, 255))
    owner = _arrange(objects, least=int(0.002 * np.prod(shape)))
    frames = np.asarray(colors, np.float32)[owner]
    shade = np.cos(x / width * rng.uniform(2, 5) + y / height * rng.uniform(2, 5)) * 10
    texture = ndimage.gaussian_filter(rng.normal(size=(height, width)), 1.5)
    frames += shade[..., None] + (texture / texture.std() * noise).astype(np.float32)[None, :, :, None]
    frames += rng.normal(size=frames.shape).astype(np.float32) * noise
    truth = np.unique(owner, return_inverse=True)[1].reshape(shape).astype(np.int32)
    return torch.from_numpy(frames.clip(0, 255).astype(np.uint8)), torch.from_numpy(truth)


def _arrange(objects: list[np.ndarray], least: int) -> np.ndarray:
    """Where each object is seen, as 1 + its index, later ones in front; none under ``least`` voxels."""
    hidden: set[int] = set()
    while True:
        owner = np.zeros(objects[0].shape, np.int32)
        for index, inside in enumerate(objects):
            if index not in hidden:
                owner[inside] = index + 1
        sizes = np.bincount(owner.ravel(), minlength=len(objects) + 1)[1:]
        small = {index for index, size in enumerate(sizes) if size < least} - hidden
        if not small:
            return owner
        hidden |= small


def sprite_volume(class_index: int, seed: int) -> tuple[Tensor, Tensor]:
    """A PlantedVid clip: (16, 64, 64, 3) uint8, and its sprites and background as (16, 64, 64) int32."""
    clip = make_clip(class_index % len(CLASSES), np.random.default_rng([seed, class_index]))
    truth = np.zeros(clip.frames.shape[:3], np.int32)
    for number, mask in enumerate(clip.masks[clip.masks.any(axis=(1, 2, 3))], start=1):
        truth[mask] = number
    return torch.from_numpy(clip.frames), torch.from_numpy(truth)
