"""The native backend against the pure-Python path on the same videos: `ace3d-fast bench`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from ace3d_fast import ops
from ace3d_fast.api import explain
from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops import reference
from ace3d_fast.store import RunFolder
from ace3d_fast.threads import one_torch_thread
from ace3d_fast.types import Progress, Video
from ace3d_fast.video.inputs import list_videos

MIN_LABEL_AGREEMENT = 0.98
MAX_FEATURE_ERROR = 1e-4


@dataclass(frozen=True)
class Comparison:
    """Seconds of both backends on the same videos.

    Attributes
    ----------
    stages : DataFrame
        A row per stage: ``stage``, ``native_seconds``, ``reference_seconds``, ``ratio``; the last row,
        ``total``, is the whole run.
    checks : dict of str to float
        What was proved before timing: ``label_agreement`` (share of voxels in the same region) and
        ``feature_error`` (greatest difference of a pooled feature).
    num_videos : int
    """

    stages: pd.DataFrame
    checks: dict[str, float]
    num_videos: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        stages = self.stages.to_dict("records")
        return {"num_videos": self.num_videos, "checks": self.checks, "stages": stages}


def compare_backends(
    videos: str | Path | Sequence[str | Path],
    *,
    target_class: str,
    max_videos: int | None = None,
    reference_preset: Literal["stce", "calibrated"] = "stce",
    progress: Progress | None = None,
    **options: Any,
) -> Comparison:
    """Run both backends on the same videos, each with one thread, and compare stage by stage.

    The native run uses the preset ``calibrated``. The reference run goes the published pipeline's way:
    whole videos, scikit-image, NumPy, scikit-learn, and a forward for every window of every region.
    Before anything is timed, both segment the first clip and pool over its regions: a disagreement is
    an error.

    Parameters
    ----------
    videos : path or sequence of paths
    target_class : str
    max_videos : int, optional
        Most videos of each class; at least 3 of the explained class are needed.
    reference_preset : {"stce", "calibrated"}
    progress : Progress, optional
    **options
        Of `ace3d_fast.explain`: ``model``, ``layer``, ``clip_frames`` and so on.

    Raises
    ------
    InputError
        As `ace3d_fast.explain`, or the backends disagree.
    """
    paths = [videos] if isinstance(videos, str | Path) else list(videos)
    chosen = _first_of_each_class(list_videos(paths), max_videos)
    with tempfile.TemporaryDirectory() as folder, one_torch_thread():
        table = Path(folder) / "videos.csv"
        rows = [(str(v.path.resolve()), v.label, v.group) for v in chosen]
        pd.DataFrame(rows, columns=["path", "label", "group"]).to_csv(table, index=False)
        given = {**options, "target_class": target_class, "progress": progress}
        native = explain(table, out=Path(folder) / "native", **given)
        checks = _check_agreement(native)
        twin = explain(
            table, out=Path(folder) / "reference", backend="reference", preset=reference_preset, **given
        )
        return Comparison(_stages(native.timings, twin.timings), checks, len(chosen))


def _first_of_each_class(videos: Sequence[Video], most: int | None) -> list[Video]:
    counts: dict[str, int] = {}
    chosen = []
    for video in videos:
        counts[video.label] = counts.get(video.label, 0) + 1
        if most is None or counts[video.label] <= most:
            chosen.append(video)
    return chosen


def _check_agreement(run: RunFolder) -> dict[str, float]:
    """Segment and pool the first stored clip with both backends."""
    clip = run.read_clip(next(iter(run.videos)), 0).clip
    frames = clip.frames[None]
    native, twin = (backend.segment_clips(frames, [15, 50]) for backend in (ops, reference))
    agreement = float((native == twin).float().mean())
    features = torch.rand(1, 8, 4, 10, 10, generator=torch.Generator().manual_seed(0))
    num_regions = int(native.max()) + 1
    pooled = [pool(features, native[:, 0], num_regions) for pool in (ops.region_pool, reference.region_pool)]
    error = float((pooled[0] - pooled[1]).abs().max())
    if agreement < MIN_LABEL_AGREEMENT or error > MAX_FEATURE_ERROR:
        fact = f"{agreement:.4f} of labels equal, features apart by {error:.1e}"
        raise InputError(expected("bench", "both backends", "to give one answer", fact))
    return {"label_agreement": agreement, "feature_error": error}


def _stages(native: dict[str, Any], twin: dict[str, Any]) -> pd.DataFrame:
    seconds = {
        name: (native["stages"].get(name, 0.0), twin["stages"].get(name, 0.0))
        for name in {**native["stages"], **twin["stages"]}
    }
    seconds["total"] = (native["total_seconds"], twin["total_seconds"])
    rows = [(name, fast, slow, slow / fast if fast > 0 else None) for name, (fast, slow) in seconds.items()]
    return pd.DataFrame(rows, columns=["stage", "native_seconds", "reference_seconds", "ratio"])
