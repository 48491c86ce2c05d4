"""The ops of `ace3d_fast.ops`, written to be read: NumPy, SciPy and scikit-image, one step after the other.

Same names, arguments and results. Tests compare the native ops with these; the reference backend runs on
them.
"""

from __future__ import annotations

from ace3d_fast.ops.reference.color import clips_to_lab, rgb_to_lab
from ace3d_fast.ops.reference.connect_by_color import connect_by_color
from ace3d_fast.ops.reference.connectivity import enforce_connectivity, enforce_connectivity_
from ace3d_fast.ops.reference.region_overlap import region_overlap
from ace3d_fast.ops.reference.region_patches import region_patches
from ace3d_fast.ops.reference.region_pool import region_pool, region_sums
from ace3d_fast.ops.reference.segment import segment_clips
from ace3d_fast.ops.reference.slic3d import slic3d
from ace3d_fast.ops.reference.smooth import gaussian_smooth

__all__ = [
    "clips_to_lab",
    "connect_by_color",
    "enforce_connectivity",
    "enforce_connectivity_",
    "gaussian_smooth",
    "region_overlap",
    "region_patches",
    "region_pool",
    "region_sums",
    "rgb_to_lab",
    "segment_clips",
    "slic3d",
]
