"""Native ops on clips, volumes and label maps; ``ops.reference`` holds the same, written to be read."""

from __future__ import annotations

from typing import Any

from ace3d_fast import _core
from ace3d_fast.ops.color import clips_to_lab, rgb_to_lab
from ace3d_fast.ops.connect_by_color import connect_by_color
from ace3d_fast.ops.connectivity import enforce_connectivity, enforce_connectivity_
from ace3d_fast.ops.kmeans import KmeansRuns, kmeans, kmeans_step, nearest_centers
from ace3d_fast.ops.region_overlap import region_overlap
from ace3d_fast.ops.region_patches import region_patches
from ace3d_fast.ops.region_pool import region_pool, region_sums
from ace3d_fast.ops.segment import segment_clips
from ace3d_fast.ops.slic import slic
from ace3d_fast.ops.slic3d import slic3d, slic3d_frames, slic3d_from
from ace3d_fast.ops.smooth import gaussian_smooth, smooth_lab
from ace3d_fast.ops.stream import StreamedFrames, stream_supervoxels

__all__ = [
    "KmeansRuns",
    "StreamedFrames",
    "build_info",
    "clips_to_lab",
    "connect_by_color",
    "enforce_connectivity",
    "enforce_connectivity_",
    "gaussian_smooth",
    "kmeans",
    "kmeans_step",
    "nearest_centers",
    "region_overlap",
    "region_patches",
    "region_pool",
    "region_sums",
    "rgb_to_lab",
    "segment_clips",
    "slic",
    "slic3d",
    "slic3d_frames",
    "slic3d_from",
    "smooth_lab",
    "stream_supervoxels",
]


def build_info() -> dict[str, Any]:
    """Facts about this build and this machine.

    Returns
    -------
    dict
        ``version``, ``compiler``, ``cuda_compiler`` (empty: built without CUDA), ``instruction_set`` in use
        (``ACE3D_INSTRUCTION_SET`` lowers it), ``cuda_devices`` (names).
    """
    return _core.build_info()
