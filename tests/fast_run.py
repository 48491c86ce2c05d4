"""A run of seconds: what tests repeat that ask whether two runs are the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from small_run import TARGET

from ace3d_fast.api import run_options
from ace3d_fast.config import EvaluationOptions, Execution, RunOptions
from ace3d_fast.models.planted import PlantedDemo
from ace3d_fast.models.registry import find_entry
from ace3d_fast.pipeline import run_pipeline
from ace3d_fast.video.planted import CLASSES

QUICK = EvaluationOptions(
    max_concepts=1,
    num_random_orders=1,
    num_area_draws=1,
    clips_per_video=1,
    fills=("mean",),
    num_bootstrap=50,
)


TABLES = ("regions", "concepts", "scores", "evaluation")

BREAKS = """
import os, signal
from pathlib import Path
from ace3d_fast.models.planted import PlantedNet

class Breaks(PlantedNet):
    def forward(self, x):
        calls = Path(__file__).with_suffix(".calls")
        with calls.open("a") as file:
            file.write("x")
        if calls.stat().st_size > {after}:
            {how}
        return super().forward(x)
"""


def fast_options(videos: Path, weights: Path, model: str = "planted:net", **given: Any) -> RunOptions:
    options = run_options(
        videos,
        target_class=TARGET,
        model=model,
        weights=weights,
        num_regions=[15, 30],
        num_clusters=5,
        forwards_per_concept=4,
        **given,
    )
    cavs = replace(options.cavs, num_random_sets=3, num_accuracy_permutations=19, num_negatives=20)
    scores = replace(options.scores, num_permutations=99, num_motion_members=2)
    return replace(options, cavs=cavs, scores=scores, evaluation=QUICK)


def breaking_options(videos: Path, weights: Path, folder: Path, *, after: int, how: str) -> RunOptions:
    """Of a network that does ``how`` in every forward but the first ``after``, in whatever process."""
    (folder / "net.py").write_text(BREAKS.format(after=after, how=how))
    (folder / "labels.txt").write_text("\n".join(CLASSES))
    own = find_entry("planted:net")
    sampling = own.sampling
    return fast_options(
        videos,
        weights,
        f"{folder / 'net.py'}:Breaks",
        layer=next(iter(own.layers)),
        labels=folder / "labels.txt",
        clip_frames=sampling.num_frames,
        clip_fps=sampling.fps,
        resize=sampling.resize_px,
        size=sampling.crop_px,
    )


def fast_run(planted: PlantedDemo, videos: Path, out: Path, **how: object) -> dict[str, bytes]:
    """Files of a run by name, without those that hold times."""
    run_pipeline(fast_options(videos, planted.weights_path), out, execution=Execution(**how))
    return files_of(out)


def assert_same_tables(found: Path, right: Path, names: Sequence[str] = TABLES, atol: float = 1e-4) -> None:
    """Two runs found the same, but for rounding."""
    for name in names:
        ours, theirs = (pd.read_parquet(folder / f"{name}.parquet") for folder in (found, right))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=False, rtol=1e-3, atol=atol, obj=name)


def files_of(run: Path) -> dict[str, bytes]:
    files = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    return {name: data for name, data in files.items() if name not in ("timings.json", "report.html")}


if __name__ == "__main__":  # a run in a process of its own, which a test may kill
    given = json.loads(sys.argv[1])
    run_pipeline(
        fast_options(Path(given["videos"]), Path(given["weights"])),
        given["out"],
        execution=Execution(**given["how"]),
    )
