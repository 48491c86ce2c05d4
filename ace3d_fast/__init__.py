"""Spatial-temporal concept explanations of 3D ConvNets.

The main job is `explain`; each stage has one import of its own, and so has each op. Names are loaded when
they are first used, so that ``import ace3d_fast`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "explain": "ace3d_fast.api",
    "explain_video": "ace3d_fast.new_video",
    "compare_runs": "ace3d_fast.run_comparison",
    "view_run": "ace3d_fast.notebook",
    "RunFolder": "ace3d_fast.store",
    "list_videos": "ace3d_fast.video.inputs",
    "sample_clips": "ace3d_fast.stages.clips",
    "cut_supervoxels": "ace3d_fast.stages.supervoxels",
    "describe_regions": "ace3d_fast.stages.features",
    "find_concepts": "ace3d_fast.stages.concepts",
    "measure_regions": "ace3d_fast.stages.effects",
    "fit_concept_cavs": "ace3d_fast.stages.cavs",
    "score_concepts": "ace3d_fast.stages.scores",
    "judge_concepts": "ace3d_fast.stages.verdicts",
    "evaluate_concepts": "ace3d_fast.stages.evaluation",
    "write_report": "ace3d_fast.report",
    "segment_clips": "ace3d_fast.ops",
    "accelerate": "ace3d_fast.compat.accelerate",
    "slic": "ace3d_fast.ops",
    "slic3d": "ace3d_fast.ops",
    "stream_supervoxels": "ace3d_fast.ops",
    "region_pool": "ace3d_fast.ops",
    "region_overlap": "ace3d_fast.ops",
    "region_patches": "ace3d_fast.ops",
}
__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from ace3d_fast.api import explain as explain
    from ace3d_fast.compat.accelerate import accelerate as accelerate
    from ace3d_fast.new_video import explain_video as explain_video
    from ace3d_fast.notebook import view_run as view_run
    from ace3d_fast.ops.region_overlap import region_overlap as region_overlap
    from ace3d_fast.ops.region_patches import region_patches as region_patches
    from ace3d_fast.ops.region_pool import region_pool as region_pool
    from ace3d_fast.ops.segment import segment_clips as segment_clips
    from ace3d_fast.ops.slic import slic as slic
    from ace3d_fast.ops.slic3d import slic3d as slic3d
    from ace3d_fast.ops.stream import stream_supervoxels as stream_supervoxels
    from ace3d_fast.run_comparison import compare_runs as compare_runs
    from ace3d_fast.store import RunFolder as RunFolder


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
