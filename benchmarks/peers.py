"""Other implementations of SLIC, where they are installed: each as one call from frames to labels.

All get one thread, the same number of iterations, and steps between seeds that are those of ours.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ace3d_fast.ops import clips_to_lab, gaussian_smooth
from ace3d_fast.ops.seeds import seed_grid

Labels = np.ndarray  # (T, H, W) integers
Frames = np.ndarray  # (T, H, W, 3) uint8


@dataclass(frozen=True, slots=True)
class Setting:
    """What is asked of every implementation."""

    num_regions: int
    compactness: float = 10.0
    sigma: float = 0.0
    num_iterations: int = 10


@dataclass(frozen=True, slots=True)
class Peer:
    """An implementation; ``computes`` says what one call does where that is not what ours does."""

    name: str
    module: str
    computes: str
    segment: Callable[[Frames, Setting], Labels]
    volumetric: bool = True

    def is_installed(self) -> bool:
        try:
            importlib.import_module(self.module)
        except ImportError:
            return False
        return True


def smooth_lab(frames: Frames, sigma: float) -> np.ndarray:
    """(T, H, W, 3) float32, as `segment_clips` makes it."""
    volume = clips_to_lab(torch.from_numpy(frames)[None])
    volume = gaussian_smooth(volume, sigma) if sigma > 0 else volume
    return np.ascontiguousarray(volume[0].movedim(0, -1).numpy())


def by_skimage(frames: Frames, setting: Setting) -> Labels:
    from skimage.segmentation import slic

    labels: Labels = slic(
        frames,
        setting.num_regions,
        setting.compactness,
        setting.num_iterations,
        setting.sigma,
        start_label=0,
        channel_axis=-1,
    )
    return labels


def by_simpleitk(frames: Frames, setting: Setting) -> Labels:
    return simpleitk_of_lab(smooth_lab(frames, setting.sigma), setting)


def simpleitk_of_lab(lab: np.ndarray, setting: Setting) -> Labels:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    grid = [int(step) for step in seed_grid(lab.shape[:3], setting.num_regions).step]
    image = SimpleITK.GetImageFromArray(lab, isVector=True)
    found = SimpleITK.SLIC(image, grid[::-1], setting.compactness, setting.num_iterations)
    labels: Labels = SimpleITK.GetArrayFromImage(found).astype(np.int32)
    return labels


def by_opencv(frames: Frames, setting: Setting) -> Labels:
    import cv2

    cv2.setNumThreads(1)
    side = max(seed_grid(frames.shape[:3], setting.num_regions).step[1:])

    def segment(frame: np.ndarray) -> tuple[np.ndarray, int]:
        lab = cv2.cvtColor(frame, cv2.COLOR_RGB2Lab)
        found = cv2.ximgproc.createSuperpixelSLIC(lab, cv2.ximgproc.SLIC, side, setting.compactness)
        found.iterate(setting.num_iterations)
        found.enforceLabelConnectivity()
        return found.getLabels(), found.getNumberOfSuperpixels()

    return _frame_by_frame(frames, segment)


def by_fast_slic(frames: Frames, setting: Setting) -> Labels:
    from fast_slic.avx2 import SlicAvx2

    counts = seed_grid(frames.shape[:3], setting.num_regions).counts(frames.shape[:3])
    num_components = max(2, counts[1] * counts[2])

    def segment(frame: np.ndarray) -> tuple[np.ndarray, int]:
        slic = SlicAvx2(num_components, compactness=setting.compactness, num_threads=1)
        return slic.iterate(frame, setting.num_iterations), num_components

    return _frame_by_frame(frames, segment)


def _frame_by_frame(frames: Frames, segment: Callable[[np.ndarray], tuple[np.ndarray, int]]) -> Labels:
    labels, total = np.empty(frames.shape[:3], np.int32), 0
    for t, frame in enumerate(frames):
        found, count = segment(frame)
        labels[t] = found + total
        total += count
    return labels


PEERS = [
    Peer("scikit-image", "skimage", "the same, on float64", by_skimage),
    Peer(
        "SimpleITK",
        "SimpleITK",
        "SLIC of Lab that is prepared for it: seeds off edges, merging below a quarter of the mean size",
        by_simpleitk,
    ),
    Peer(
        "OpenCV by frame",
        "cv2.ximgproc",
        "superpixels of each frame alone, Lab, no smoothing",
        by_opencv,
        volumetric=False,
    ),
    Peer(
        "fast-slic by frame",
        "fast_slic",
        "superpixels of each frame alone, on a third of the pixels an iteration (its default), no smoothing",
        by_fast_slic,
        volumetric=False,
    ),
]


def installed_peers(say: Callable[[str], Any] = print) -> list[Peer]:
    """The peers that are there; a line for each that is not."""
    found = [peer for peer in PEERS if peer.is_installed()]
    for peer in PEERS:
        if peer not in found:
            say(f"{peer.name}: not installed, left out")
    return found
